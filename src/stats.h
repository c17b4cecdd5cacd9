/*
 * stats.h
 *		Counters of the whole server (view sctoken.stats).
 *
 * They stand in shared memory, count from the start of the server (or from when
 * the module was first loaded in it), and are gone when it ends.  What is counted
 * stays counted when the caller rolls back.
 */
#ifndef SCT_STATS_H
#define SCT_STATS_H

#include "core/reason.h"
#include "grant.h"

/* X(symbol, name): the counters besides those of verdicts; doc/monitoring.md */
#define STATS_COUNTERS(X) \
	X(STATS_RETRIES_REFUSED, "retries_refused") \
	X(STATS_FAMILIES_REVOKED, "families_revoked") \
	X(STATS_CLIENTS_REVOKED, "clients_revoked") \
	X(STATS_REVOCATIONS_LOST, "revocations_lost") \
	X(STATS_SECRETS_ROTATED, "secrets_rotated") \
	X(STATS_LOCK_WAITS, "lock_waits") \
	X(STATS_LOCK_WAIT_MICROSECONDS, "lock_wait_microseconds") \
	X(STATS_LOCK_TIMEOUTS, "lock_timeouts") \
	X(STATS_KEY_CACHE_HITS, "key_cache_hits") \
	X(STATS_KEY_CACHE_MISSES, "key_cache_misses") \
	X(STATS_IAT_AHEAD_60S, "iat_ahead_60s") \
	X(STATS_IAT_AHEAD_10S, "iat_ahead_10s") \
	X(STATS_IAT_AHEAD_2S, "iat_ahead_2s") \
	X(STATS_IAT_NEAR, "iat_near") \
	X(STATS_IAT_BEHIND_5S, "iat_behind_5s") \
	X(STATS_IAT_BEHIND_30S, "iat_behind_30s") \
	X(STATS_IAT_BEHIND_60S, "iat_behind_60s") \
	X(STATS_MAINTENANCE_RUNS, "maintenance_runs") \
	X(STATS_MAINTENANCE_FAMILIES_DELETED, "maintenance_families_deleted") \
	X(STATS_MAINTENANCE_PARTITIONS_MADE, "maintenance_partitions_made") \
	X(STATS_MAINTENANCE_PARTITIONS_DROPPED, "maintenance_partitions_dropped") \
	X(STATS_MAINTENANCE_PARTITIONS_LEFT, "maintenance_partitions_left")

typedef enum StatsCounter
{
#define X(symbol, name) symbol,
	STATS_COUNTERS(X)
#undef X
#define X(symbol, word, error) STATS_##symbol,
	GRANT_OUTCOMES(X)
#undef X
	STATS_PROOF_ACCEPTED,
#define X(symbol, word, error) STATS_PROOF_##symbol,
	SCT_PROOF_REASONS(X)
#undef X
	STATS_CERTIFICATE_ACCEPTED,
	STATS_CERTIFICATE_SCT_MISSING,
#define X(symbol, word, error) STATS_CERTIFICATE_##symbol,
	SCT_CERTIFICATE_REASONS(X)
#undef X
	STATS_COUNT
} StatsCounter;

/* The counter of an outcome */
#define STATS_OUTCOME(outcome) \
	((StatsCounter) (STATS_OUTCOME_ISSUED + (outcome)))

/* n more: an atomic addition, in any state of the transaction. */
extern void sct_stats_add(StatsCounter which, uint64 n);

static inline void
sct_stats_count(StatsCounter which)
{
	sct_stats_add(which, 1);
}

/* Verdicts; SCT_INTERNAL is none. */
extern void sct_stats_count_proof(SctReason verdict);
extern void sct_stats_count_certificate(SctReason verdict);

/* How far a proof's iat lies behind the clock, in microseconds; negative: ahead. */
extern void sct_stats_count_iat(int64 age);

#endif							/* SCT_STATS_H */
