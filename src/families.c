/*
 * families.c
 *		sctoken.families(): the living families of a subject ("my sessions").
 *
 * Gives no hash, salt, key id or thumbprint.  Takes no lock and writes nothing,
 * so that it runs on a standby too.
 */
#include "sctoken.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/tuplestore.h"

#include "active.h"
#include "argument.h"
#include "query.h"

/* Columns of the query, from 1, and of the result in the same order, from 0 */
enum
{
	COL_FAMILY_ID = 1,
	COL_CLIENT_ID,
	COL_SESSION_ID,
	COL_GRANT_ID,
	COL_SCOPE,
	COL_AUDIENCE,
	COL_BOUND,
	COL_GENERATION,
	COL_CREATED_AT,
	COL_ROTATED_AT,
	COL_EXPIRES_AT,
	COL_COUNT = COL_EXPIRES_AT
};

static PreparedQuery families_query = {
	.sql = "SELECT id, client_id, session_id, grant_id, scope, audience,"
	" binding IS NOT NULL, generation, created_at, rotated_at, expires_at"
	" FROM sctoken.family"
	" WHERE subject OPERATOR(pg_catalog.=) $1 AND revoked_at IS NULL"
	" ORDER BY rotated_at DESC, id",
	.nargs = 1,
	.argtypes = {TEXTOID}
};

PG_FUNCTION_INFO_V1(sctoken_families);

/* Adds a row to the result, if its family lives. */
static void
put_family(ReturnSetInfo *result, HeapTuple tuple, TupleDesc tupdesc, TimestampTz now)
{
	Datum		values[COL_COUNT];
	bool		nulls[COL_COUNT];
	Family		family = {0};
	TimestampTz expires_at;

	for (int i = 0; i < COL_COUNT; i++)
		values[i] = SPI_getbinval(tuple, tupdesc, i + 1, &nulls[i]);
	family.client_id = DatumGetTextPP(values[COL_CLIENT_ID - 1]);
	family.created_at = DatumGetTimestampTz(values[COL_CREATED_AT - 1]);
	family.rotated_at = DatumGetTimestampTz(values[COL_ROTATED_AT - 1]);
	family.expires_at = DatumGetTimestampTz(values[COL_EXPIRES_AT - 1]);
	if (!sct_family_is_active(&family, now, &expires_at))
		return;
	values[COL_EXPIRES_AT - 1] = TimestampTzGetDatum(expires_at);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

Datum
sctoken_families(PG_FUNCTION_ARGS)
{
	text	   *subject;
	QueryScope	scope;
	TimestampTz now = GetCurrentTimestamp();
	SPITupleTable *rows;
	uint64		count;
	Datum		values[1];

	subject = sct_argument_text(fcinfo, 0, "subject", true, ARGUMENT_MAX_ID);
	InitMaterializedSRF(fcinfo, 0);

	sct_query_begin(&scope);
	values[0] = PointerGetDatum(subject);
	count = sct_query_run(&families_query, values, NULL);
	rows = SPI_tuptable;
	for (uint64 i = 0; i < count; i++)
		put_family((ReturnSetInfo *) fcinfo->resultinfo, rows->vals[i],
				   rows->tupdesc, now);
	sct_query_end(&scope);
	return (Datum) 0;
}
