/*
 * cache.c
 *		Exact invalidation of what a backend keeps of a small table.
 *
 * A trigger on the table sends a relcache invalidation, which reaches the other
 * backends when the change commits, this one at once, and this one again when
 * the change is rolled back.  Callers run AcceptInvalidationMessages() before
 * they trust a cache (sct_query_begin() does), so that a change holds from the
 * next call on.
 *
 * A call within the statement that makes the change may read it before the
 * trigger has fired.  If the statement fails then, no message tells of it: so
 * whatever is rolled back takes all caches with it.
 */
#include "sctoken.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "utils/inval.h"
#include "utils/rel.h"

#include "cache.h"
#include "query.h"

TableCache	sct_policy_cache = {"client_policy", InvalidOid, false, 0};
TableCache	sct_secret_cache = {"server_secret", InvalidOid, false, 0};
TableCache	sct_replay_marker_cache = {"dpop_replay_marker", InvalidOid, false, 0};
TableCache	sct_trust_anchor_cache = {"trust_anchor", InvalidOid, false, 0};
TableCache	sct_trust_anchor_set_cache = {"trust_anchor_set", InvalidOid, false, 0};

static TableCache *const caches[] = {
	&sct_policy_cache, &sct_secret_cache, &sct_replay_marker_cache,
	&sct_trust_anchor_cache, &sct_trust_anchor_set_cache
};

static PreparedQuery triggers_query = {
	.sql = "SELECT FROM pg_catalog.pg_trigger"
	" WHERE tgrelid OPERATOR(pg_catalog.=) $1"
	" AND tgenabled OPERATOR(pg_catalog.=) 'A'"
	" AND tgname OPERATOR(pg_catalog.=) ANY"
	" (ARRAY['invalidate_cache_row', 'invalidate_cache_truncate']::pg_catalog.name[])",
	.nargs = 1,
	.argtypes = {OIDOID}
};

PG_FUNCTION_INFO_V1(sctoken_invalidate_cache);

static void
cache_relcache_callback(Datum arg pg_attribute_unused(), Oid relid)
{
	for (size_t i = 0; i < lengthof(caches); i++)
	{
		/* InvalidOid: messages were lost, anything may have changed */
		if (relid == InvalidOid || relid == caches[i]->relid)
			caches[i]->valid = false;
	}
}

static void
cache_forget_all(void)
{
	for (size_t i = 0; i < lengthof(caches); i++)
		caches[i]->valid = false;
}

static void
cache_xact_callback(XactEvent event, void *arg pg_attribute_unused())
{
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PARALLEL_ABORT)
		cache_forget_all();
}

static void
cache_subxact_callback(SubXactEvent event,
					   SubTransactionId self pg_attribute_unused(),
					   SubTransactionId parent pg_attribute_unused(),
					   void *arg pg_attribute_unused())
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		cache_forget_all();
}

void
sct_cache_init(void)
{
	CacheRegisterRelcacheCallback(cache_relcache_callback, (Datum) 0);
	RegisterXactCallback(cache_xact_callback, NULL);
	RegisterSubXactCallback(cache_subxact_callback, NULL);
}

void
sct_cache_fill(TableCache *cache)
{
	Datum		values[1];

	/* valid before anything is read: an invalidation from here on clears it */
	cache->relid = sct_query_table(cache->table);
	cache->epoch++;
	cache->valid = true;
	values[0] = ObjectIdGetDatum(cache->relid);
	if (sct_query_run(&triggers_query, values, NULL) != 2)
		cache->valid = false;
}

Datum
sctoken_invalidate_cache(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" can only be called by a trigger",
						"sctoken.invalidate_cache")));
	CacheInvalidateRelcacheByRelid(RelationGetRelid(trigdata->tg_relation));
	return PointerGetDatum(NULL);
}
