/*
 * key_cache.c
 *		Public keys kept loaded, see key_cache.h.
 */
#include "../compat.h"

#include "digest_cache.h"
#include "key_cache.h"

#define SETS	64				/* 256 keys are about 1 MB in a process */

static void
key_destroy(void *key)
{
	sct_crypto_key_free(key);
}

static SctDigestCacheEntry sets[SETS][SCT_DIGEST_CACHE_WAYS];
static SctDigestCache cache = {
	.sets = sets, .count = SETS, .destroy = key_destroy
};

SctPublicKey *
sct_key_cache_find(const uint8 *thumbprint)
{
	return sct_digest_cache_find(&cache, thumbprint);
}

void
sct_key_cache_add(const uint8 *thumbprint, SctPublicKey *key)
{
	sct_digest_cache_add(&cache, thumbprint, key);
}
