/*
 * sctoken.c
 *		Start of the module: magic block, settings, _PG_init().
 */
#include "sctoken.h"

#include "access/xact.h"
#include "datatype/timestamp.h"
#include "fmgr.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "dpop.h"
#include "nonce.h"
#include "replay.h"
#include "shard.h"
#include "worker.h"

SCT_MODULE_MAGIC;

void		_PG_init(void);

int			sct_audit_level = AUDIT_ALL;
char	   *sct_dpop_algs = NULL;
bool		sct_dpop_allow_http = true;
int			sct_dpop_freshness = FRESHNESS_IAT;
int			sct_dpop_future_skew = 10;
int			sct_dpop_max_age = 60;
int			sct_dpop_nonce_step = 60;
int			sct_dpop_nonce_steps = 3;
int			sct_event_retention = 0;
int			sct_lock_timeout = 2000;
bool		sct_notify = false;
int			sct_replay_store = REPLAY_LOGGED;
int			sct_revocation_synchronous_commit = SYNCHRONOUS_COMMIT_REMOTE_FLUSH;
char	   *sct_shard = NULL;
char	   *sct_databases = NULL;
int			sct_maintenance_interval = 3600;
char	   *sct_secret_file = NULL;

static const struct config_enum_entry audit_levels[] = {
	{"all", AUDIT_ALL, false},
	{"lifecycle", AUDIT_LIFECYCLE, false},
	{NULL, 0, false}
};

static const struct config_enum_entry freshness_modes[] = {
	{"iat", FRESHNESS_IAT, false},
	{"both", FRESHNESS_BOTH, false},
	{"nonce", FRESHNESS_NONCE, false},
	{NULL, 0, false}
};

static const struct config_enum_entry replay_stores[] = {
	{"logged", REPLAY_LOGGED, false},
	{"unlogged", REPLAY_UNLOGGED, false},
	{NULL, 0, false}
};

/* Weaker ones are refused: a revocation that is forgotten revives a stolen token. */
static const struct config_enum_entry revocation_commits[] = {
	{"on", SYNCHRONOUS_COMMIT_REMOTE_FLUSH, false},
	{"remote_apply", SYNCHRONOUS_COMMIT_REMOTE_APPLY, false},
	{NULL, 0, false}
};

/*
 * All settings are for superusers: a caller must not be able to widen what is
 * accepted, or to hide what it does.
 */
