/*
 * replay.c
 *		Accepted proofs, see replay.h.
 *
 * A store is a ring of three tables: records go into the current one, and are
 * looked for there and in the previous one; the third is dead and is emptied by
 * TRUNCATE.  The ring moves on when nothing in the previous table is alive, so
 * that the tables hold the traffic of about three windows and shrink again, with
 * nothing running but the calls themselves.
 *
 * Who makes the ring move, or empties the dead table, does so in its own
 * transaction, under locks that it gets at once or not at all; the others go on
 * with the state before until that transaction commits, and never touch a table
 * that it may hold.  What makes this safe:
 *
 * - A record's lock (by digest) is held until the transaction ends, and the state
 *	 is read under it, from the table: a cache would hear of a commit a moment after
 *	 others see it.  Whoever gets the lock next sees every committed record of that
 *	 digest, and the state that its writer saw, or a later one.
 * - The table that a move makes dead has no live record: none that is committed,
 *	 by looking; none that is not, by a lock that its writers hold against ours.
 * - A call that was held up while the ring moved twice, or until its proof's record
 *	 could have been forgotten, answers "busy".
 *
 * The unlogged store is empty after a crash.  Its marker is lost with it; whoever
 * misses the marker moves the horizon first, behind which all proofs are refused.
 * The same happens where the horizon came from a dump and no store is there.
 * What tells of an unlogged record is on disk before there is one: transactions
 * that begin a store or widen its window commit synchronously.
 */
#include "sctoken.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/timestamp.h"

#include "cache.h"
#include "dpop.h"
#include "lock.h"
#include "query.h"
#include "replay.h"

#define TABLES	3				/* of a store's ring */

/* A record outlives its proof by this, whatever the rounding of clocks */
#define RECORD_MARGIN	USECS_PER_SEC

/* How often a backend looks whether the ring can move */
#define MOVE_ATTEMPT_INTERVAL	USECS_PER_SEC

typedef struct Store
{
	bool		present;
	int64		generation;		/* current table: generation % TABLES */
	TimestampTz since;			/* when the generation began */
	int32		max_age;		/* the largest used, in seconds */
	int32		future_skew;	/* likewise */
	int32		grace;			/* how much longer than expires_at its records
								 * live, in seconds */
} Store;

/* Roles of a store's tables, as distances from the current one */
enum
{
	CURRENT = 0,
	DEAD = 1,
	PREVIOUS = 2
};

static const char *const store_names[] = {"logged", "unlogged"};

static const char *const table_names[][TABLES] = {
	{"dpop_replay_logged_0", "dpop_replay_logged_1", "dpop_replay_logged_2"},
	{"dpop_replay_unlogged_0", "dpop_replay_unlogged_1", "dpop_replay_unlogged_2"}
};

/* State as last read; of this call */
static Store stores[lengthof(store_names)];
static bool has_horizon = false;
static TimestampTz horizon = DT_NOBEGIN;

static uint64 marker_epoch = 0;
static TimestampTz next_attempt = 0;

/* The transaction in which this session made the ring move last */
static FullTransactionId moved_by;

/* No live record in the table before: $1 digest, $3 now */
#define NOT_IN_PREVIOUS(store, previous) \
	" NOT EXISTS (SELECT FROM sctoken.dpop_replay_" store "_" previous " AS p" \
	" WHERE p.digest OPERATOR(pg_catalog.=) $1" \
	" AND p.expires_at OPERATOR(pg_catalog.>=) $3)"

/* $1 digest, $2 expires_at, $3 now.  One row if there is no record. */
#define RECORD_QUERY(store, bucket, current, previous) \
	{ \
		.sql = "INSERT INTO sctoken.dpop_replay_" store "_" current \
		" (digest, expires_at, bucket) SELECT $1, $2, " bucket \
		" WHERE" NOT_IN_PREVIOUS(store, previous) \
		" ON CONFLICT (digest) DO NOTHING", \
		.nargs = 3, \
		.argtypes = {BYTEAOID, TIMESTAMPTZOID, TIMESTAMPTZOID} \
	}

