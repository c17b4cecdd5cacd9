/*
 * revoke_bulk.c
 *		sctoken.revoke_grant(), revoke_session(), revoke_subject() and
 *		revoke_binding(): the end of many families by one statement.
 *
 * No family's lock is taken, so that any number of families costs one lock.  A
 * rotation that is first has the row; the statement waits for it and revokes what
 * it left (at REPEATABLE READ it may fail with 40001 instead, having changed
 * nothing).  One that comes later waits for the row, and finds it revoked: every
 * UPDATE of a call under the family's lock asks for that.  Logins are kept out by
 * the lock on what is named, see lock.h.
 */
#include "sctoken.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "announce.h"
#include "argument.h"
#include "lock.h"
#include "query.h"
#include "revoke_bulk.h"
#include "stats.h"
#include "transaction.h"

/* The first parameters of each statement */
enum
{
	VALUE_REASON,
	VALUE_KEY,					/* what names the families, and more */
	MAX_VALUES = 7
};

/*
 * Rows are locked in the order of their ids, as everybody does who locks more
 * than one, or two such statements could wait for each other.  Whoever waits for
 * a row looks at its conditions again.
 */
#define LOCK_ROWS(condition) \
	"WITH locked AS (" \
	"SELECT id FROM sctoken.family WHERE " condition " AND revoked_at IS NULL" \
	" ORDER BY id FOR NO KEY UPDATE)"

/*
 * The time is that of the change, after any wait: what was rotated meanwhile was
 * not yet revoked.
 */
#define REVOKE_ROWS \
	", revoked AS (" \
	"UPDATE sctoken.family AS f" \
	" SET revoked_at = pg_catalog.clock_timestamp(), revoke_reason = $1" \
	" FROM locked WHERE f.id OPERATOR(pg_catalog.=) locked.id" \
	" AND f.revoked_at IS NULL" \
	" RETURNING f.id, f.revoked_at, f.generation, f.client_id, f.subject)" \
	" INSERT INTO sctoken.event" \
	" (family_id, at, kind, generation, client_id, subject, reason)" \
	" SELECT id, revoked_at, 'revoked', generation, client_id, subject, $1" \
	" FROM revoked"

static PreparedQuery subject_query = {
	.sql = LOCK_ROWS("subject OPERATOR(pg_catalog.=) $2"
					 " AND ($3 IS NULL OR client_id OPERATOR(pg_catalog.=) $3)")
	REVOKE_ROWS " WHERE $4 IS NULL OR id OPERATOR(pg_catalog.<>) $4",
	.nargs = 4,
	.argtypes = {TEXTOID, TEXTOID, TEXTOID, UUIDOID}
};

static PreparedQuery session_query = {
	.sql = LOCK_ROWS("session_id OPERATOR(pg_catalog.=) $2") REVOKE_ROWS,
	.nargs = 2,
	.argtypes = {TEXTOID, TEXTOID}
};

static PreparedQuery grant_query = {
	.sql = LOCK_ROWS("grant_id OPERATOR(pg_catalog.=) $2") REVOKE_ROWS,
	.nargs = 2,
	.argtypes = {TEXTOID, TEXTOID}
};

/* The expressions of three indexes, in the order of BindingMember. */
static PreparedQuery binding_query = {
	.sql = LOCK_ROWS("((binding OPERATOR(pg_catalog.->>) 'jkt')"
					 " OPERATOR(pg_catalog.=) $2"
					 " OR (binding OPERATOR(pg_catalog.->>) 'x5t#S256')"
					 " OPERATOR(pg_catalog.=) $3"
					 " OR (binding OPERATOR(pg_catalog.->>) 'tbh')"
					 " OPERATOR(pg_catalog.=) $4)")
	REVOKE_ROWS,
	.nargs = 4,
	.argtypes = {TEXTOID, TEXTOID, TEXTOID, TEXTOID}
};

