/*
 * sctoken.h
 *		What the whole module shares: its settings and start-up hooks.
 */
#ifndef SCTOKEN_H
#define SCTOKEN_H

#include "compat.h"

/* sctoken.audit */
typedef enum AuditLevel
{
	AUDIT_LIFECYCLE,
	AUDIT_ALL
} AuditLevel;

/*
 * sctoken.dpop_freshness: what bounds the age of a proof.  A call or policy that
 * requires a nonce against FRESHNESS_IAT is answered as with FRESHNESS_BOTH, one
 * that requires none as with FRESHNESS_IAT.
 */
typedef enum DpopFreshness
{
	FRESHNESS_IAT,
	FRESHNESS_BOTH,
	FRESHNESS_NONCE
} DpopFreshness;

/* Settings, see sctoken.c for what each means */
extern int	sct_audit_level;
extern char *sct_dpop_algs;
extern bool sct_dpop_allow_http;
extern int	sct_dpop_freshness;
extern int	sct_dpop_future_skew;	/* seconds */
extern int	sct_dpop_max_age;	/* seconds */
extern int	sct_dpop_nonce_step;	/* seconds */
extern int	sct_dpop_nonce_steps;
extern int	sct_event_retention;	/* minutes; 0: for ever */
extern int	sct_lock_timeout;	/* milliseconds */
extern bool sct_notify;
extern int	sct_replay_store;	/* ReplayStore */
extern int	sct_revocation_synchronous_commit;	/* SyncCommitLevel */
extern char *sct_shard;			/* empty: the only one */
extern char *sct_databases;
extern int	sct_maintenance_interval;	/* seconds; 0: never */
extern char *sct_secret_file;	/* empty: none */

/* Called once from _PG_init() */
extern void sct_cache_init(void);
extern void sct_stats_init(void);
extern void sct_transaction_init(void);
extern void sct_worker_init(void);

#endif							/* SCTOKEN_H */