/*
 * The same arguments.  One row if there is a record that has expired.  A statement
 * of its own, because ON CONFLICT DO UPDATE would lock the row of each replay: a
 * flood of them would use up transaction ids, and wait for the disk.
 */
#define RENEW_QUERY(store, current, previous) \
	{ \
		.sql = "UPDATE sctoken.dpop_replay_" store "_" current " AS r" \
		" SET expires_at = $2 WHERE r.digest OPERATOR(pg_catalog.=) $1" \
		" AND r.expires_at OPERATOR(pg_catalog.<) $3" \
		" AND" NOT_IN_PREVIOUS(store, previous), \
		.nargs = 3, \
		.argtypes = {BYTEAOID, TIMESTAMPTZOID, TIMESTAMPTZOID} \
	}

/* By store and current table. */
static PreparedQuery record_queries[][TABLES] = {
	{RECORD_QUERY("logged", "0", "0", "2"),
		RECORD_QUERY("logged", "1", "1", "0"),
	RECORD_QUERY("logged", "2", "2", "1")},
	{RECORD_QUERY("unlogged", "3", "0", "2"),
		RECORD_QUERY("unlogged", "4", "1", "0"),
	RECORD_QUERY("unlogged", "5", "2", "1")}
};

/* By store and current table. */
static PreparedQuery renew_queries[][TABLES] = {
	{RENEW_QUERY("logged", "0", "2"),
		RENEW_QUERY("logged", "1", "0"),
	RENEW_QUERY("logged", "2", "1")},
	{RENEW_QUERY("unlogged", "0", "2"),
		RENEW_QUERY("unlogged", "1", "0"),
	RENEW_QUERY("unlogged", "2", "1")}
};

/* $1 digest, $2 now: is it alive in the store that is not in use? */
#define FIND_QUERY(store, current, previous) \
	{ \
		.sql = "SELECT FROM sctoken.dpop_replay_" store "_" current \
		" WHERE digest OPERATOR(pg_catalog.=) $1 AND expires_at OPERATOR(pg_catalog.>=) $2" \
		" UNION ALL SELECT FROM sctoken.dpop_replay_" store "_" previous \
		" WHERE digest OPERATOR(pg_catalog.=) $1 AND expires_at OPERATOR(pg_catalog.>=) $2", \
		.nargs = 2, \
		.argtypes = {BYTEAOID, TIMESTAMPTZOID} \
	}

/* By store and current table; the dead one may be locked by who empties it. */
static PreparedQuery find_queries[][TABLES] = {
	{FIND_QUERY("logged", "0", "2"),
		FIND_QUERY("logged", "1", "0"),
	FIND_QUERY("logged", "2", "1")},
	{FIND_QUERY("unlogged", "0", "2"),
		FIND_QUERY("unlogged", "1", "0"),
	FIND_QUERY("unlogged", "2", "1")}
};

/* $1 now: is anything alive? */
#define ALIVE_QUERY(store, table) \
	{ \
		.sql = "SELECT FROM sctoken.dpop_replay_" store "_" table \
		" WHERE expires_at OPERATOR(pg_catalog.>=) $1 LIMIT 1", \
		.nargs = 1, \
		.argtypes = {TIMESTAMPTZOID} \
	}

static PreparedQuery alive_queries[][TABLES] = {
	{ALIVE_QUERY("logged", "0"), ALIVE_QUERY("logged", "1"), ALIVE_QUERY("logged", "2")},
	{ALIVE_QUERY("unlogged", "0"), ALIVE_QUERY("unlogged", "1"), ALIVE_QUERY("unlogged", "2")}
};

static PreparedQuery truncate_queries[][TABLES] = {
	{{.sql = "TRUNCATE sctoken.dpop_replay_logged_0"},
		{.sql = "TRUNCATE sctoken.dpop_replay_logged_1"},
	{.sql = "TRUNCATE sctoken.dpop_replay_logged_2"}},
	{{.sql = "TRUNCATE sctoken.dpop_replay_unlogged_0"},
		{.sql = "TRUNCATE sctoken.dpop_replay_unlogged_1"},
	{.sql = "TRUNCATE sctoken.dpop_replay_unlogged_2"}}
};

