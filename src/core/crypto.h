/*
 * crypto.h
 *		Digests, keys and signatures: all that sctoken asks of OpenSSL but for X.509,
 *		which x509.h has.  Only these files include it.
 *
 * No handle outlives a call but those that are kept on purpose for the life of the
 * process: fetched algorithms, and keys that the caller frees.  Each function
 * leaves OpenSSL's error queue as empty as it found it.
 */
#ifndef SCT_CRYPTO_H
#define SCT_CRYPTO_H

#include "jws.h"

#define SCT_SHA256_LEN	32
#define SCT_HASH_MAX	64

typedef enum SctHash
{
	SCT_SHA256,
	SCT_SHA384,
	SCT_SHA512
} SctHash;

/* A public key that OpenSSL has loaded. */
typedef struct SctPublicKey SctPublicKey;

/* Writes the digest and its length (32, 48 or 64 bytes). */
extern SctReason sct_crypto_digest(SctHash hash, const void *data, size_t len,
								   uint8 *digest, size_t *digest_len);

/* SHA-256 into 32 bytes. */
extern SctReason sct_crypto_sha256(const void *data, size_t len, uint8 *digest);

/* HMAC-SHA256 with a key of 32 bytes into 32 bytes. */
extern SctReason sct_crypto_hmac(const uint8 *key, const void *data, size_t len,
								 uint8 *mac);

/*
 * HKDF-SHA256 (RFC 5869) into 32 bytes.  salt may be NULL with salt_len 0.
 */
extern SctReason sct_crypto_hkdf(const void *ikm, size_t ikm_len,
								 const void *salt, size_t salt_len,
								 const void *info, size_t info_len, uint8 *okm);

/* Are the two equal?  The time taken depends on len alone. */
extern bool sct_crypto_equal(const void *a, const void *b, size_t len);

/* Overwrites a secret in a way that no compiler removes. */
extern void sct_crypto_cleanse(void *data, size_t len);

/*
 * Loads a key that sct_jwk_safe() took.  SCT_KEY when it is no key (a point off
 * the curve), SCT_ALG_UNAVAILABLE when the providers of this OpenSSL have no such
 * algorithm (FIPS).  The caller frees *key.
 */
extern SctReason sct_crypto_key_import(const SctJwk *jwk, SctPublicKey **key);

/* NULL is allowed. */
extern void sct_crypto_key_free(SctPublicKey *key);

/*
 * Verifies a JWS signature in its JOSE form (R || S of the field's width for
 * ECDSA).  alg fits the key: sct_alg_fits().  SCT_SIGNATURE when it is wrong,
 * SCT_ALG_UNAVAILABLE as above.
 */
extern SctReason sct_crypto_verify(SctPublicKey *key, SctAlg alg,
								   const void *data, size_t len,
								   const uint8 *signature, size_t signature_len);

#endif							/* SCT_CRYPTO_H */
