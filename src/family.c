/*
 * family.c
 *		The row of a token family, see family.h.
 */
#include "sctoken.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "announce.h"
#include "family.h"
#include "interval.h"
#include "query.h"
#include "stats.h"
#include "transaction.h"

static PreparedQuery insert_query = {
	.sql = "INSERT INTO sctoken.family"
	" (id, created_at, expires_at, client_id, subject, session_id, grant_id,"
	" scope, audience, binding, details, generation, rotated_at, retries, key_id,"
	" secret_hash)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 0, $14, $15)",
	.nargs = 15,
	.argtypes = {UUIDOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID,
		TEXTOID, TEXTARRAYOID, JSONBOID, JSONBOID, INT8OID, TIMESTAMPTZOID, INT2OID,
	BYTEAOID}
};

/* The columns that never change come first; advance_query gives them too. */
#define FIXED_COLUMNS \
	"created_at, expires_at, client_id, subject, session_id, grant_id, scope," \
	" audience, binding, details"

static PreparedQuery read_query = {
	.sql = "SELECT " FIXED_COLUMNS ", revoked_at IS NOT NULL, generation, rotated_at,"
	" retries, key_id, secret_hash, previous_hash, salt"
	" FROM sctoken.family WHERE id OPERATOR(pg_catalog.=) $1",
	.nargs = 1,
	.argtypes = {UUIDOID}
};

static PreparedQuery advance_query = {
	.sql = "UPDATE sctoken.family SET generation = $3 OPERATOR(pg_catalog.+) 1,"
	" rotated_at = $2, retries = 0, key_id = $9, secret_hash = $10,"
	" previous_hash = $11, salt = $12"
	" WHERE id OPERATOR(pg_catalog.=) $1"
	" AND generation OPERATOR(pg_catalog.=) $3"
	" AND client_id OPERATOR(pg_catalog.=) $5"
	" AND revoked_at IS NULL"
	" AND expires_at OPERATOR(pg_catalog.>) $2"
	" AND rotated_at OPERATOR(pg_catalog.>) $7"
	" AND created_at OPERATOR(pg_catalog.>) $8"
	" AND (binding IS NULL OR binding OPERATOR(pg_catalog.=) $6)"
	" AND sctoken.hash_equal(secret_hash, $4)"
	" RETURNING " FIXED_COLUMNS,
	.nargs = 12,
	.argtypes = {UUIDOID, TIMESTAMPTZOID, INT8OID, BYTEAOID, TEXTOID, JSONBOID,
		TIMESTAMPTZOID, TIMESTAMPTZOID, INT2OID, BYTEAOID, BYTEAOID,
	BYTEAOID}
};

static PreparedQuery count_retry_query = {
	.sql = "UPDATE sctoken.family SET retries = retries OPERATOR(pg_catalog.+) 1"
	" WHERE id OPERATOR(pg_catalog.=) $1 AND revoked_at IS NULL",
	.nargs = 1,
	.argtypes = {UUIDOID}
};

static PreparedQuery keep_query = {
	.sql = "UPDATE sctoken.family SET rotated_at = $2, salt = NULL"
	" WHERE id OPERATOR(pg_catalog.=) $1 AND revoked_at IS NULL",
	.nargs = 2,
	.argtypes = {UUIDOID, TIMESTAMPTZOID}
};

static PreparedQuery revoke_query = {
	.sql = "UPDATE sctoken.family SET revoked_at = $2, revoke_reason = $3"
	" WHERE id OPERATOR(pg_catalog.=) $1 AND revoked_at IS NULL",
	.nargs = 3,
	.argtypes = {UUIDOID, TIMESTAMPTZOID, TEXTOID}
};

static PreparedQuery confirm_query = {
	.sql = "UPDATE sctoken.family SET salt = NULL"
	" WHERE id OPERATOR(pg_catalog.=) $1 AND revoked_at IS NULL",
	.nargs = 1,
	.argtypes = {UUIDOID}
};

static Datum
bytes_datum(const uint8 *bytes, size_t len)
{
	return PointerGetDatum(cstring_to_text_with_len((const char *) bytes, (int) len));
}

/* A pointer that may be NULL as a value of a statement. */
static Datum
pointer_datum(const void *pointer, char *isnull)
{
	*isnull = pointer == NULL ? 'n' : ' ';
	return PointerGetDatum(pointer);
}

/* The n-th column of the only row, detoasted; NULL when it is null. */
static struct varlena *
varlena_column(int n)
{
	bool		isnull;
	Datum		value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc,
									  n, &isnull);

	return isnull ? NULL : PG_DETOAST_DATUM(value);
}

static Datum
fixed_column(int n)
{
	bool		isnull;

	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, n, &isnull);
}

/* Copies a bytea column of exactly len bytes; false when it is null. */
static bool
bytes_column(int n, uint8 *dst, size_t len)
{
	struct varlena *value = varlena_column(n);

	if (value == NULL)
		return false;
	if (VARSIZE_ANY_EXHDR(value) != len)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("hash of unexpected length in table \"%s\"",
						"sctoken.family")));
	memcpy(dst, VARDATA_ANY(value), len);
	return true;
}

