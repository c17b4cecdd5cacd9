/*
 * x509_info.h
 *		What a certificate says, as text and numbers.
 */
#ifndef SCT_X509_INFO_H
#define SCT_X509_INFO_H

#include "jwk.h"
#include "x509.h"

/* Seconds since 1970-01-01 UTC of notBefore and notAfter, both inclusive. */
typedef struct SctX509Validity
{
	int64		not_before;
	int64		not_after;
} SctX509Validity;

typedef enum SctX509SanType
{
	SCT_SAN_DNS,
	SCT_SAN_URI,
	SCT_SAN_IP,
	SCT_SAN_EMAIL
} SctX509SanType;

/* One alternative name: its bytes as in the certificate, an IP address in binary. */
typedef struct SctX509San
{
	SctX509SanType type;
	const uint8 *data;
	size_t		len;
} SctX509San;

/* Texts are UTF-8 with a NUL behind them, and allocated with it. */
typedef struct SctX509Info
{
	char	   *subject;		/* RFC 4514 */
	char	   *issuer;			/* RFC 4514 */
	char	   *serial;			/* hexadecimal, upper case */
	SctX509Validity validity;
	bool		is_ca;			/* may it issue certificates? */
	const char *key_type;		/* OpenSSL's name ("EC", "RSA"); NULL: unknown */
	int			key_bits;
	bool		has_jwk;		/* the key has a JWK, and so a thumbprint */
	SctJwk		jwk;
	char	   *extended_key_usage; /* names or OIDs with a space between; NULL: none */
	int			san_count;
	SctX509San *sans;
	void	   *san_memory;		/* that the names point into */
} SctX509Info;

/* SCT_CERTIFICATE when a time or an extension is malformed. */
extern SctReason sct_x509_validity(const SctX509 *x509, SctX509Validity *validity);

/*
 * The certificate's public key.  False when JWK has no such type or curve, or its
 * parameters are explicit instead of named.
 */
extern bool sct_x509_jwk(const SctX509 *x509, SctJwk *jwk);

/*
 * Has the certificate's key at least 112 bits of security, and a curve that is a
 * named one?  Explicit parameters may be anything.
 */
extern bool sct_x509_is_strong(const SctX509 *x509);

/* May the certificate issue others? */
extern bool sct_x509_is_ca(SctX509 *x509);

/*
 * The subject as text (RFC 4514), which the caller frees with free().
 * SCT_CERTIFICATE when it has an attribute type with an OID of more than 127
 * characters; *text is NULL then.
 */
extern SctReason sct_x509_subject(const SctX509 *x509, char **text);

/*
 * Fills *info, which the caller frees unless this fails.  SCT_CERTIFICATE as
 * sct_x509_validity() and sct_x509_subject().
 */
extern SctReason sct_x509_info_make(SctX509 *x509, SctX509Info *info);
extern void sct_x509_info_free(SctX509Info *info);

#endif							/* SCT_X509_INFO_H */
