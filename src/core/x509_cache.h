/*
 * x509_cache.h
 *		Certificates that were verified lately, kept as OpenSSL has read them.
 *
 * Reading one costs as much as verifying it.  The cache holds 128, and the caller
 * adds one only once it was good, so that clients that are refused cannot push out
 * others.  It says nothing of whether a certificate is good.
 */
#ifndef SCT_X509_CACHE_H
#define SCT_X509_CACHE_H

#include "x509.h"

/*
 * The certificate with this SHA-256 over its DER (32 bytes), or NULL.  It belongs
 * to the cache and is good until the next sct_x509_cache_add().
 */
extern SctX509 *sct_x509_cache_find(const uint8 *digest);

/* Takes x509 over; may free another one to make room. */
extern void sct_x509_cache_add(const uint8 *digest, SctX509 *x509);

#endif							/* SCT_X509_CACHE_H */
