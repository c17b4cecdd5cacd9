/*
 * maintain.c
 *		sctoken.maintain(): partitions of events, and families past their end.
 *
 * Runs beside traffic, in many short transactions.  A lock that a rotation
 * would have to wait behind is asked for with a short timeout, and what needs
 * it is left to the next call otherwise.  Nothing here is needed for a token to
 * be judged rightly: without it the tables grow, that is all.
 *
 * New partitions are of weeks to come only: the present one may have rows in
 * the default partition, and a call that is about to write there must not find
 * that its row belongs elsewhere.
 */
#include "sctoken.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#include "lock.h"
#include "query.h"
#include "stats.h"

#define WEEKS_AHEAD			4
#define USECS_PER_WEEK		(7 * USECS_PER_DAY)

/* 3 January 2000 was a Monday */
#define FIRST_MONDAY		(2 * USECS_PER_DAY)

/* A partition whose week is nearer than this is not made any more. */
#define PARTITION_MARGIN	USECS_PER_MINUTE

/* Milliseconds that a rotation waits behind maintain() at most for one lock */
#define LOCK_WAIT			50

/*
 * To attach a partition, PostgreSQL reads the default partition while nobody
 * can write to it; up to this size in bytes that is short.
 */
#define MAX_DEFAULT_SIZE	(64 * 1024 * 1024)

#define FAMILIES_PER_BATCH	1000

/* "event_YYYYMMDD" */
#define PARTITION_NAME_LEN	14

/* One call */
typedef struct Maintenance
{
	bool		began;			/* a transaction of our own, with a snapshot */

	/* to tell; sctoken.stats counts the same while the call goes on */
	int			made;
	int			dropped;
	int64		families;
	int			left;			/* for want of a lock */
} Maintenance;

static PreparedQuery default_query = {
	.sql = "SELECT pg_catalog.pg_relation_size('sctoken.event_default'),"
	" (SELECT pg_catalog.max(at) FROM sctoken.event_default)",
	.nargs = 0,
	.reads_all = true
};

/* Names sort as their dates. */
static PreparedQuery old_partitions_query = {
	.sql = "SELECT c.relname::pg_catalog.text"
	" FROM pg_catalog.pg_inherits AS i"
	" JOIN pg_catalog.pg_class AS c ON c.oid OPERATOR(pg_catalog.=) i.inhrelid"
	" WHERE i.inhparent OPERATOR(pg_catalog.=) $1"
	" AND c.relname::pg_catalog.text COLLATE pg_catalog.\"C\" OPERATOR(pg_catalog.~) '^event_[0-9]{8}$'"
	" AND c.relname::pg_catalog.text COLLATE pg_catalog.\"C\" OPERATOR(pg_catalog.<=) $2"
	" ORDER BY 1",
	.nargs = 2,
	.argtypes = {OIDOID, TEXTOID}
};

/* Whom ALTER DEFAULT PRIVILEGES gave rights on a new table. */
static PreparedQuery grantees_query = {
	.sql = "SELECT DISTINCT CASE WHEN a.grantee OPERATOR(pg_catalog.=) 0 THEN 'PUBLIC'"
	" ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)::pg_catalog.text) END"
	" FROM pg_catalog.pg_class AS c, pg_catalog.aclexplode(c.relacl) AS a"
	" WHERE c.oid OPERATOR(pg_catalog.=) $1"
	" AND a.grantee OPERATOR(pg_catalog.<>) c.relowner",
	.nargs = 1,
	.argtypes = {OIDOID}
};

/*
 * From where the last batch ended, so that what it deleted is not read again.
 * A row that somebody holds waits for the next call.
 */
static PreparedQuery delete_query = {
	.sql = "WITH ended AS (SELECT id FROM sctoken.family"
	" WHERE expires_at OPERATOR(pg_catalog.>=) $1"
	" AND expires_at OPERATOR(pg_catalog.<=) $2"
	" ORDER BY expires_at LIMIT $3 FOR UPDATE SKIP LOCKED),"
	" gone AS (DELETE FROM sctoken.family AS f USING ended"
	" WHERE f.id OPERATOR(pg_catalog.=) ended.id RETURNING f.expires_at)"
	" SELECT pg_catalog.count(*), pg_catalog.max(expires_at) FROM gone",
	.nargs = 3,
	.argtypes = {TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID}
};

