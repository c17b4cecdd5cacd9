/*
 * jws.c
 *		Compact JWS and the algorithm names of JOSE, see jws.h.
 */
#include "../compat.h"

#include "jws.h"

/* In the order of SctAlg. */
static const char *const alg_names[SCT_ALG_COUNT] = {
	"ES256", "ES384", "ES512",
	"PS256", "PS384", "PS512",
	"RS256", "RS384", "RS512",
	"EdDSA", "Ed25519", "Ed448"
};

const char *
sct_alg_name(SctAlg alg)
{
	return alg_names[alg];
}

bool
sct_alg_lookup(const char *name, size_t len, SctAlg *alg)
{
	for (int i = 0; i < SCT_ALG_COUNT; i++)
	{
		if (strlen(alg_names[i]) == len && memcmp(alg_names[i], name, len) == 0)
		{
			*alg = (SctAlg) i;
			return true;
		}
	}
	return false;
}

bool
sct_alg_fits(SctAlg alg, SctKeyType type)
{
	switch (alg)
	{
		case SCT_ALG_ES256:
			return type == SCT_KEY_P256;
		case SCT_ALG_ES384:
			return type == SCT_KEY_P384;
		case SCT_ALG_ES512:
			return type == SCT_KEY_P521;
		case SCT_ALG_PS256:
		case SCT_ALG_PS384:
		case SCT_ALG_PS512:
		case SCT_ALG_RS256:
		case SCT_ALG_RS384:
		case SCT_ALG_RS512:
			return type == SCT_KEY_RSA;
		case SCT_ALG_EDDSA:
			return type == SCT_KEY_ED25519 || type == SCT_KEY_ED448;
		case SCT_ALG_ED25519:
			return type == SCT_KEY_ED25519;
		case SCT_ALG_ED448:
			return type == SCT_KEY_ED448;
	}
	return false;
}

SctReason
sct_jws_split(const char *text, size_t len, SctJwsParts *parts)
{
	const char *first = memchr(text, '.', len);
	const char *second;
	const char *end = text + len;

	if (first == NULL)
		return SCT_MALFORMED;
	second = memchr(first + 1, '.', end - (first + 1));
	if (second == NULL || memchr(second + 1, '.', end - (second + 1)) != NULL)
		return SCT_MALFORMED;

	parts->header = text;
	parts->header_len = first - text;
	parts->payload = first + 1;
	parts->payload_len = second - (first + 1);
	parts->signature = second + 1;
	parts->signature_len = end - (second + 1);
	parts->signed_len = second - text;
	if (parts->header_len == 0 || parts->signature_len == 0)
		return SCT_MALFORMED;
	return SCT_OK;
}

SctReason
sct_jws_header(const SctJson *header, SctAlg *alg)
{
	const SctJsonNode *root = &header->nodes[0];
	const SctJsonNode *name;

	if (sct_json_member(header, root, "crit") != NULL ||
		sct_json_member(header, root, "b64") != NULL)
		return SCT_CRIT;
	name = sct_json_member(header, root, "alg");
	if (name == NULL || name->type != SCT_JSON_STRING ||
		!sct_alg_lookup(name->value, name->value_len, alg))
		return SCT_ALG;
	return SCT_OK;
}
