/*
 * token.c
 *		Refresh tokens under the server's secrets, see token.h.
 */
#include "sctoken.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#include "token.h"

#define SUCCESSOR_LABEL		"sctoken successor"

PG_FUNCTION_INFO_V1(sctoken_token_family_id);
PG_FUNCTION_INFO_V1(sctoken_hash_equal);

Datum
sctoken_token_family_id(PG_FUNCTION_ARGS)
{
	text	   *text_arg = PG_GETARG_TEXT_PP(0);
	SctToken	token;
	pg_uuid_t  *family_id;

	if (sct_token_parse(VARDATA_ANY(text_arg), VARSIZE_ANY_EXHDR(text_arg),
						&token) != SCT_OK)
		PG_RETURN_NULL();
	family_id = palloc(sizeof(pg_uuid_t));
	memcpy(family_id->data, token.family_id, UUID_LEN);
	sct_crypto_cleanse(&token, sizeof(token));
	PG_RETURN_UUID_P(family_id);
}

Datum
sctoken_hash_equal(PG_FUNCTION_ARGS)
{
	bytea	   *a = PG_GETARG_BYTEA_PP(0);
	bytea	   *b = PG_GETARG_BYTEA_PP(1);

	PG_RETURN_BOOL(VARSIZE_ANY_EXHDR(a) == VARSIZE_ANY_EXHDR(b) &&
				   sct_crypto_equal(VARDATA_ANY(a), VARDATA_ANY(b),
									VARSIZE_ANY_EXHDR(a)));
}

const char *
sct_token_authenticate(const text *presented, SctToken *token,
					   ServerSecret *secret)
{
	SctReason	reason;

	reason = sct_token_parse(VARDATA_ANY(presented),
							 VARSIZE_ANY_EXHDR(presented), token);
	if (reason != SCT_OK)
		return sct_reason_word(reason);
	if (!sct_secret_find(token->key_id, secret))
		return "key_id";
	reason = sct_token_verify(VARDATA_ANY(presented), secret->mac_key);
	if (reason != SCT_OK)
		sct_crypto_cleanse(secret, sizeof(ServerSecret));
	if (reason == SCT_INTERNAL)
		elog(ERROR, "libcrypto failed");
	return sct_reason_word(reason);
}

text *
sct_token_mint(const SctToken *token, const ServerSecret *secret)
{
	char		buf[SCT_TOKEN_LEN];

	Assert(token->key_id == secret->id);
	if (sct_token_build(token, secret->mac_key, buf) != SCT_OK)
		elog(ERROR, "libcrypto failed");
	return cstring_to_text_with_len(buf, SCT_TOKEN_LEN);
}

void
sct_token_hash(const SctToken *token, uint8 *hash)
{
	if (sct_crypto_sha256(token->secret, SCT_TOKEN_SECRET_LEN, hash) != SCT_OK)
		elog(ERROR, "libcrypto failed");
}

void
sct_token_random(SctToken *token)
{
	if (!pg_strong_random(token->secret, SCT_TOKEN_SECRET_LEN))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random bytes")));
}

void
sct_token_succeed(const SctToken *token, const uint8 *salt,
				  const ServerSecret *secret, SctToken *successor)
{
	uint8		ikm[SCT_TOKEN_SECRET_LEN + SCT_SHA256_LEN];
	uint8		info[sizeof(SUCCESSOR_LABEL) - 1 + SCT_TOKEN_FAMILY_LEN + 8];
	uint8	   *p = info;
	SctReason	reason;

	successor->key_id = secret->id;
	memcpy(successor->family_id, token->family_id, SCT_TOKEN_FAMILY_LEN);
	successor->generation = token->generation + 1;

	/*
	 * Neither a dump (salt, but not the presented secret) nor the spent token
	 * together with a dump (if the server's secret is not in it) gives the
	 * successor.
	 */
	memcpy(ikm, token->secret, SCT_TOKEN_SECRET_LEN);
	memcpy(ikm + SCT_TOKEN_SECRET_LEN, secret->successor_key, SCT_SHA256_LEN);

	memcpy(p, SUCCESSOR_LABEL, sizeof(SUCCESSOR_LABEL) - 1);
	p += sizeof(SUCCESSOR_LABEL) - 1;
	memcpy(p, token->family_id, SCT_TOKEN_FAMILY_LEN);
	p += SCT_TOKEN_FAMILY_LEN;
	for (int shift = 56; shift >= 0; shift -= 8)
		*p++ = (uint8) (successor->generation >> shift);

	reason = sct_crypto_hkdf(ikm, sizeof(ikm), salt, TOKEN_SALT_LEN,
							 info, sizeof(info), successor->secret);
	sct_crypto_cleanse(ikm, sizeof(ikm));
	if (reason != SCT_OK)
		elog(ERROR, "libcrypto failed");
}
