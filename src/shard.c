/*
 * shard.c
 *		Which of many databases a call belongs to: a function of the token or the
 *		key alone, and the same as PostgreSQL's own hash functions give.
 */
#include "sctoken.h"

#include "common/hashfn.h"
#include "fmgr.h"
#include "utils/uuid.h"

#include "token.h"

PG_FUNCTION_INFO_V1(sctoken_shard_of_token);
PG_FUNCTION_INFO_V1(sctoken_shard_of_key);

/* The last bits of a hash: which of them is what PL/Proxy and others take. */
static int32
shard_of(const void *key, int len, int32 shards)
{
	if (shards < 1 || (shards & (shards - 1)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be a power of two", "shards"),
				 errhint("Begin with more databases than servers, for example 64: a database can be moved, but a token's hash cannot.")));
	return (int32) (hash_bytes(key, len) & (uint32) (shards - 1));
}

Datum
sctoken_shard_of_token(PG_FUNCTION_ARGS)
{
	text	   *text_arg = PG_GETARG_TEXT_PP(0);
	SctToken	token;
	int32		shard;

	/* what is no token is unknown anywhere, as one of no family */
	if (sct_token_parse(VARDATA_ANY(text_arg), VARSIZE_ANY_EXHDR(text_arg),
						&token) != SCT_OK)
		memset(&token, 0, sizeof(token));
	shard = shard_of(token.family_id, UUID_LEN, PG_GETARG_INT32(1));
	sct_crypto_cleanse(&token, sizeof(token));
	PG_RETURN_INT32(shard);
}

Datum
sctoken_shard_of_key(PG_FUNCTION_ARGS)
{
	text	   *jkt = PG_GETARG_TEXT_PP(0);

	PG_RETURN_INT32(shard_of(VARDATA_ANY(jkt), (int) VARSIZE_ANY_EXHDR(jkt),
							 PG_GETARG_INT32(1)));
}
