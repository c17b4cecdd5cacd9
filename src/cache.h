/*
 * cache.h
 *		Whether what a backend keeps of a small table is still true.
 */
#ifndef SCT_CACHE_H
#define SCT_CACHE_H

typedef struct TableCache
{
	const char *table;			/* name in schema sctoken */
	Oid			relid;
	bool		valid;			/* nothing changed since the fill began */
	uint64		epoch;			/* counts fills */
} TableCache;

extern TableCache sct_policy_cache;
extern TableCache sct_secret_cache;
extern TableCache sct_replay_marker_cache;
extern TableCache sct_trust_anchor_cache;
extern TableCache sct_trust_anchor_set_cache;

/*
 * To be called between sct_query_begin() and sct_query_end(), before the rows
 * are read.  What is read afterwards may be kept for as long as cache->valid
 * stays true and cache->epoch the same; valid is false already when the table's
 * triggers are not as we made them, so that nothing would tell us of a change.
 */
extern void sct_cache_fill(TableCache *cache);

#endif							/* SCT_CACHE_H */
