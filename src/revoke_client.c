/*
 * revoke_client.c
 *		sctoken.revoke_client(): the end of all families of a client, in constant
 *		time.
 *
 * Writes one row, whatever the number of families: the moment until which they
 * were issued.  Takes no lock but that row's, so that an emergency stop waits for
 * no login; rotate and introspect compare.
 */
#include "sctoken.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "announce.h"
#include "argument.h"
#include "query.h"
#include "stats.h"
#include "transaction.h"

/* The event is of no family: the nil UUID (RFC 9562 5.9). */
static PreparedQuery move_query = {
	.sql = "WITH noted AS (INSERT INTO sctoken.event"
	" (family_id, at, kind, client_id, reason) VALUES"
	" ('00000000-0000-0000-0000-000000000000', $2, 'client_revoked', $1, $3))"
	" INSERT INTO sctoken.client_policy AS p (client_id, not_before)"
	" VALUES ($1, $2)"
	" ON CONFLICT (client_id) DO UPDATE"
	" SET not_before = GREATEST(p.not_before, EXCLUDED.not_before)"
	" RETURNING not_before",
	.nargs = 3,
	.argtypes = {TEXTOID, TIMESTAMPTZOID, TEXTOID}
};

PG_FUNCTION_INFO_V1(sctoken_revoke_client);

Datum
sctoken_revoke_client(PG_FUNCTION_ARGS)
{
	QueryScope	scope;
	Datum		values[3];
	bool		isnull;
	Datum		result;

	PreventCommandIfReadOnly("sctoken.revoke_client()");
	PreventCommandDuringRecovery("sctoken.revoke_client()");
	values[0] = PointerGetDatum(sct_argument_text(fcinfo, 0, "client_id", true,
														ARGUMENT_MAX_ID));
	values[2] = PointerGetDatum(sct_argument_text(fcinfo, 1, "reason", true,
														ARGUMENT_MAX_REASON));

	sct_query_begin(&scope);
	values[1] = TimestampTzGetDatum(GetCurrentTimestamp());
	sct_transaction_locked();
	sct_transaction_revoked();
	(void) sct_query_run(&move_query, values, NULL);
	result = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &isnull);
	sct_stats_count(STATS_CLIENTS_REVOKED);
	sct_announce_call("revoke_client");
	sct_query_end(&scope);
	return result;
}
