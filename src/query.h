/*
 * query.h
 *		How sctoken reads and writes its own tables.
 *
 * Always by SQL through SPI, with kept generic plans that go by an index where
 * there is one, as the owner of the tables, and under the latest snapshot whatever
 * the isolation level of the caller: what a lock protects must be read as it is
 * now, not as it was when the transaction began.
 */
#ifndef SCT_QUERY_H
#define SCT_QUERY_H

#include "executor/spi.h"

#define QUERY_MAX_ARGS	20

/* One statement; define it static, the plan is made at first use and kept. */
typedef struct PreparedQuery
{
	const char *sql;			/* every name and operator qualified */
	int			nargs;
	Oid			argtypes[QUERY_MAX_ARGS];
	bool		reads_all;		/* looks at most rows: an index is no gain */
	SPIPlanPtr	plan;
} PreparedQuery;

/* Who called, to be given back to him. */
typedef struct QueryScope
{
	Oid			user;
	int			sec_context;
	int			guc_level;
} QueryScope;

/*
 * Everything between begin and end runs as the owner of the tables, in an SPI
 * context of its own, with a search_path of pg_catalog alone: triggers that
 * somebody has put on our tables run as the owner too, and must not find what the
 * caller has put in their way.  No wait for a row is longer than
 * sctoken.lock_timeout (55P03).  An error in between needs no end: the abort of
 * the (sub)transaction undoes it all.
 */
extern void sct_query_begin(QueryScope *scope);

/*
 * The same for a table that is not ours: as its owner, with its schema in the
 * search_path, and row security hides nothing, as in PostgreSQL's own referential
 * actions.
 */
extern void sct_query_begin_on(QueryScope *scope, Oid relid);

extern void sct_query_end(const QueryScope *scope);

/*
 * Runs a statement; nulls as SPI wants them, NULL for none.  Returns the number
 * of rows; they are in SPI_tuptable until the next statement or the end.
 */
extern uint64 sct_query_run(PreparedQuery *query, Datum *values, const char *nulls);

/* The same for a statement that is made for this run. */
extern uint64 sct_query_run_once(const char *sql, int nargs, Oid *argtypes,
								 Datum *values, const char *nulls);

/* OID of a table of schema sctoken. */
extern Oid	sct_query_table(const char *name);

#endif							/* SCT_QUERY_H */