PG_FUNCTION_INFO_V1(sctoken_maintain);

/* A background worker has nobody to tell but the log. */
static int
report_level(void)
{
	return MyBackendType == B_BG_WORKER ? LOG : INFO;
}

/* What became of a partition, or was left for want of a lock. */
static void
count_partition(bool done, int *count, StatsCounter counter, Maintenance *call)
{
	(*(done ? count : &call->left))++;
	sct_stats_count(done ? counter : STATS_MAINTENANCE_PARTITIONS_LEFT);
}

/*
 * The snapshot that CALL runs under is not ours to pop, and is gone with the
 * first commit.
 */
static void
transaction_end(Maintenance *call)
{
	if (call->began)
		PopActiveSnapshot();
	call->began = false;
	SPI_commit();
}

/*
 * Starts the next transaction; false when another session does our work.
 * Whatever the caller's default, it is READ COMMITTED: a row that somebody
 * changes is skipped then and is no error.
 */
static bool
transaction_next(Maintenance *call)
{
	transaction_end(call);
	CHECK_FOR_INTERRUPTS();
	set_config_option("transaction_isolation", "read committed",
					  PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
	PushActiveSnapshot(GetTransactionSnapshot());
	call->began = true;
	return sct_lock_maintenance();
}

/* Statements without a plan; between sct_query_begin() and sct_query_end(). */
static void
run_statements(const void *statements)
{
	int			result = SPI_execute(statements, false, 0);

	if (result < 0)
		elog(ERROR, "SPI_execute failed: %s", SPI_result_code_string(result));
}

static TimestampTz
week_start(TimestampTz at)
{
	int64		since = at - FIRST_MONDAY;
	int64		week = since / USECS_PER_WEEK;

	if (since < 0 && since % USECS_PER_WEEK != 0)
		week--;
	return FIRST_MONDAY + week * USECS_PER_WEEK;
}

/* Formats the UTC day of a time, "YYYY-MM-DD" with the separator given. */
static void
format_day(char *dst, size_t size, TimestampTz at, const char *separator)
{
	int			year;
	int			month;
	int			day;

	j2date((int) (at / USECS_PER_DAY) + POSTGRES_EPOCH_JDATE, &year, &month, &day);
	snprintf(dst, size, "%04d%s%02d%s%02d", year, separator, month, separator, day);
}

static void
format_partition(char *dst, TimestampTz start)
{
	memcpy(dst, "event_", 6);
	format_day(dst + 6, PARTITION_NAME_LEN + 1 - 6, start, "");
}

static bool
relation_exists(const char *name)
{
	return OidIsValid(get_relname_relid(name, get_namespace_oid("sctoken", false)));
}

/* What is needed to make one partition */
typedef struct NewPartition
{
	char		name[PARTITION_NAME_LEN + 1];
	char		from[16];
	char		to[16];
} NewPartition;

/*
 * The lock on the default partition comes first: it is the only one to wait
 * for.  An index of the parent would come back by itself when a dump is
 * restored, and then collide with the partition's own; so each partition just
 * has one.
 */
static void
partition_make(const void *arg)
{
	const NewPartition *partition = arg;
	const char *name = partition->name;
	StringInfoData sql;
	Datum		values[1];
	uint64		grantees;

	/* made with the owner's rights, so not where the caller's settings say */
	set_config_option("default_tablespace", "", PGC_USERSET, PGC_S_SESSION,
					  GUC_ACTION_SAVE, true, 0, false);
	set_config_option("default_table_access_method", "heap", PGC_USERSET,
					  PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
	initStringInfo(&sql);
	appendStringInfo(&sql,
					 "LOCK TABLE ONLY sctoken.event_default IN ACCESS EXCLUSIVE MODE;"
					 "CREATE TABLE sctoken.%s (LIKE sctoken.event INCLUDING ALL EXCLUDING COMMENTS);"
					 "CREATE INDEX ON sctoken.%s (family_id, at);"
					 "COMMENT ON TABLE sctoken.%s IS 'Events of the week from %s';"
					 "CREATE TRIGGER guard_append_only_truncate"
					 " BEFORE TRUNCATE ON sctoken.%s"
					 " FOR EACH STATEMENT EXECUTE FUNCTION sctoken.guard_append_only();"
					 "ALTER TABLE sctoken.%s"
					 " ENABLE ALWAYS TRIGGER guard_append_only_truncate;",
					 name, name, name, partition->from, name, name);
	run_statements(sql.data);

	values[0] = ObjectIdGetDatum(sct_query_table(name));
	grantees = sct_query_run(&grantees_query, values, NULL);
	resetStringInfo(&sql);
	for (uint64 i = 0; i < grantees; i++)
		appendStringInfo(&sql, "REVOKE ALL ON TABLE sctoken.%s FROM %s;", name,
						 SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1));
	appendStringInfo(&sql,
					 "ALTER TABLE sctoken.event ATTACH PARTITION sctoken.%s"
					 " FOR VALUES FROM ('%s 00:00:00+00') TO ('%s 00:00:00+00')",
					 name, partition->from, partition->to);
	run_statements(sql.data);
}

/* Size and latest row of the default partition; DT_NOBEGIN: it is empty. */
static int64
default_partition_read(TimestampTz *latest)
{
	bool		isnull;
	Datum		value;
	int64		size;

	if (sct_query_run(&default_query, NULL, NULL) != 1)
		elog(ERROR, "could not read table sctoken.event_default");
	size = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc,
									   1, &isnull));
	value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull);
	*latest = isnull ? DT_NOBEGIN : DatumGetTimestampTz(value);
	return size;
}

