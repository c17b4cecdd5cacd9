/*
 * x509_cache.c
 *		Certificates kept as OpenSSL has read them, see x509_cache.h.
 */
#include "../compat.h"

#include "digest_cache.h"
#include "x509_cache.h"

#define SETS	32				/* 128 certificates of 1 kB are about 1 MB in a process */

static void
x509_destroy(void *x509)
{
	sct_x509_free(x509);
}

static SctDigestCacheEntry sets[SETS][SCT_DIGEST_CACHE_WAYS];
static SctDigestCache cache = {
	.sets = sets, .count = SETS, .destroy = x509_destroy
};

SctX509 *
sct_x509_cache_find(const uint8 *digest)
{
	return sct_digest_cache_find(&cache, digest);
}

void
sct_x509_cache_add(const uint8 *digest, SctX509 *x509)
{
	sct_digest_cache_add(&cache, digest, x509);
}
