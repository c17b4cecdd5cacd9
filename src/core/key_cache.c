/*
 * key_cache.c
 *		Public keys kept loaded, see key_cache.h.
 *
 * Set-associative: a thumbprint has WAYS places, the one used longest ago gives
 * way.  256 keys are about 1 MB in a process.
 */
#include "../compat.h"

#include "key_cache.h"

#define SETS	64
#define WAYS	4

typedef struct CachedKey
{
	uint8		thumbprint[SCT_SHA256_LEN];
	SctPublicKey *key;			/* NULL: a free place */
	uint64		used;			/* value of clock when last found or added */
} CachedKey;

static CachedKey cache[SETS][WAYS];
static uint64 clock_hand = 0;

SctPublicKey *
sct_key_cache_find(const uint8 *thumbprint)
{
	CachedKey  *set = cache[thumbprint[0] % SETS];

	for (int i = 0; i < WAYS; i++)
	{
		if (set[i].key != NULL &&
			memcmp(set[i].thumbprint, thumbprint, SCT_SHA256_LEN) == 0)
		{
			set[i].used = ++clock_hand;
			return set[i].key;
		}
	}
	return NULL;
}

void
sct_key_cache_add(const uint8 *thumbprint, SctPublicKey *key)
{
	CachedKey  *set = cache[thumbprint[0] % SETS];
	CachedKey  *victim = &set[0];

	for (int i = 1; i < WAYS; i++)
	{
		if (set[i].used < victim->used)
			victim = &set[i];
	}
	sct_crypto_key_free(victim->key);
	memcpy(victim->thumbprint, thumbprint, SCT_SHA256_LEN);
	victim->key = key;
	victim->used = ++clock_hand;
}