/* Families that are dead in any other way need no room. */
static PreparedQuery surplus_query = {
	.sql = LOCK_ROWS("id OPERATOR(pg_catalog.=) ANY (ARRAY("
					 "SELECT id FROM sctoken.family"
					 " WHERE subject OPERATOR(pg_catalog.=) $2"
					 " AND client_id OPERATOR(pg_catalog.=) $3"
					 " AND revoked_at IS NULL"
					 " AND expires_at OPERATOR(pg_catalog.>) $4"
					 " AND rotated_at OPERATOR(pg_catalog.>) $5"
					 " AND created_at OPERATOR(pg_catalog.>) $6"
					 " ORDER BY created_at DESC, id DESC OFFSET $7))")
	REVOKE_ROWS " RETURNING family_id",
	.nargs = 7,
	.argtypes = {TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID,
	TIMESTAMPTZOID, INT8OID}
};

PG_FUNCTION_INFO_V1(sctoken_revoke_grant);
PG_FUNCTION_INFO_V1(sctoken_revoke_session);
PG_FUNCTION_INFO_V1(sctoken_revoke_subject);
PG_FUNCTION_INFO_V1(sctoken_revoke_binding);

/* A statement to run. */
typedef struct Run
{
	PreparedQuery *query;
	Datum	   *values;
	const char *nulls;
	uint64	   *count;			/* of the events it made */
} Run;

static void
run_statement(const void *arg)
{
	const Run  *run = arg;

	*run->count = sct_query_run(run->query, run->values, run->nulls);
}

/* False when a row stayed locked; nothing has changed then. */
static bool
revoke_rows(PreparedQuery *query, Datum *values, const char *nulls, uint64 *count)
{
	Run			run = {query, values, nulls, count};

	*count = 0;
	if (!sct_lock_bounded(run_statement, &run))
		return false;
	if (*count > 0)
		sct_transaction_revoked();
	sct_stats_add(STATS_FAMILIES_REVOKED, *count);
	return true;
}

static void
refuse_read_only(const char *call)
{
	const char *name = psprintf("sctoken.%s()", call);

	PreventCommandIfReadOnly(name);
	PreventCommandDuringRecovery(name);
}

/* Reads the argument that says why. */
static Datum
reason_argument(FunctionCallInfo fcinfo, int argno)
{
	return PointerGetDatum(sct_argument_text(fcinfo, argno, "reason", true,
											 ARGUMENT_MAX_REASON));
}

/* Revokes what a lock that is held names. */
static Datum
revoke_named(const char *call, PreparedQuery *query, Datum *values, const char *nulls)
{
	uint64		count;

	sct_lock_require(revoke_rows(query, values, nulls, &count));
	if (count > 0)
		sct_announce_call(call);
	return Int64GetDatum((int64) count);
}

/* Revokes what the first argument, an identifier, names. */
static Datum
revoke_identifier(FunctionCallInfo fcinfo, const char *call, const char *argument,
				  bool (*lock) (const text *identifier, LOCKMODE mode),
				  PreparedQuery *query)
{
	QueryScope	scope;
	Datum		values[MAX_VALUES] = {0};
	text	   *identifier;
	Datum		result;

	refuse_read_only(call);
	identifier = sct_argument_text(fcinfo, 0, argument, true, ARGUMENT_MAX_ID);
	values[VALUE_REASON] = reason_argument(fcinfo, 1);
	values[VALUE_KEY] = PointerGetDatum(identifier);

	sct_query_begin(&scope);
	sct_lock_require(lock(identifier, ExclusiveLock));
	result = revoke_named(call, query, values, NULL);
	sct_query_end(&scope);
	return result;
}

Datum
sctoken_revoke_grant(PG_FUNCTION_ARGS)
{
	return revoke_identifier(fcinfo, "revoke_grant", "grant_id", sct_lock_grant,
							 &grant_query);
}

Datum
sctoken_revoke_session(PG_FUNCTION_ARGS)
{
	return revoke_identifier(fcinfo, "revoke_session", "session_id", sct_lock_session,
							 &session_query);
}

