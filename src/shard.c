/*
 * shard.c
 *		Which of many databases a call belongs to: a function of the token or the
 *		key alone, and the same as PostgreSQL's own hash functions give.  And which
 *		of them this one is (sctoken.shard), so that the families begun here come
 *		back.
 */
#include "sctoken.h"

#include "common/hashfn.h"
#include "fmgr.h"
#include "utils/guc.h"
#include "utils/uuid.h"

#include "core/dpop_proof.h"
#include "shard.h"
#include "token.h"

/* For each family so many ids are tried, more or less. */
#define MAX_SHARDS	65536

/*
 * What sctoken.shard says: database number "number" of "shards"; or, where shards
 * is 0, whatever has a hash from "low" to "high", as Citus divides them.
 */
typedef struct Shard
{
	int32		number;
	int32		shards;
	int32		low;
	int32		high;
} Shard;

static Shard here = {0, 1, 0, 0};

PG_FUNCTION_INFO_V1(sctoken_shard_of_token);
PG_FUNCTION_INFO_V1(sctoken_shard_of_key);
PG_FUNCTION_INFO_V1(sctoken_shard_of_proof);

static bool
is_number_of_shards(int32 shards)
{
	return shards >= 1 && (shards & (shards - 1)) == 0;
}

/* The last bits of a hash: which of them is what PL/Proxy and others take. */
static int32
shard_of(const void *key, int len, int32 shards)
{
	if (!is_number_of_shards(shards))
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

Datum
sctoken_shard_of_proof(PG_FUNCTION_ARGS)
{
	text	   *proof = PG_GETARG_TEXT_PP(0);
	SctDpopProof *space = palloc(sizeof(SctDpopProof));
	char		jkt[SCT_THUMBPRINT_LEN];
	int			len = 0;

	/* what names no key is refused anywhere, and remembered nowhere */
	if (sct_dpop_key(VARDATA_ANY(proof), VARSIZE_ANY_EXHDR(proof), space,
					 jkt) == SCT_OK)
		len = SCT_THUMBPRINT_LEN;
	pfree(space);
	PG_RETURN_INT32(shard_of(jkt, len, PG_GETARG_INT32(1)));
}

/* Reads decimal digits, and no more, up to the one given. */
static bool
read_number(const char **text, char end, int32 *number)
{
	const char *p = *text;

	*number = 0;
	do
	{
		if (*p < '0' || *p > '9' || *number > MAX_SHARDS)
			return false;
		*number = *number * 10 + (*p - '0');
		p++;
	} while (*p != end);
	*text = p + 1;
	return true;
}

/* Reads "3/64". */
static bool
read_share(const char *text, Shard *shard)
{
	return read_number(&text, '/', &shard->number) &&
		read_number(&text, '\0', &shard->shards) &&
		is_number_of_shards(shard->shards) && shard->shards <= MAX_SHARDS &&
		shard->number < shard->shards;
}

/* Reads "-2147483648..-2013265921", no narrower than a share may be. */
static bool
read_range(const char *text, Shard *shard)
{
	char	   *end;
	long long	low;
	long long	high;

	errno = 0;
	low = strtoll(text, &end, 10);
	if (end == text || strncmp(end, "..", 2) != 0)
		return false;
	text = end + 2;
	high = strtoll(text, &end, 10);
	if (end == text || *end != '\0' || errno != 0 ||
		low < PG_INT32_MIN || high > PG_INT32_MAX ||
		high - low + 1 < (INT64CONST(1) << 32) / MAX_SHARDS)
		return false;
	shard->shards = 0;
	shard->low = (int32) low;
	shard->high = (int32) high;
	return true;
}

bool
sct_shard_check(char **newval, void **extra,
				GucSource source pg_attribute_unused())
{
	Shard		shard = {0, 1, 0, 0};
	Shard	   *result;

	if (**newval != '\0' &&
		!read_share(*newval, &shard) && !read_range(*newval, &shard))
	{
		GUC_check_errdetail("Number and count are expected, for example 0/64 to 63/64; the count is a power of two, at most %d.  Or a range of hashes, for example -2147483648..-2080374785, of at least %d.",
							MAX_SHARDS, (int) ((INT64CONST(1) << 32) / MAX_SHARDS));
		return false;
	}
	result = sct_guc_malloc(sizeof(Shard));
	if (result == NULL)
		return false;
	*result = shard;
	*extra = result;
	return true;
}

void
sct_shard_assign(const char *newval pg_attribute_unused(), void *extra)
{
	here = *(Shard *) extra;
}

bool
sct_shard_is_here(const pg_uuid_t *family_id)
{
	if (here.shards == 0)
	{
		int32		hash = (int32) hash_bytes(family_id->data, UUID_LEN);

		return hash >= here.low && hash <= here.high;
	}
	return shard_of(family_id->data, UUID_LEN, here.shards) == here.number;
}
