/*
 * digest_cache.h
 *		Things that are dear to make and known by a SHA-256, kept for the life of
 *		the process, in a bounded number of places.
 *
 * Set-associative: a digest has SCT_DIGEST_CACHE_WAYS places, of which the one
 * used longest ago gives way.
 */
#ifndef SCT_DIGEST_CACHE_H
#define SCT_DIGEST_CACHE_H

#include "crypto.h"

#define SCT_DIGEST_CACHE_WAYS	4

typedef struct SctDigestCacheEntry
{
	uint8		digest[SCT_SHA256_LEN];
	void	   *value;			/* NULL: a free place */
	uint64		used;			/* the cache's count when last found or added */
} SctDigestCacheEntry;

/* Define it static, with all but the last member. */
typedef struct SctDigestCache
{
	SctDigestCacheEntry (*sets)[SCT_DIGEST_CACHE_WAYS];
	size_t		count;			/* of sets, at most 256 */
	void		(*destroy) (void *value);
	uint64		uses;
} SctDigestCache;

/*
 * What is known by this digest (32 bytes), or NULL.  It belongs to the cache and
 * is good until the next sct_digest_cache_add() to it.
 */
extern void *sct_digest_cache_find(SctDigestCache *cache, const uint8 *digest);

/* Takes value over; may destroy another one to make room. */
extern void sct_digest_cache_add(SctDigestCache *cache, const uint8 *digest,
								 void *value);

#endif							/* SCT_DIGEST_CACHE_H */
