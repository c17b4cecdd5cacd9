/*
 * x509_store.h
 *		Whether a client's certificate leads to a trusted CA (RFC 5280 6).
 *
 * Nothing is ever fetched: no AIA, no CRL distribution point, no OCSP.
 */
#ifndef SCT_X509_STORE_H
#define SCT_X509_STORE_H

#include "x509.h"

/* Certificates that a client may send besides its own. */
#define SCT_X509_MAX_CHAIN	8

/* The largest CRL, in bytes of DER. */
#define SCT_X509_MAX_CRL	1048576

/*
 * What must be covered by a CRL of the store.  A CRL that covers a certificate of
 * the chain always counts, and refuses it when it lists it or is out of date.
 */
typedef enum SctCrlCheck
{
	SCT_CRL_IF_PRESENT,			/* nothing */
	SCT_CRL_LEAF,				/* the client's certificate */
	SCT_CRL_CHAIN				/* each certificate but the trusted one */
} SctCrlCheck;

typedef struct SctX509StoreOptions
{
	SctCrlCheck crl_check;
	int			max_depth;		/* CAs between the leaf and the trusted one */
	bool		partial_chain;	/* is a CA that is not self-signed trusted too? */
	bool		strict;			/* X509_V_FLAG_X509_STRICT */
} SctX509StoreOptions;

/* Trusted CAs and CRLs. */
typedef struct SctX509Store SctX509Store;

/* An empty store, which the caller frees; NULL: out of memory. */
extern SctX509Store *sct_x509_store_make(const SctX509StoreOptions *options);

/*
 * Adds a CA, or a CRL.  SCT_CERTIFICATE when it is none in DER: sct_x509_parse() and
 * sct_x509_is_ca() or sct_x509_is_crl() say no.
 */
extern SctReason sct_x509_store_add_ca(SctX509Store *store,
									   const uint8 *der, size_t len);
extern SctReason sct_x509_store_add_crl(SctX509Store *store,
										const uint8 *der, size_t len);

/* NULL is allowed. */
extern void sct_x509_store_free(SctX509Store *store);

/*
 * Are the bytes one CRL in DER of at most SCT_X509_MAX_CRL bytes, which says of every
 * certificate of its issuer whether it is revoked, and has a nextUpdate?  No delta
 * CRL, no indirect one, none for some reasons only.
 */
extern bool sct_x509_is_crl(const uint8 *der, size_t len);

/*
 * Is leaf the certificate of a TLS client, issued under a CA of the store at the
 * time seconds (since 1970)?  chain: what else the client sent, in any order, at most
 * SCT_X509_MAX_CHAIN.  Keys and digests of less than 112 bits are refused.  With SCT_OK
 * used says of each in chain whether it is on the way.
 *
 * SCT_OK; SCT_LEAF_IS_CA, SCT_ISSUER (no way to a trusted CA), SCT_NOT_A_CA,
 * SCT_PATH_LENGTH, SCT_CHAIN_SIGNATURE, SCT_EXPIRED, SCT_NOT_YET_VALID, SCT_PURPOSE,
 * SCT_WEAK, SCT_NAME_CONSTRAINTS, SCT_CRITICAL_EXTENSION, SCT_REVOKED,
 * SCT_CRL_MISSING, SCT_CRL_EXPIRED (or not valid yet), SCT_CHAIN (anything else), SCT_INTERNAL.
 */
extern SctReason sct_x509_store_verify(SctX509Store *store, SctX509 *leaf,
									   SctX509 *const *chain, int chain_count,
									   int64 seconds, bool *used);

#endif							/* SCT_X509_STORE_H */
