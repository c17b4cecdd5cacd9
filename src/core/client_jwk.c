/*
 * client_jwk.c
 *		Keys and certificates of clients, see client_jwk.h.
 */
#include "../compat.h"

#include "base64url.h"
#include "client_jwk.h"
#include "x509.h"
#include "x509_info.h"

static bool
is_known_type(const SctJson *json, const SctJsonNode *node)
{
	const SctJsonNode *kty = sct_json_member(json, node, "kty");

	return sct_json_string_is(kty, "EC") || sct_json_string_is(kty, "RSA") ||
		sct_json_string_is(kty, "OKP");
}

static bool
same_key(const SctJwk *a, const SctJwk *b)
{
	return a->type == b->type &&
		a->first_len == b->first_len && a->second_len == b->second_len &&
		memcmp(a->first, b->first, a->first_len) == 0 &&
		memcmp(a->second, b->second, a->second_len) == 0;
}

/* The first element of an array; NULL when it is none, or no string. */
static const SctJsonNode *
first_string(const SctJson *json, const SctJsonNode *array)
{
	int			parent = (int) (array - json->nodes);

	if (array->type != SCT_JSON_ARRAY || parent + 1 >= json->count ||
		json->nodes[parent + 1].parent != parent ||
		json->nodes[parent + 1].type != SCT_JSON_STRING)
		return NULL;
	return &json->nodes[parent + 1];
}

/* The thumbprint of the certificate, if the key is that of the JWK. */
static SctReason
read_x5c(const SctJson *json, const SctJsonNode *x5c, const SctJwk *jwk,
		 char *thumbprint)
{
	const SctJsonNode *first = first_string(json, x5c);
	uint8		der[SCT_X509_MAX_LEN + 2];	/* padding counts for bytes too */
	size_t		len;
	SctX509    *x509;
	SctJwk		certified;
	SctReason	reason;

	if (first == NULL ||
		SCT_BASE64URL_DECODED_LEN(first->value_len) > sizeof(der) ||
		!sct_base64_decode(first->value, first->value_len, der, &len))
		return SCT_X5C;
	reason = sct_x509_parse(der, len, &x509);
	if (reason != SCT_OK)
		return reason == SCT_CERTIFICATE ? SCT_X5C : reason;
	if (!sct_x509_jwk(x509, &certified) || !same_key(&certified, jwk))
		reason = SCT_X5C_KEY;
	sct_x509_free(x509);
	return reason == SCT_OK ? sct_thumbprint_bytes(der, len, thumbprint) : reason;
}

SctReason
sct_client_jwk_read(const SctJson *json, const SctJsonNode *node, bool by_key,
					char *thumbprint)
{
	const SctJsonNode *x5c;
	const SctJsonNode *x5t;
	char		certificate[SCT_THUMBPRINT_LEN];
	SctJwk		jwk;
	SctReason	reason;

	if (node->type != SCT_JSON_OBJECT)
		return SCT_JWK;
	if (sct_jwk_is_private(json, node))
		return SCT_PRIVATE_KEY;
	x5c = sct_json_member(json, node, "x5c");
	x5t = sct_json_member(json, node, "x5t#S256");
	if (!is_known_type(json, node) || (x5c == NULL && !by_key) ||
		sct_json_string_is(sct_json_member(json, node, "use"), "enc"))
		return SCT_NOT_REGISTERED;

	reason = sct_jwk_parse(json, node, &jwk);
	if (reason == SCT_OK)
		reason = sct_jwk_safe(&jwk);
	if (reason == SCT_OK && x5c != NULL)
		reason = read_x5c(json, x5c, &jwk, certificate);
	if (reason != SCT_OK)
		return reason;
	if (x5c != NULL && x5t != NULL &&
		(x5t->type != SCT_JSON_STRING || x5t->value_len != sizeof(certificate) ||
		 memcmp(x5t->value, certificate, sizeof(certificate)) != 0))
		return SCT_X5C_KEY;
	if (by_key)
		return sct_thumbprint_key(&jwk, thumbprint);
	memcpy(thumbprint, certificate, sizeof(certificate));
	return SCT_OK;
}
