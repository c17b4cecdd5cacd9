/*
 * worker.c
 *		Maintenance on a schedule, by background workers.
 *
 * With shared_preload_libraries = 'sctoken' a launcher runs all the time.  Every
 * sctoken.maintenance_interval it starts one worker after another, one for each of
 * sctoken.databases, which does CALL sctoken.maintain() and ends.  What goes wrong
 * in a database ends that worker alone, and is tried again at the next turn.
 * Nothing runs on a standby.
 *
 * A worker is a superuser: it runs no procedure but the extension's own.
 */
#include "sctoken.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "commands/extension.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/catcache.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/portal.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#include "worker.h"

#define MAINTENANCE_CALL	"CALL sctoken.maintain()"

/* Seconds until the postmaster starts a launcher that failed again */
#define LAUNCHER_RESTART	5

bool
sct_worker_check_databases(char **newval, void **extra pg_attribute_unused(),
						   GucSource source pg_attribute_unused())
{
	char	   *names = pstrdup(*newval);
	List	   *list;
	ListCell   *lc;
	bool		valid = SplitGUCList(names, ',', &list);

	if (!valid)
		GUC_check_errdetail("List syntax is invalid.");
	foreach(lc, list)
	{
		if (valid && strlen(lfirst(lc)) >= NAMEDATALEN)
		{
			GUC_check_errdetail("A name is longer than %d bytes.", NAMEDATALEN - 1);
			valid = false;
		}
	}
	list_free(list);
	pfree(names);
	return valid;
}

void
sct_worker_init(void)
{
	BackgroundWorker worker = {
		.bgw_name = "sctoken launcher",
		.bgw_type = "sctoken launcher",
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = LAUNCHER_RESTART,
		.bgw_library_name = "sctoken",
		.bgw_function_name = "sct_worker_launcher_main"
	};

	if (process_shared_preload_libraries_in_progress)
		RegisterBackgroundWorker(&worker);
}

/* Ends the launcher; not with 0, so that it comes back if the server stays. */
static void
end_if_requested(void)
{
	if (ShutdownRequestPending)
		proc_exit(1);
}