/* One partition, if it is not there; false when there is no need to go on. */
static bool
partition_ahead(TimestampTz start, Maintenance *call)
{
	NewPartition partition;
	QueryScope	scope;
	TimestampTz latest;
	int64		size;
	bool		go_on = true;

	format_partition(partition.name, start);
	format_day(partition.from, sizeof(partition.from), start, "-");
	format_day(partition.to, sizeof(partition.to), start + USECS_PER_WEEK, "-");
	if (relation_exists(partition.name))
		return true;

	sct_query_begin(&scope);
	size = default_partition_read(&latest);
	if (size > MAX_DEFAULT_SIZE)
	{
		ereport(WARNING,
				(errmsg("default partition of table \"%s\" is too large to attach others beside traffic",
						"sctoken.event"),
				 errhint("See doc/audit.md, section \"A large default partition\".")));
		go_on = false;
	}
	else if (latest < start)
	{
		count_partition(sct_lock_attempt(partition_make, &partition, LOCK_WAIT),
						&call->made, STATS_MAINTENANCE_PARTITIONS_MADE, call);
	}
	sct_query_end(&scope);
	return go_on;
}

/* False when another session took over. */
static bool
make_partitions(Maintenance *call)
{
	TimestampTz now = GetCurrentTimestamp();

	for (int i = 1; i <= WEEKS_AHEAD; i++)
	{
		TimestampTz start = week_start(now) + i * USECS_PER_WEEK;

		if (start - now < PARTITION_MARGIN)
			continue;
		if (!transaction_next(call))
			return false;
		if (!partition_ahead(start, call))
			break;
	}
	return true;
}

static bool
delete_families(Maintenance *call)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz from = DT_NOBEGIN;
	int64		deleted;

	do
	{
		QueryScope	scope;
		Datum		values[3];
		bool		isnull;
		Datum		last;

		if (!transaction_next(call))
			return false;
		sct_query_begin(&scope);
		values[0] = TimestampTzGetDatum(from);
		values[1] = TimestampTzGetDatum(now);
		values[2] = Int64GetDatum(FAMILIES_PER_BATCH);
		(void) sct_query_run(&delete_query, values, NULL);
		deleted = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0],
											  SPI_tuptable->tupdesc, 1, &isnull));
		last = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &isnull);
		if (!isnull)
			from = DatumGetTimestampTz(last);
		sct_query_end(&scope);

		call->families += deleted;
		sct_stats_add(STATS_MAINTENANCE_FAMILIES_DELETED, deleted);
		if (deleted > 0 && call->families % (100 * FAMILIES_PER_BATCH) == 0)
			ereport(report_level(),
					(errmsg("deleted %lld expired token families so far",
							(long long) call->families)));
	} while (deleted == FAMILIES_PER_BATCH);
	return true;
}