/* One statement, one snapshot; the horizon is the row without a store. */
static PreparedQuery state_query = {
	.sql = "SELECT store, generation, since, max_age, future_skew, grace"
	" FROM sctoken.dpop_replay_store"
	" UNION ALL SELECT NULL, NULL, horizon, NULL, NULL, NULL"
	" FROM sctoken.dpop_replay_horizon"
};

static PreparedQuery store_insert_query = {
	.sql = "INSERT INTO sctoken.dpop_replay_store"
	" (store, generation, since, max_age, future_skew, grace)"
	" VALUES ($1, 0, $2, $3, $4, 0)",
	.nargs = 4,
	.argtypes = {TEXTOID, TIMESTAMPTZOID, INT4OID, INT4OID}
};

static PreparedQuery store_move_query = {
	.sql = "UPDATE sctoken.dpop_replay_store"
	" SET generation = generation OPERATOR(pg_catalog.+) 1, since = $2"
	" WHERE store OPERATOR(pg_catalog.=) $1 AND generation OPERATOR(pg_catalog.=) $3",
	.nargs = 3,
	.argtypes = {TEXTOID, TIMESTAMPTZOID, INT8OID}
};

static PreparedQuery store_widen_query = {
	.sql = "UPDATE sctoken.dpop_replay_store SET max_age = $1, future_skew = $2,"
	" grace = grace OPERATOR(pg_catalog.+) $3",
	.nargs = 3,
	.argtypes = {INT4OID, INT4OID, INT4OID}
};

static PreparedQuery store_delete_query = {
	.sql = "DELETE FROM sctoken.dpop_replay_store WHERE store OPERATOR(pg_catalog.=) $1",
	.nargs = 1,
	.argtypes = {TEXTOID}
};

static PreparedQuery horizon_insert_query = {
	.sql = "INSERT INTO sctoken.dpop_replay_horizon (horizon) VALUES ('-infinity')"
};

static PreparedQuery horizon_move_query = {
	.sql = "UPDATE sctoken.dpop_replay_horizon SET horizon = $1"
	" WHERE horizon OPERATOR(pg_catalog.<) $1",
	.nargs = 1,
	.argtypes = {TIMESTAMPTZOID}
};

static PreparedQuery marker_query = {
	.sql = "SELECT FROM sctoken.dpop_replay_marker"
};

static PreparedQuery marker_insert_query = {
	.sql = "INSERT INTO sctoken.dpop_replay_marker (made_at) VALUES ($1)",
	.nargs = 1,
	.argtypes = {TIMESTAMPTZOID}
};

/* The index of a table with this role in the store's ring. */
static int
ring_table(const Store *store, int role)
{
	return (int) ((store->generation + role) % TABLES);
}

static Datum
column(uint64 row, int n, bool *isnull)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, n, isnull);
}

static void
state_load(void)
{
	uint64		rows = sct_query_run(&state_query, NULL, NULL);

	memset(stores, 0, sizeof(stores));
	has_horizon = false;
	horizon = DT_NOBEGIN;
	for (uint64 i = 0; i < rows; i++)
	{
		bool		isnull;
		Datum		name = column(i, 1, &isnull);
		Store	   *store;

		if (isnull)
		{
			has_horizon = true;
			horizon = DatumGetTimestampTz(column(i, 3, &isnull));
			continue;
		}
		store = &stores[strcmp(TextDatumGetCString(name),
							   store_names[REPLAY_UNLOGGED]) == 0 ?
						REPLAY_UNLOGGED : REPLAY_LOGGED];
		store->present = true;
		store->generation = DatumGetInt64(column(i, 2, &isnull));
		store->since = DatumGetTimestampTz(column(i, 3, &isnull));
		store->max_age = DatumGetInt32(column(i, 4, &isnull));
		store->future_skew = DatumGetInt32(column(i, 5, &isnull));
		store->grace = DatumGetInt32(column(i, 6, &isnull));
	}
}

/* Proofs made until then are refused from now on. */
static void
horizon_move(TimestampTz until)
{
	Datum		values[1];

	values[0] = TimestampTzGetDatum(until);
	(void) sct_query_run(&horizon_move_query, values, NULL);
}