static void
wait_for_worker(BackgroundWorkerHandle *handle)
{
	pid_t		pid;
	BgwHandleStatus status;

	while ((status = GetBackgroundWorkerPid(handle, &pid)) != BGWH_STOPPED)
	{
		if (status == BGWH_POSTMASTER_DIED)
			proc_exit(1);
		if (ShutdownRequestPending)
			TerminateBackgroundWorker(handle);
		end_if_requested();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, 0,
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* Maintains one database; comes back when that is done, or has failed. */
static void
maintain_database(const char *database)
{
	BackgroundWorker worker = {
		.bgw_name = "sctoken maintenance",
		.bgw_type = "sctoken maintenance",
		.bgw_flags = BGWORKER_SHMEM_ACCESS | BGWORKER_BACKEND_DATABASE_CONNECTION,
		.bgw_start_time = BgWorkerStart_RecoveryFinished,
		.bgw_restart_time = BGW_NEVER_RESTART,
		.bgw_library_name = "sctoken",
		.bgw_function_name = "sct_worker_maintenance_main",
		.bgw_notify_pid = MyProcPid
	};
	BackgroundWorkerHandle *handle;

	strlcpy(worker.bgw_extra, database, sizeof(worker.bgw_extra));
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
	{
		ereport(WARNING,
				(errmsg("sctoken has found no free background worker for maintenance"),
				 errhint("You might need to increase max_worker_processes.")));
		return;
	}
	wait_for_worker(handle);
	pfree(handle);
}

static void
reload_if_requested(void)
{
	if (!ConfigReloadPending)
		return;
	ConfigReloadPending = false;
	ProcessConfigFile(PGC_SIGHUP);
}

/* One turn.  The list is a copy: a reload in the middle changes the setting. */
static void
maintain_databases(void)
{
	MemoryContext context = AllocSetContextCreate(TopMemoryContext,
												  "sctoken launcher",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	List	   *databases;
	ListCell   *lc;

	/* valid, as the setting's hook has seen */
	(void) SplitGUCList(pstrdup(sct_databases), ',', &databases);
	foreach(lc, databases)
	{
		end_if_requested();
		maintain_database(lfirst(lc));
	}
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
}

/* Milliseconds until the next turn is due; -1: never, as things are. */
static long
time_to_wait(TimestampTz last_turn)
{
	if (sct_maintenance_interval == 0)
		return -1;
	return TimestampDifferenceMilliseconds(GetCurrentTimestamp(),
										   TimestampTzPlusMilliseconds(last_turn,
																	   sct_maintenance_interval * INT64CONST(1000)));
}

void
sct_worker_launcher_main(Datum arg pg_attribute_unused())
{
	/* the first turn is due at once */
	TimestampTz last_turn = 0;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();

	/* to no database, but so that pg_stat_activity has it */
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);

	for (;;)
	{
		long		timeout;

		end_if_requested();
		reload_if_requested();
		timeout = time_to_wait(last_turn);
		if (timeout == 0)
		{
			last_turn = GetCurrentTimestamp();
			maintain_databases();
			continue;
		}
		(void) WaitLatch(MyLatch,
						 WL_LATCH_SET | WL_EXIT_ON_PM_DEATH |
						 (timeout > 0 ? WL_TIMEOUT : 0),
						 timeout, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
}

/* Has this database the extension, and the extension the procedure? */
static bool
can_maintain(void)
{
	Oid			extension = get_extension_oid("sctoken", true);
	Oid			schema = get_namespace_oid("sctoken", true);
	CatCList   *procedures;
	bool		found = false;

	if (!OidIsValid(extension) || !OidIsValid(schema))
		return false;
	procedures = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum("maintain"));
	for (int i = 0; i < procedures->n_members && !found; i++)
	{
		Form_pg_proc procedure = (Form_pg_proc) GETSTRUCT(&procedures->members[i]->tuple);

		found = procedure->pronamespace == schema &&
			procedure->prokind == PROKIND_PROCEDURE &&
			getExtensionOfObject(ProcedureRelationId, procedure->oid) == extension;
	}
	ReleaseSysCacheList(procedures);
	return found;
}

/*
 * Runs the call as a client's statement would be, since the procedure commits in
 * between: no transaction block, no SPI.
 */
static void
call_maintain(void)
{
	/* what the call is made of outlives its transactions */
	MemoryContext context = AllocSetContextCreate(TopMemoryContext,
												  "sctoken maintenance",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext old_context = MemoryContextSwitchTo(context);
	RawStmt    *statement;
	List	   *queries;
	List	   *plans;
	Portal		portal;
	DestReceiver *receiver;

	statement = linitial_node(RawStmt, pg_parse_query(MAINTENANCE_CALL));
	PushActiveSnapshot(GetTransactionSnapshot());
	queries = pg_analyze_and_rewrite_fixedparams(statement, MAINTENANCE_CALL,
												 NULL, 0, NULL);
	plans = pg_plan_queries(queries, MAINTENANCE_CALL, 0, NULL);
	PopActiveSnapshot();

	portal = CreatePortal("", true, true);
	portal->visible = false;
	PortalDefineQuery(portal, NULL, MAINTENANCE_CALL, CMDTAG_CALL, plans, NULL);
	PortalStart(portal, NULL, 0, InvalidSnapshot);
	receiver = CreateDestReceiver(DestNone);
	(void) sct_portal_run(portal, receiver);
	receiver->rDestroy(receiver);
	PortalDrop(portal, false);
	MemoryContextSwitchTo(old_context);
	MemoryContextDelete(context);
}

void
sct_worker_maintenance_main(Datum arg pg_attribute_unused())
{
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(MyBgworkerEntry->bgw_extra, NULL, 0);

	/* names in the procedure mean what the extension means by them */
	SetConfigOption("search_path", "pg_catalog, pg_temp", PGC_SUSET, PGC_S_SESSION);

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	if (can_maintain())
	{
		pgstat_report_activity(STATE_RUNNING, MAINTENANCE_CALL);
		call_maintain();
	}
	else
		ereport(DEBUG1,
				(errmsg("database \"%s\" has no sctoken.maintain() to run",
						MyBgworkerEntry->bgw_extra)));
	CommitTransactionCommand();
	pgstat_report_stat(true);
	pgstat_report_activity(STATE_IDLE, NULL);
	proc_exit(0);
}