Datum
sctoken_revoke_subject(PG_FUNCTION_ARGS)
{
	QueryScope	scope;
	Datum		values[MAX_VALUES] = {0};
	char		nulls[] = "   n";
	text	   *subject;
	text	   *client_id;
	Datum		result;

	refuse_read_only("revoke_subject");
	subject = sct_argument_text(fcinfo, 0, "subject", true, ARGUMENT_MAX_ID);
	values[VALUE_REASON] = reason_argument(fcinfo, 1);
	client_id = sct_argument_text(fcinfo, 2, "client_id", false, ARGUMENT_MAX_ID);
	values[VALUE_KEY] = PointerGetDatum(subject);
	values[VALUE_KEY + 1] = PointerGetDatum(client_id);
	if (client_id == NULL)
		nulls[VALUE_KEY + 1] = 'n';

	sct_query_begin(&scope);
	sct_lock_require(sct_lock_subject(subject, ExclusiveLock));
	result = revoke_named("revoke_subject", &subject_query, values, nulls);
	sct_query_end(&scope);
	return result;
}

Datum
sctoken_revoke_binding(PG_FUNCTION_ARGS)
{
	QueryScope	scope;
	Datum		values[MAX_VALUES] = {0};
	char		nulls[] = "    ";
	Binding		binding;
	Datum		result;

	refuse_read_only("revoke_binding");
	sct_binding_argument(fcinfo, 0, "cnf", &binding);
	values[VALUE_REASON] = reason_argument(fcinfo, 1);
	for (int i = 0; i < BINDING_MEMBERS; i++)
	{
		if (binding.has[i])
			values[VALUE_KEY + i] =
				PointerGetDatum(cstring_to_text_with_len(binding.thumbprint[i],
														 SCT_THUMBPRINT_LEN));
		else
			nulls[VALUE_KEY + i] = 'n';
	}

	sct_query_begin(&scope);
	sct_lock_require(sct_lock_binding(&binding, ExclusiveLock));
	result = revoke_named("revoke_binding", &binding_query, values, nulls);
	sct_query_end(&scope);
	return result;
}

bool
sct_revoke_subject_client(const text *subject, const text *client_id,
						  const pg_uuid_t *reused)
{
	Datum		values[MAX_VALUES] = {0};
	uint64		others;

	values[VALUE_REASON] = CStringGetTextDatum("reuse_detected");
	values[VALUE_KEY] = PointerGetDatum(subject);
	values[VALUE_KEY + 1] = PointerGetDatum(client_id);
	values[VALUE_KEY + 2] = UUIDPGetDatum(reused);

	if (!revoke_rows(&subject_query, values, NULL, &others))
		return false;

	/* the one that was reused is not among the others, but revoked in any case */
	sct_transaction_revoked();
	sct_stats_count(STATS_FAMILIES_REVOKED);
	sct_announce_call("revoke_subject_client");
	return true;
}

void
sct_revoke_surplus(const text *subject, const text *client_id,
				   const Policy *policy, TimestampTz now)
{
	Datum		values[MAX_VALUES] = {0};
	SPITupleTable *rows;
	uint64		count;

	values[VALUE_REASON] = CStringGetTextDatum("max_families");
	values[VALUE_KEY] = PointerGetDatum(subject);
	values[VALUE_KEY + 1] = PointerGetDatum(client_id);
	values[VALUE_KEY + 2] = TimestampTzGetDatum(now);
	values[VALUE_KEY + 3] = TimestampTzGetDatum(now - policy->idle_ttl);
	values[VALUE_KEY + 4] = TimestampTzGetDatum(Max(policy->not_before,
													now - policy->absolute_ttl));
	values[VALUE_KEY + 5] = Int64GetDatum((int64) policy->max_families - 1);
	count = sct_query_run(&surplus_query, values, NULL);
	rows = SPI_tuptable;
	if (count > 0)
		sct_transaction_revoked();
	sct_stats_add(STATS_FAMILIES_REVOKED, count);
	for (uint64 i = 0; i < count; i++)
	{
		bool		isnull;

		sct_announce_family(DatumGetUUIDP(SPI_getbinval(rows->vals[i], rows->tupdesc,
														1, &isnull)));
	}
}