/* The statements of one drop, under a lock on the whole table. */
static void
drop_one(const char *statements, Maintenance *call)
{
	QueryScope	scope;

	sct_query_begin(&scope);
	count_partition(sct_lock_attempt(run_statements, statements, LOCK_WAIT),
					&call->dropped, STATS_MAINTENANCE_PARTITIONS_DROPPED, call);
	sct_query_end(&scope);
}

/*
 * Empties the default partition when all of it is too old.  Only where events
 * of now have a partition of their own, so that none comes in between.
 */
static bool
empty_default(TimestampTz cutoff, Maintenance *call)
{
	QueryScope	scope;
	char		current[PARTITION_NAME_LEN + 1];
	TimestampTz latest;

	format_partition(current, week_start(GetCurrentTimestamp()));
	if (!relation_exists(current))
		return true;
	if (!transaction_next(call))
		return false;
	sct_query_begin(&scope);
	(void) default_partition_read(&latest);
	sct_query_end(&scope);
	if (latest == DT_NOBEGIN || latest >= cutoff)
		return true;
	drop_one("LOCK TABLE ONLY sctoken.event_default IN ACCESS EXCLUSIVE MODE;"
			 "ALTER TABLE sctoken.event_default"
			 " DISABLE TRIGGER guard_append_only_truncate;"
			 "TRUNCATE TABLE ONLY sctoken.event_default;"
			 "ALTER TABLE sctoken.event_default"
			 " ENABLE ALWAYS TRIGGER guard_append_only_truncate", call);
	return true;
}

static bool
drop_partitions(Maintenance *call)
{
	TimestampTz cutoff = GetCurrentTimestamp() - sct_event_retention * USECS_PER_MINUTE;
	char		last[PARTITION_NAME_LEN + 1];
	char	  **statements;
	QueryScope	scope;
	MemoryContext caller_context = CurrentMemoryContext;
	Datum		values[2];
	uint64		count;

	if (sct_event_retention == 0)
		return true;
	if (!transaction_next(call))
		return false;
	format_partition(last, cutoff - USECS_PER_WEEK);
	sct_query_begin(&scope);
	values[0] = ObjectIdGetDatum(sct_query_table("event"));
	values[1] = CStringGetTextDatum(last);
	count = sct_query_run(&old_partitions_query, values, NULL);
	MemoryContextSwitchTo(caller_context);
	statements = palloc(sizeof(char *) * (count + 1));
	for (uint64 i = 0; i < count; i++)
		statements[i] = psprintf("LOCK TABLE ONLY sctoken.event IN ACCESS EXCLUSIVE MODE;"
								 "DROP TABLE sctoken.%s",
								 SPI_getvalue(SPI_tuptable->vals[i],
											  SPI_tuptable->tupdesc, 1));
	sct_query_end(&scope);

	for (uint64 i = 0; i < count; i++)
	{
		if (!transaction_next(call))
			return false;
		drop_one(statements[i], call);
	}
	return empty_default(cutoff, call);
}

Datum
sctoken_maintain(PG_FUNCTION_ARGS)
{
	Maintenance call = {0};

	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) ||
		castNode(CallContext, fcinfo->context)->atomic)
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
				 errmsg("sctoken.maintain() cannot run inside a transaction block"),
				 errhint("CALL it by itself: it commits after each of its steps.")));
	PreventCommandIfReadOnly("sctoken.maintain()");
	PreventCommandDuringRecovery("sctoken.maintain()");

	if (SPI_connect_ext(SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect_ext failed");
	if (!make_partitions(&call) || !delete_families(&call) ||
		!drop_partitions(&call))
		ereport(NOTICE,
				(errmsg("another session is running sctoken.maintain()")));
	else
		sct_stats_count(STATS_MAINTENANCE_RUNS);
	transaction_end(&call);
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");

	ereport(report_level(),
			(errmsg("event partitions: %d made, %d dropped, %d left to the next call; expired token families: %lld deleted",
					call.made, call.dropped, call.left, (long long) call.families)));
	PG_RETURN_VOID();
}