/* What a clock says now that is ahead by this many seconds. */
static TimestampTz
ahead(TimestampTz now, int32 future_skew)
{
	return now + future_skew * USECS_PER_SEC;
}

/* The largest max age and skew, in seconds, that are used; 0 without a store. */
static void
widest(int32 *max_age, int32 *future_skew)
{
	*max_age = 0;
	*future_skew = 0;
	for (size_t i = 0; i < lengthof(stores); i++)
	{
		if (!stores[i].present)
			continue;
		*max_age = Max(*max_age, stores[i].max_age);
		*future_skew = Max(*future_skew, stores[i].future_skew);
	}
}

/* The clock by which records of a store expire. */
static TimestampTz
record_clock(ReplayStore which, TimestampTz now)
{
	return now - stores[which].grace * USECS_PER_SEC;
}

/* Makes the store's row, and what a first use needs. */
static bool
store_begin(ReplayStore which, TimestampTz now, TimestampTz wall_clock)
{
	int32		max_age;
	int32		future_skew;
	Datum		values[4];

	if (!sct_lock_replay_state(true))
		return false;
	state_load();
	if (stores[which].present)
		return true;

	ForceSyncCommit();
	if (!has_horizon)
		(void) sct_query_run(&horizon_insert_query, NULL, NULL);
	else if (!stores[REPLAY_LOGGED].present && !stores[REPLAY_UNLOGGED].present)
		horizon_move(ahead(wall_clock, sct_dpop_future_skew));	/* restored */
	values[0] = CStringGetTextDatum(store_names[which]);
	values[1] = TimestampTzGetDatum(now);

	/* the window of the other store; to widen it is another thing */
	widest(&max_age, &future_skew);
	values[2] = Int32GetDatum(max_age > 0 ? max_age : sct_dpop_max_age);
	values[3] = Int32GetDatum(max_age > 0 ? future_skew : sct_dpop_future_skew);
	(void) sct_query_run(&store_insert_query, values, NULL);
	if (which == REPLAY_UNLOGGED && sct_query_run(&marker_query, NULL, NULL) == 0)
	{
		values[0] = TimestampTzGetDatum(now);
		(void) sct_query_run(&marker_insert_query, values, NULL);
	}
	state_load();
	return true;
}

/* Moves the horizon if the unlogged store was lost. */
static bool
marker_check(TimestampTz now)
{
	Datum		values[1];

	if (!stores[REPLAY_UNLOGGED].present ||
		(sct_replay_marker_cache.valid &&
		 marker_epoch == sct_replay_marker_cache.epoch))
		return true;
	sct_cache_fill(&sct_replay_marker_cache);
	if (sct_query_run(&marker_query, NULL, NULL) == 0)
	{
		if (!sct_lock_replay_state(true))
			return false;
		if (sct_query_run(&marker_query, NULL, NULL) == 0)
		{
			state_load();
			horizon_move(ahead(now, Max(stores[REPLAY_UNLOGGED].future_skew,
										sct_dpop_future_skew)));
			values[0] = TimestampTzGetDatum(now);
			(void) sct_query_run(&marker_insert_query, values, NULL);
		}
	}

	/* who made the marker may have moved the horizon since it was read */
	state_load();
	marker_epoch = sct_replay_marker_cache.epoch;
	return true;
}

/*
 * Records live for the longest window that any session uses, since all of them
 * accept the same proofs.  When a session is the first to accept older ones than
 * before, those that may have been forgotten stay refused, and the records that
 * are there, or are just being made, live longer by as much.
 */
