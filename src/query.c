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
#include "utils/inval.h"
#include "utils/lsyscache.h"
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
tables_owner(void)
{
	Oid			relid = sct_query_table("family");
	HeapTuple	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relid));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for relation %u", relid);
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

void
sct_query_begin(QueryScope *scope)
{
	/* what other sessions committed before this call holds in it */
	AcceptInvalidationMessages();

	GetUserIdAndSecContext(&scope->user, &scope->sec_context);
	SetUserIdAndSecContext(tables_owner(),
						   scope->sec_context | SECURITY_LOCAL_USERID_CHANGE);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "SPI_connect failed");
}

void
sct_query_end(const QueryScope *scope)
{
	if (SPI_finish() != SPI_OK_FINISH)
		elog(ERROR, "SPI_finish failed");
	SetUserIdAndSecContext(scope->user, scope->sec_context);
}

uint64
sct_query_run(PreparedQuery *query, Datum *values, const char *nulls)
{
	int			result;

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

	/* not read_only, so that what this transaction did itself is seen too */
	result = SPI_execute_snapshot(query->plan, values, nulls,
								  GetLatestSnapshot(), InvalidSnapshot,
								  false, true, 0);
	if (result < 0)
		elog(ERROR, "SPI_execute_snapshot failed: %s",
			 SPI_result_code_string(result));
	return SPI_processed;
}
