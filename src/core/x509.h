/*
 * x509.h
 *		X.509 certificates (RFC 5280) as OpenSSL reads them.
 *
 * Each function leaves OpenSSL's error queue as empty as it found it.
 */
#ifndef SCT_X509_H
#define SCT_X509_H

#include "reason.h"

/* The largest certificate, in bytes of DER. */
#define SCT_X509_MAX_LEN	16384

/* A certificate that OpenSSL has read; its own type. */
typedef struct x509_st SctX509;

/*
 * Reads a certificate.  SCT_CERTIFICATE unless the bytes are one certificate in DER
 * of at most SCT_X509_MAX_LEN bytes and nothing else, so that a certificate has one
 * thumbprint: what its signature does not cover must be in the one canonical form,
 * and what it covers cannot be changed.  Only the signature itself may have a twin
 * (ECDSA, s and n - s): no comparison of thumbprints takes that for the first.  The
 * caller frees *x509.
 */
extern SctReason sct_x509_parse(const uint8 *der, size_t len, SctX509 **x509);

/* NULL is allowed. */
extern void sct_x509_free(SctX509 *x509);

#endif							/* SCT_X509_H */