static void
read_fixed_columns(Family *family)
{
	family->created_at = DatumGetTimestampTz(fixed_column(1));
	family->expires_at = DatumGetTimestampTz(fixed_column(2));
	family->client_id = (text *) varlena_column(3);
	family->subject = (text *) varlena_column(4);
	family->session_id = (text *) varlena_column(5);
	family->grant_id = (text *) varlena_column(6);
	family->scope = (text *) varlena_column(7);
	family->audience = (ArrayType *) varlena_column(8);
	family->binding = (Jsonb *) varlena_column(9);
	family->details = (Jsonb *) varlena_column(10);
}

/* The first 48 bits of a UUIDv7 (RFC 9562 5.7) are its Unix time in milliseconds. */
TimestampTz
sct_family_id_time(const pg_uuid_t *id)
{
	int64		ms = 0;

	for (int i = 0; i < 6; i++)
		ms = ms << 8 | id->data[i];
	return ms * 1000 - UNIX_EPOCH_SECONDS * USECS_PER_SEC;
}

void
sct_family_insert(const Family *family)
{
	Datum		values[15];
	char		nulls[] = "               ";

	values[0] = UUIDPGetDatum(&family->id);
	values[1] = TimestampTzGetDatum(family->created_at);
	values[2] = TimestampTzGetDatum(family->expires_at);
	values[3] = PointerGetDatum(family->client_id);
	values[4] = PointerGetDatum(family->subject);
	values[5] = pointer_datum(family->session_id, &nulls[5]);
	values[6] = pointer_datum(family->grant_id, &nulls[6]);
	values[7] = pointer_datum(family->scope, &nulls[7]);
	values[8] = pointer_datum(family->audience, &nulls[8]);
	values[9] = pointer_datum(family->binding, &nulls[9]);
	values[10] = pointer_datum(family->details, &nulls[10]);
	values[11] = Int64GetDatum(family->generation);
	values[12] = TimestampTzGetDatum(family->rotated_at);
	values[13] = Int16GetDatum(family->key_id);
	values[14] = bytes_datum(family->secret_hash, SCT_SHA256_LEN);
	(void) sct_query_run(&insert_query, values, nulls);
}

bool
sct_family_read(const pg_uuid_t *id, Family *family)
{
	Datum		values[1];

	values[0] = UUIDPGetDatum(id);
	if (sct_query_run(&read_query, values, NULL) != 1)
		return false;
	family->id = *id;
	read_fixed_columns(family);
	family->revoked = DatumGetBool(fixed_column(11));
	family->generation = DatumGetInt64(fixed_column(12));
	family->rotated_at = DatumGetTimestampTz(fixed_column(13));
	family->retries = DatumGetInt32(fixed_column(14));
	family->key_id = DatumGetInt16(fixed_column(15));
	(void) bytes_column(16, family->secret_hash, SCT_SHA256_LEN);
	family->has_previous_hash = bytes_column(17, family->previous_hash,
											 TOKEN_PREVIOUS_HASH_LEN);
	family->has_salt = bytes_column(18, family->salt, TOKEN_SALT_LEN);
	return true;
}

bool
sct_family_advance(const FamilyStep *step, Family *family)
{
	Datum		values[12];
	char		nulls[] = "            ";

	values[0] = UUIDPGetDatum(&step->id);
	values[1] = TimestampTzGetDatum(step->now);
	values[2] = Int64GetDatum(step->generation);
	values[3] = bytes_datum(step->secret_hash, SCT_SHA256_LEN);
	values[4] = PointerGetDatum(step->client_id);
	values[5] = pointer_datum(step->binding, &nulls[5]);
	values[6] = TimestampTzGetDatum(step->rotated_after);
	values[7] = TimestampTzGetDatum(step->created_after);
	values[8] = Int16GetDatum(step->key_id);
	values[9] = bytes_datum(step->new_hash, SCT_SHA256_LEN);
	values[10] = bytes_datum(step->secret_hash, TOKEN_PREVIOUS_HASH_LEN);
	if (step->salt != NULL)
		values[11] = bytes_datum(step->salt, TOKEN_SALT_LEN);
	else
		nulls[11] = 'n';
	if (sct_query_run(&advance_query, values, nulls) != 1)
		return false;
	family->id = step->id;
	read_fixed_columns(family);
	return true;
}

bool
sct_family_count_retry(const pg_uuid_t *id)
{
	Datum		values[1];

	values[0] = UUIDPGetDatum(id);
	return sct_query_run(&count_retry_query, values, NULL) == 1;
}

bool
sct_family_keep(const pg_uuid_t *id, TimestampTz now)
{
	Datum		values[2];

	values[0] = UUIDPGetDatum(id);
	values[1] = TimestampTzGetDatum(now);
	return sct_query_run(&keep_query, values, NULL) == 1;
}

bool
sct_family_confirm(const pg_uuid_t *id)
{
	Datum		values[1];

	values[0] = UUIDPGetDatum(id);
	return sct_query_run(&confirm_query, values, NULL) == 1;
}

bool
sct_family_revoke(const pg_uuid_t *id, TimestampTz now, const char *reason)
{
	Datum		values[3];

	values[0] = UUIDPGetDatum(id);
	values[1] = TimestampTzGetDatum(now);
	values[2] = CStringGetTextDatum(reason);
	sct_transaction_revoked();
	if (sct_query_run(&revoke_query, values, NULL) != 1)
		return false;
	sct_stats_count(STATS_FAMILIES_REVOKED);
	sct_announce_family(id);
	return true;
}