static bool
window_register(const ReplayRecord *record)
{
	int32		old_max_age;
	int32		old_future_skew;
	int32		max_age;
	int32		future_skew;
	Datum		values[3];

	widest(&old_max_age, &old_future_skew);
	if (sct_dpop_max_age <= old_max_age && sct_dpop_future_skew <= old_future_skew)
		return true;
	if (!sct_lock_replay_state(true))
		return false;

	/* nothing is forgotten while the state is locked; before that it may be */
	if (GetCurrentTimestamp() - record->wall_clock > RECORD_MARGIN)
		return false;
	state_load();
	widest(&old_max_age, &old_future_skew);
	max_age = Max(old_max_age, sct_dpop_max_age);
	future_skew = Max(old_future_skew, sct_dpop_future_skew);
	ForceSyncCommit();
	horizon_move(record->wall_clock -
				 (old_max_age + old_future_skew) * USECS_PER_SEC);
	values[0] = Int32GetDatum(max_age);
	values[1] = Int32GetDatum(future_skew);
	values[2] = Int32GetDatum(max_age + future_skew - old_max_age - old_future_skew);
	(void) sct_query_run(&store_widen_query, values, NULL);
	state_load();
	return true;
}

/* Is a table known to be empty?  Not waiting for who is just emptying it. */
static bool
is_empty(Oid table)
{
	bool		empty;

	if (!ConditionalLockRelationOid(table, AccessShareLock))
		return false;
	empty = DatumGetInt64(DirectFunctionCall2(pg_relation_size,
											  ObjectIdGetDatum(table),
											  CStringGetTextDatum("main"))) == 0;
	UnlockRelationOid(table, AccessShareLock);
	return empty;
}

/* Empties the dead table if nobody is in the way; true when it is empty. */
static bool
dead_truncate(ReplayStore which)
{
	int			dead = ring_table(&stores[which], DEAD);
	Oid			table = sct_query_table(table_names[which][dead]);

	/* what is dead by a move of our own is the previous table to the others yet */
	if (FullTransactionIdIsValid(moved_by) &&
		FullTransactionIdEquals(moved_by, GetTopFullTransactionIdIfAny()))
		return false;
	if (is_empty(table))
		return true;
	if (!ConditionalLockRelationOid(table, AccessExclusiveLock))
		return false;

	/* the ring may have moved before the lock was had */
	state_load();
	if (!stores[which].present || ring_table(&stores[which], DEAD) != dead)
		return false;
	if (!is_empty(table))
		(void) sct_query_run(&truncate_queries[which][dead], NULL, NULL);
	return true;
}

static bool
is_alive(ReplayStore which, int table, TimestampTz now)
{
	Datum		values[1];

	values[0] = TimestampTzGetDatum(record_clock(which, now));
	return sct_query_run(&alive_queries[which][table], values, NULL) > 0;
}

/* A lock against those who have written and not committed; had at once or not. */
static bool
lock_writers_out(ReplayStore which, int table)
{
	return ConditionalLockRelationOid(sct_query_table(table_names[which][table]),
									  ShareLock);
}

/* Moves the ring by one, if nothing stands against it. */
static void
store_move(ReplayStore which, TimestampTz now)
{
	Store	   *store = &stores[which];
	int			previous = ring_table(store, PREVIOUS);
	Datum		values[3];

	if (!sct_lock_replay_state(false))
		return;
	state_load();
	if (!store->present || ring_table(store, PREVIOUS) != previous ||
		!lock_writers_out(which, previous) || is_alive(which, previous, now) ||
		!ConditionalLockRelationOid(sct_query_table(table_names[which][ring_table(store, DEAD)]),
									RowExclusiveLock))
		return;
	values[0] = CStringGetTextDatum(store_names[which]);
	values[1] = TimestampTzGetDatum(now);
	values[2] = Int64GetDatum(store->generation);
	(void) sct_query_run(&store_move_query, values, NULL);
	moved_by = GetTopFullTransactionId();
	state_load();
}

/* Forgets a store that is no longer used, once nothing in it is alive. */
static void
store_end(ReplayStore which, TimestampTz now)
{
	Datum		values[1];

	if (!sct_lock_replay_state(false))
		return;
	for (int table = 0; table < TABLES; table++)
	{
		if (!lock_writers_out(which, table) || is_alive(which, table, now))
			return;
	}
	values[0] = CStringGetTextDatum(store_names[which]);
	(void) sct_query_run(&store_delete_query, values, NULL);
	state_load();
}

