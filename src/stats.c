/*
 * stats.c
 *		Counters of the whole server, see stats.h.
 *
 * Preloaded, the module asks for its shared memory as the server starts.  Loaded
 * later, it takes it from the room that PostgreSQL leaves for such small areas:
 * some hundred bytes of 100 kB.
 */
#include "sctoken.h"

#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "storage/lwlock.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

#include "stats.h"

/* Two versions of the module in one server do not share their counters. */
/* Another library with other counters, of the same version, has its own. */
#define STATS_AREA		"sctoken stats " SCTOKEN_VERSION " %zu"

typedef struct StatsArea
{
	TimestampTz since;
	pg_atomic_uint64 counters[STATS_COUNT];
} StatsArea;

/* Columns of sctoken.counters() */
enum
{
	COL_COUNTER,
	COL_VALUE,
	COL_SINCE,
	COL_COUNT
};

static const char *const counter_names[] = {
#define X(symbol, name) [symbol] = name,
	STATS_COUNTERS(X)
#undef X
#define X(symbol, word, error) [STATS_##symbol] = "outcome_" word,
	GRANT_OUTCOMES(X)
#undef X
};

static StatsArea *area = NULL;
static shmem_request_hook_type previous_request_hook = NULL;
static shmem_startup_hook_type previous_startup_hook = NULL;

PG_FUNCTION_INFO_V1(sctoken_counters);

static void
area_attach(void)
{
	char		name[64];
	bool		found;

	snprintf(name, sizeof(name), STATS_AREA, sizeof(StatsArea));
	LWLockAcquire(AddinShmemInitLock, LW_EXCLUSIVE);
	area = ShmemInitStruct(name, sizeof(StatsArea), &found);
	if (!found)
	{
		area->since = GetCurrentTimestamp();
		for (int i = 0; i < STATS_COUNT; i++)
			pg_atomic_init_u64(&area->counters[i], 0);
	}
	LWLockRelease(AddinShmemInitLock);
}

static void
area_request(void)
{
	if (previous_request_hook != NULL)
		previous_request_hook();
	RequestAddinShmemSpace(sizeof(StatsArea));
}

static void
area_startup(void)
{
	if (previous_startup_hook != NULL)
		previous_startup_hook();
	area_attach();
}

void
sct_stats_init(void)
{
	if (!process_shared_preload_libraries_in_progress)
	{
		area_attach();
		return;
	}
	previous_request_hook = shmem_request_hook;
	shmem_request_hook = area_request;
	previous_startup_hook = shmem_startup_hook;
	shmem_startup_hook = area_startup;
}

void
sct_stats_add(StatsCounter which, uint64 n)
{
	(void) pg_atomic_fetch_add_u64(&area->counters[which], (int64) n);
}

Datum
sctoken_counters(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *rsinfo = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < STATS_COUNT; i++)
	{
		Datum		values[COL_COUNT];
		bool		nulls[COL_COUNT] = {0};

		values[COL_COUNTER] = CStringGetTextDatum(counter_names[i]);
		values[COL_VALUE] = Int64GetDatum((int64) pg_atomic_read_u64(&area->counters[i]));
		values[COL_SINCE] = TimestampTzGetDatum(area->since);
		tuplestore_putvalues(rsinfo->setResult, rsinfo->setDesc, values, nulls);
	}
	return (Datum) 0;
}