void
_PG_init(void)
{
	DefineCustomEnumVariable("sctoken.audit",
							 "Which events of token families are recorded.",
							 "\"all\" records each rotation, \"lifecycle\" all but the plain rotations.",
							 &sct_audit_level,
							 AUDIT_ALL,
							 audit_levels,
							 PGC_SUSET, 0,
							 NULL, NULL, NULL);

	DefineCustomStringVariable("sctoken.dpop_algs",
							   "Signature algorithms accepted in DPoP proofs.",
							   "JOSE names, separated by commas.",
							   &sct_dpop_algs,
							   "ES256,EdDSA,Ed25519,PS256",
							   PGC_SUSET, 0,
							   sct_dpop_check_algs, sct_dpop_assign_algs, NULL);

	DefineCustomBoolVariable("sctoken.dpop_allow_http",
							 "Whether a DPoP proof may be checked against an http URI.",
							 "When off, a request URI that is not https is an error of the caller.",
							 &sct_dpop_allow_http,
							 true,
							 PGC_SUSET, 0,
							 NULL, NULL, NULL);

	DefineCustomEnumVariable("sctoken.dpop_freshness",
							 "What bounds the age of a DPoP proof.",
							 "\"iat\" the client's clock, \"both\" a nonce too, \"nonce\" the nonce alone.",
							 &sct_dpop_freshness,
							 FRESHNESS_IAT,
							 freshness_modes,
							 PGC_SUSET, 0,
							 NULL, NULL, NULL);

	DefineCustomIntVariable("sctoken.dpop_future_skew",
							"How far in the future a DPoP proof's times may lie.",
							NULL,
							&sct_dpop_future_skew,
							10, 0, DPOP_MAX_FUTURE_SKEW,
							PGC_SUSET, GUC_UNIT_S,
							NULL, NULL, NULL);

	DefineCustomIntVariable("sctoken.dpop_max_age",
							"How old a DPoP proof may be.",
							NULL,
							&sct_dpop_max_age,
							60, 1, DPOP_MAX_MAX_AGE,
							PGC_SUSET, GUC_UNIT_S,
							NULL, NULL, NULL);

	DefineCustomIntVariable("sctoken.dpop_nonce_step",
							"How often the nonce that is handed out changes.",
							NULL,
							&sct_dpop_nonce_step,
							60, NONCE_MIN_STEP, NONCE_MAX_STEP,
							PGC_SUSET, GUC_UNIT_S,
							NULL, NULL, NULL);

	DefineCustomIntVariable("sctoken.dpop_nonce_steps",
							"How many steps before the current one a nonce is accepted.",
							NULL,
							&sct_dpop_nonce_steps,
							3, NONCE_MIN_STEPS, NONCE_MAX_STEPS,
							PGC_SUSET, 0,
							NULL, NULL, NULL);

	DefineCustomIntVariable("sctoken.event_retention",
							"How long events of token families are kept.",
							"sctoken.maintain() drops partitions that are older as a whole. 0 keeps them for ever.",
							&sct_event_retention,
							0, 0, 100 * 365 * HOURS_PER_DAY * MINS_PER_HOUR,
							PGC_SUSET, GUC_UNIT_MIN,
							NULL, NULL, NULL);

	DefineCustomIntVariable("sctoken.lock_timeout",
							"How long a call waits for another one on the same family.",
							"Then the outcome is \"busy\". 0 does not wait.",
							&sct_lock_timeout,
							2000, 0, 60000,
							PGC_SUSET, GUC_UNIT_MS,
							NULL, NULL, NULL);

	DefineCustomBoolVariable("sctoken.notify",
							 "Whether revocations are told on channel sctoken_revoked.",
							 "NOTIFY makes transactions commit one after the other.",
							 &sct_notify,
							 false,
							 PGC_SUSET, 0,
							 NULL, NULL, NULL);

	DefineCustomEnumVariable("sctoken.replay_store",
							 "Where accepted DPoP proofs are remembered.",
							 "\"unlogged\" writes no WAL; after a crash proofs made before it are refused.",
							 &sct_replay_store,
							 REPLAY_LOGGED,
							 replay_stores,
							 PGC_SUSET, 0,
							 NULL, NULL, NULL);

	DefineCustomStringVariable("sctoken.shard",
							   "Which of many databases this one is, and of how many.",
							   "For example 3/64. issue() makes ids of families that shard_of_token() leads back to it. Or a range of hashes, as -2147483648..-2080374785. Empty for the only one.",
							   &sct_shard,
							   "",
							   PGC_SUSET, 0,
							   sct_shard_check, sct_shard_assign, NULL);

	DefineCustomEnumVariable("sctoken.revocation_synchronous_commit",
							 "The least synchronous_commit of a transaction that revoked.",
							 "\"remote_apply\" waits until synchronous standbys answer by it.",
							 &sct_revocation_synchronous_commit,
							 SYNCHRONOUS_COMMIT_REMOTE_FLUSH,
							 revocation_commits,
							 PGC_SUSET, 0,
							 NULL, NULL, NULL);

	DefineCustomStringVariable("sctoken.databases",
							   "Databases in which the background worker runs sctoken.maintain().",
							   "Names, separated by commas. There is a worker where shared_preload_libraries has sctoken.",
							   &sct_databases,
							   "",
							   PGC_SIGHUP, 0,
							   sct_worker_check_databases, NULL, NULL);

	DefineCustomIntVariable("sctoken.maintenance_interval",
							"How often the background worker runs sctoken.maintain().",
							"0 is never.",
							&sct_maintenance_interval,
							3600, 0, SECS_PER_DAY * 7,
							PGC_SIGHUP, GUC_UNIT_S,
							NULL, NULL, NULL);

	DefineCustomStringVariable("sctoken.secret_file",
							   "File that holds the server's secrets instead of the database.",
							   "Empty for none. It is read again when the configuration is reloaded.",
							   &sct_secret_file,
							   "",
							   PGC_SIGHUP, GUC_SUPERUSER_ONLY,
							   NULL, NULL, NULL);

	MarkGUCPrefixReserved("sctoken");

	sct_cache_init();
	sct_stats_init();
	sct_transaction_init();
	sct_worker_init();
}
