/*
 * thumbprint.c
 *		JWK thumbprints (RFC 7638) and their URIs (RFC 9278) called from SQL.
 */
#include "sctoken.h"

#include "fmgr.h"
#include "utils/builtins.h"

#include "core/base64url.h"
#include "core/crypto.h"
#include "encoding.h"
#include "thumbprint.h"

typedef struct HashName
{
	SctHash		hash;
	const char *name;			/* as an argument */
	const char *registered;		/* in RFC 9278 URIs (IANA named information) */
} HashName;

static const HashName hash_names[] = {
	{SCT_SHA256, "sha256", "sha-256"},
	{SCT_SHA384, "sha384", "sha-384"},
	{SCT_SHA512, "sha512", "sha-512"}
};

PG_FUNCTION_INFO_V1(sctoken_jwk_thumbprint);
PG_FUNCTION_INFO_V1(sctoken_jwk_thumbprint_uri);

static const HashName *
hash_by_name(text *name)
{
	for (size_t i = 0; i < lengthof(hash_names); i++)
	{
		if (VARSIZE_ANY_EXHDR(name) == strlen(hash_names[i].name) &&
			memcmp(VARDATA_ANY(name), hash_names[i].name,
				   VARSIZE_ANY_EXHDR(name)) == 0)
			return &hash_names[i];
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("argument \"%s\" is not a supported hash function", "hash"),
			 errhint("Use sha256, sha384 or sha512.")));
}

/* The text of a json argument in UTF-8, which is what the core reads. */
static SctReason
parse_argument(const text *json_text, SctJwk *jwk)
{
	size_t		len;
	const char *utf8 = sct_text_to_utf8(json_text, &len);
	SctJson    *json;
	SctReason	reason;

	if (utf8 == NULL)
		return SCT_JSON;
	if (len > SCT_JSON_MAX_LEN)
		return SCT_JSON_LIMIT;
	json = palloc(sizeof(SctJson));
	reason = sct_json_parse(utf8, len, palloc(SCT_JSON_SPACE(len)), json);
	if (reason == SCT_OK)
		reason = sct_jwk_parse(json, &json->nodes[0], jwk);
	return reason;
}

/* The thumbprint, with prefix before it; NULL when it is no JWK. */
static text *
thumbprint(text *json_text, const HashName *hash, const char *prefix)
{
	SctJwk		jwk;
	char		canonical[SCT_JWK_CANONICAL_MAX];
	uint8		digest[SCT_HASH_MAX];
	size_t		digest_len;
	size_t		prefix_len = strlen(prefix);
	char		buf[64 + SCT_BASE64URL_ENCODED_LEN(SCT_HASH_MAX)];

	if (parse_argument(json_text, &jwk) != SCT_OK)
		return NULL;
	if (sct_crypto_digest(hash->hash, canonical,
						  sct_jwk_canonical(&jwk, canonical),
						  digest, &digest_len) != SCT_OK)
		elog(ERROR, "libcrypto failed");

	Assert(prefix_len <= 64);
	memcpy(buf, prefix, prefix_len);
	sct_base64url_encode(digest, digest_len, buf + prefix_len);
	return cstring_to_text_with_len(buf, (int) (prefix_len +
												SCT_BASE64URL_ENCODED_LEN(digest_len)));
}

text *
sct_thumbprint_jwk(text *jwk)
{
	return thumbprint(jwk, &hash_names[0], "");
}

/* As thumbprint(), for the argument jwk. */
static text *
argument_thumbprint(text *json_text, const HashName *hash, const char *prefix)
{
	text	   *result = thumbprint(json_text, hash, prefix);

	if (result == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" is not a JWK with a thumbprint", "jwk"),
				 errdetail("It must be an EC, RSA or OKP key in strict JSON, its members in canonical base64url.")));
	return result;
}

Datum
sctoken_jwk_thumbprint(PG_FUNCTION_ARGS)
{
	const HashName *hash = hash_by_name(PG_GETARG_TEXT_PP(1));

	PG_RETURN_TEXT_P(argument_thumbprint(PG_GETARG_TEXT_PP(0), hash, ""));
}

Datum
sctoken_jwk_thumbprint_uri(PG_FUNCTION_ARGS)
{
	const HashName *hash = hash_by_name(PG_GETARG_TEXT_PP(1));

	PG_RETURN_TEXT_P(argument_thumbprint(PG_GETARG_TEXT_PP(0), hash,
										 psprintf("urn:ietf:params:oauth:jwk-thumbprint:%s:",
												  hash->registered)));
}
