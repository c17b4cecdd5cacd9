/*
 * digest_cache.c
 *		A bounded cache by SHA-256, see digest_cache.h.
 */
#include "../compat.h"

#include "digest_cache.h"

void *
sct_digest_cache_find(SctDigestCache *cache, const uint8 *digest)
{
	SctDigestCacheEntry *set = cache->sets[digest[0] % cache->count];

	for (int i = 0; i < SCT_DIGEST_CACHE_WAYS; i++)
	{
		if (set[i].value != NULL &&
			memcmp(set[i].digest, digest, SCT_SHA256_LEN) == 0)
		{
			set[i].used = ++cache->uses;
			return set[i].value;
		}
	}
	return NULL;
}

void
sct_digest_cache_add(SctDigestCache *cache, const uint8 *digest, void *value)
{
	SctDigestCacheEntry *set = cache->sets[digest[0] % cache->count];
	SctDigestCacheEntry *victim = &set[0];

	for (int i = 1; i < SCT_DIGEST_CACHE_WAYS; i++)
	{
		if (set[i].used < victim->used)
			victim = &set[i];
	}
	if (victim->value != NULL)
		cache->destroy(victim->value);
	memcpy(victim->digest, digest, SCT_SHA256_LEN);
	victim->value = value;
	victim->used = ++cache->uses;
}
