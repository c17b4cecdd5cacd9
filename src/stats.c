/*
 * stats.c
 *		Counters of the whole server, see stats.h.
 *
 * Preloaded, the module asks for its shared memory as the server starts.  Loaded
 * later, it takes it from the room that PostgreSQL leaves for such small areas:
 * less than 1 kB of 100.
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
	[STATS_PROOF_ACCEPTED] = "proof_accepted",
#define X(symbol, word, error) [STATS_PROOF_##symbol] = "proof_" word,
	SCT_PROOF_REASONS(X)
#undef X
	[STATS_CERTIFICATE_ACCEPTED] = "certificate_accepted",
	[STATS_CERTIFICATE_SCT_MISSING] = "certificate_missing",
#define X(symbol, word, error) [STATS_CERTIFICATE_##symbol] = "certificate_" word,
	SCT_CERTIFICATE_REASONS(X)
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

void
sct_stats_count_proof(SctReason verdict)
{
	switch (verdict)
	{
		case SCT_OK:
			sct_stats_count(STATS_PROOF_ACCEPTED);
			break;
#define X(symbol, word, error) \
		case symbol: \
			sct_stats_count(STATS_PROOF_##symbol); \
			break;
			SCT_PROOF_REASONS(X)
#undef X
		default:
			break;
	}
}

void
sct_stats_count_certificate(SctReason verdict)
{
	switch (verdict)
	{
		case SCT_OK:
			sct_stats_count(STATS_CERTIFICATE_ACCEPTED);
			break;
		case SCT_MISSING:
			sct_stats_count(STATS_CERTIFICATE_SCT_MISSING);
			break;
#define X(symbol, word, error) \
		case symbol: \
			sct_stats_count(STATS_CERTIFICATE_##symbol); \
			break;
			SCT_CERTIFICATE_REASONS(X)
#undef X
		default:
			break;
	}
}

/*
 * What a clock that goes right gives is near: iat is of whole seconds, rounded
 * down by most clients, and a proof takes a while to arrive.
 */
void
sct_stats_count_iat(int64 age)
{
	if (age > 60 * USECS_PER_SEC)
		sct_stats_count(STATS_IAT_BEHIND_60S);
	else if (age > 30 * USECS_PER_SEC)
		sct_stats_count(STATS_IAT_BEHIND_30S);
	else if (age > 5 * USECS_PER_SEC)
		sct_stats_count(STATS_IAT_BEHIND_5S);
	else if (age >= -2 * USECS_PER_SEC)
		sct_stats_count(STATS_IAT_NEAR);
	else if (age >= -10 * USECS_PER_SEC)
		sct_stats_count(STATS_IAT_AHEAD_2S);
	else if (age >= -60 * USECS_PER_SEC)
		sct_stats_count(STATS_IAT_AHEAD_10S);
	else
		sct_stats_count(STATS_IAT_AHEAD_60S);
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
