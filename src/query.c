/*
 * query.c
 *		How sctoken reads and writes its own tables, see query.h.
 */
#include "sctoken.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/proc.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "query.h"

Oid
sct_query_table(const char *name)
{
	Oid			relid = get_relname_relid(name,
										  get_namespace_oid("sctoken", false));

	if (!OidIsValid(relid))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("table \"%s.%s\" does not exist", "sctoken", name)));
	return relid;
}

static Oid
table_owner(Oid relid)
{
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

static void
query_begin(QueryScope *scope, Oid relid, int flags, const char *search_path)
{
	/* what other sessions committed before this call holds in it */
	AcceptInvalidationMessages();

	scope->guc_level = NewGUCNestLevel();
	set_config_option("search_path", search_path, PGC_USERSET, PGC_S_SESSION,
					  GUC_ACTION_SAVE, true, 0, false);
	if (LockTimeout == 0 || LockTimeout > sct_lock_timeout)
	{
		char		timeout[16];

		/* 0 would be for ever */
		snprintf(timeout, sizeof(timeout), "%d", Max(sct_lock_timeout, 1));
		set_config_option("lock_timeout", timeout, PGC_USERSET, PGC_S_SESSION,
						  GUC_ACTION_SAVE, true, 0, false);
	}
	GetUserIdAndSecContext(&scope->user, &scope->sec_context);
	SetUserIdAndSecContext(table_owner(relid), scope->sec_context | flags);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

void
sct_query_begin(QueryScope *scope)
{
	query_begin(scope, sct_query_table("family"), SECURITY_LOCAL_USERID_CHANGE,
				"pg_catalog, pg_temp");
}

void
sct_query_begin_on(QueryScope *scope, Oid relid)
{
	char	   *schema = get_namespace_name(get_rel_namespace(relid));

	query_begin(scope, relid,
				SECURITY_LOCAL_USERID_CHANGE | SECURITY_NOFORCE_RLS,
				psprintf("pg_catalog, %s, pg_temp", quote_identifier(schema)));
}

void
sct_query_end(const QueryScope *scope)
{
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	SetUserIdAndSecContext(scope->user, scope->sec_context);
	AtEOXact_GUC(true, scope->guc_level);
}

static uint64
query_execute(SPIPlanPtr plan, Datum *values, const char *nulls)
{
	/* not read_only, so that what this transaction did itself is seen too */
	int			result = SPI_execute_snapshot(plan, values, nulls,
											  GetLatestSnapshot(),
											  InvalidSnapshot,
											  false, true, 0);

	if (result < 0)
		elog(ERROR, "SPI_execute_snapshot failed: %s",
			 SPI_result_code_string(result));
	return SPI_processed;
}

static bool
query_is_planned(SPIPlanPtr plan)
{
	CachedPlanSource *source = linitial(SPI_plan_get_plan_sources(plan));

	return source->is_valid && source->gplan != NULL && source->gplan->is_valid;
}

/*
 * By an index where there is one.  A kept plan stays until its table is analyzed
 * again: one that was made while the table had a row or two would read all of the
 * table long after it has grown.
 */
static void
query_plan(SPIPlanPtr plan)
{
	int			guc_level = NewGUCNestLevel();
	CachedPlan *planned;

	set_config_option("enable_seqscan", "off", PGC_USERSET, PGC_S_SESSION,
					  GUC_ACTION_SAVE, true, 0, false);

	/* what a scan without an index is made to cost would call for it */
	set_config_option("jit", "off", PGC_USERSET, PGC_S_SESSION,
					  GUC_ACTION_SAVE, true, 0, false);
	planned = SPI_plan_get_cached_plan(plan);
	if (planned == NULL)
		elog(ERROR, "SPI_plan_get_cached_plan failed");
	ReleaseCachedPlan(planned, CurrentResourceOwner);
	AtEOXact_GUC(true, guc_level);
}

uint64
sct_query_run(PreparedQuery *query, Datum *values, const char *nulls)
{
	if (query->plan == NULL)
	{
		SPIPlanPtr	plan;

		plan = SPI_prepare_cursor(query->sql, query->nargs, query->argtypes,
								  CURSOR_OPT_GENERIC_PLAN);
		if (plan == NULL)
			elog(ERROR, "SPI_prepare_cursor failed: %s",
				 SPI_result_code_string(SPI_result));
		if (SPI_keepplan(plan) != 0)
			elog(ERROR, "SPI_keepplan failed");
		query->plan = plan;
	}
	if (!query->reads_all && !query_is_planned(query->plan))
		query_plan(query->plan);
	return query_execute(query->plan, values, nulls);
}

uint64
sct_query_run_once(const char *sql, int nargs, Oid *argtypes, Datum *values,
				   const char *nulls)
{
	/* not kept: it goes with the SPI context */
	SPIPlanPtr	plan = SPI_prepare(sql, nargs, argtypes);

	if (plan == NULL)
		elog(ERROR, "SPI_prepare failed: %s",
			 SPI_result_code_string(SPI_result));
	return query_execute(plan, values, nulls);
}
