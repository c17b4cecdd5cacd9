/*
 * key_cache.h
 *		Public keys that verified a signature lately, kept loaded.
 *
 * Loading a key costs a third of verifying with it.  The cache is bounded, and a
 * key enters it only after a signature of it was good, so that proofs which fail
 * cannot push out the keys of clients.
 */
#ifndef SCT_KEY_CACHE_H
#define SCT_KEY_CACHE_H

#include "crypto.h"

/*
 * The key with this SHA-256 thumbprint (32 bytes), or NULL.  It belongs to the
 * cache and is good until the next sct_key_cache_add().
 */
extern SctPublicKey *sct_key_cache_find(const uint8 *thumbprint);

/* Takes key over; may free another one to make room. */
extern void sct_key_cache_add(const uint8 *thumbprint, SctPublicKey *key);

#endif							/* SCT_KEY_CACHE_H */
