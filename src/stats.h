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

#include "grant.h"

/* X(symbol, name): the counters besides those of the outcomes */
#define STATS_COUNTERS(X) \
	X(STATS_REVOCATIONS_LOST, "revocations_lost") \
	X(STATS_SECRETS_ROTATED, "secrets_rotated")

typedef enum StatsCounter
{
#define X(symbol, name) symbol,
	STATS_COUNTERS(X)
#undef X
#define X(symbol, word, error) STATS_##symbol,
	GRANT_OUTCOMES(X)
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

#endif							/* SCT_STATS_H */