/* The longest time for which a proof is remembered, if iat bounds its age. */
static int64
window(void)
{
	int32		max_age;
	int32		future_skew;

	widest(&max_age, &future_skew);
	return (max_age + 2 * future_skew) * USECS_PER_SEC + RECORD_MARGIN;
}

/*
 * Until when a proof is remembered: longer than anybody accepts it, by its iat or,
 * where nonces alone bound the age, by its nonce.
 */
static TimestampTz
expiry(const ReplayRecord *record)
{
	TimestampTz iat = record->iat;
	int32		max_age;
	int32		future_skew;

	/* one that lies further ahead is accepted by its nonce only */
	widest(&max_age, &future_skew);
	iat = Min(iat, ahead(record->now, future_skew));
	return Max(record->nonce_expires_at,
			   iat + (max_age + future_skew) * USECS_PER_SEC) + RECORD_MARGIN;
}

/*
 * Might its record have been emptied out of a store?  Not as long as clocks go
 * forward: what was emptied had expired when the ring moved.
 */
static bool
is_emptied(const ReplayRecord *record)
{
	for (size_t i = 0; i < lengthof(stores); i++)
	{
		if (stores[i].present && expiry(record) < stores[i].since)
			return true;
	}
	return false;
}

/* Keeps the tables small; now and then, and never waiting for anybody. */
static void
stores_care(ReplayStore used, TimestampTz now)
{
	ReplayStore other = used == REPLAY_LOGGED ? REPLAY_UNLOGGED : REPLAY_LOGGED;

	if (now < next_attempt && next_attempt - now <= MOVE_ATTEMPT_INTERVAL)
		return;
	next_attempt = now + MOVE_ATTEMPT_INTERVAL;
	if (dead_truncate(used) && stores[used].present &&
		now - stores[used].since >= window())
		store_move(used, now);
	if (stores[other].present && now - stores[other].since >= window())
		store_end(other, now);
}

/*
 * Might a record of this proof that expired then have been forgotten by now?  The
 * proof was fresh by the clock of the call, which may have waited for its locks
 * since.
 */
static bool
is_late(const ReplayRecord *record, TimestampTz expires_at)
{
	return GetCurrentTimestamp() - record->wall_clock > expires_at - record->now;
}

SctReason
sct_replay_record(const ReplayRecord *record)
{
	ReplayStore used = sct_replay_store;
	ReplayStore other = used == REPLAY_LOGGED ? REPLAY_UNLOGGED : REPLAY_LOGGED;
	int			current;
	Datum		values[3];
	int64		generation;
	TimestampTz expires_at;
	uint64		rows;

	if (!sct_lock_replay(record->digest))
		return SCT_BUSY;

	/* under the lock: what its last holder saw, or something later */
	AcceptInvalidationMessages();
	state_load();
	if ((!stores[used].present &&
		 !store_begin(used, record->now, record->wall_clock)) ||
		!marker_check(record->wall_clock) || !window_register(record))
		return SCT_BUSY;
	stores_care(used, record->now);
	if (record->made_at <= horizon || is_emptied(record))
		return SCT_HORIZON;

	values[0] = PointerGetDatum(cstring_to_text_with_len((const char *) record->digest,
														 SCT_SHA256_LEN));
	if (stores[other].present)
	{
		values[1] = TimestampTzGetDatum(record_clock(other, record->now));
		if (sct_query_run(&find_queries[other][ring_table(&stores[other], CURRENT)],
						  values, NULL) > 0)
			return SCT_REPLAYED;
	}

	generation = stores[used].generation;
	current = ring_table(&stores[used], CURRENT);
	expires_at = expiry(record);
	values[1] = TimestampTzGetDatum(expires_at);
	values[2] = TimestampTzGetDatum(record_clock(used, record->now));
	rows = sct_query_run(&record_queries[used][current], values, NULL);
	if (rows == 0)
		rows = sct_query_run(&renew_queries[used][current], values, NULL);

	/* a call that was held up so long may have written where nobody looks */
	state_load();
	if (!stores[used].present || stores[used].generation - generation >= 2 ||
		is_late(record, expires_at))
		return SCT_BUSY;
	return rows == 1 ? SCT_OK : SCT_REPLAYED;
}
