/*
 * certificate_header.h
 *		The client certificate as the proxy that ended TLS forwards it: RFC 9440,
 *		and what proxies had before it.
 *
 * Whether that proxy wrote the text, and whether it has seen the proof of the
 * key, is the caller's to know.  What is not the exact form of a sender is
 * refused; no byte is guessed or repaired.
 */
#ifndef SCT_CERTIFICATE_HEADER_H
#define SCT_CERTIFICATE_HEADER_H

#include "crypto.h"
#include "x509.h"

#define SCT_CERTIFICATE_HEADER_MAX_LEN	65536	/* bytes */

/* Who wrote the text; doc/certificates.md has the forms of each. */
typedef enum SctCertificateFormat
{
	SCT_FORMAT_AUTO,			/* anybody below, judged by the text */
	SCT_FORMAT_RFC9440,
	SCT_FORMAT_NGINX,
	SCT_FORMAT_ENVOY,
	SCT_FORMAT_HAPROXY,
	SCT_FORMAT_APACHE,
	SCT_FORMAT_AWS_ALB,
	SCT_FORMAT_TRAEFIK,
	SCT_FORMAT_CLOUD_FOUNDRY,
	SCT_FORMAT_PEM,
	SCT_FORMAT_BASE64,
	SCT_FORMAT_FINGERPRINT
} SctCertificateFormat;

/* X(symbol, what is wrong at that byte, what may help or NULL) */
#define SCT_CERTIFICATE_FAULTS(X) \
	X(SCT_FAULT_NONE, NULL, NULL) \
	X(SCT_FAULT_TOO_LONG, "the value has more than " \
	  CppAsString2(SCT_CERTIFICATE_HEADER_MAX_LEN) " bytes", NULL) \
	X(SCT_FAULT_NOT_ASCII, "not ASCII", NULL) \
	X(SCT_FAULT_FORM, "not a form that this format has", \
	  "Name the format of the proxy that sends the value, or auto.") \
	X(SCT_FAULT_END, "the value ends too early", NULL) \
	X(SCT_FAULT_CHARACTER, "unexpected character", NULL) \
	X(SCT_FAULT_BLANK, "white space within base64", \
	  "A plus sign becomes a blank where a value is decoded once too often.") \
	X(SCT_FAULT_ESCAPE, "percent sign without two hexadecimal digits", NULL) \
	X(SCT_FAULT_BASE64, "base64 ends without its padding, or with stray bits", \
	  NULL) \
	X(SCT_FAULT_PEM_BEGIN, "-----BEGIN CERTIFICATE----- expected", NULL) \
	X(SCT_FAULT_PEM_END, "-----END CERTIFICATE----- expected", NULL) \
	X(SCT_FAULT_MORE, "one certificate and nothing else expected", NULL) \
	X(SCT_FAULT_DER, "not one certificate in DER", NULL) \
	X(SCT_FAULT_TOO_LARGE, "a certificate of more than " \
	  CppAsString2(SCT_X509_MAX_LEN) " bytes", NULL) \
	X(SCT_FAULT_SHA1, "a fingerprint of SHA-1", \
	  "Let the proxy send that of SHA-256, or the certificate.") \
	/* X-Forwarded-Client-Cert */ \
	X(SCT_FAULT_XFCC_KEY, \
	  "By=, Hash=, Cert=, Chain=, Subject=, URI= or DNS= expected", NULL) \
	X(SCT_FAULT_XFCC_TWICE, "a key that was there before", NULL) \
	X(SCT_FAULT_XFCC_QUOTES, "quotes that are not around all of a value", \
	  NULL) \
	X(SCT_FAULT_XFCC_ELEMENTS, "a second element", \
	  "The proxy next to the server must replace the header (Envoy: SANITIZE_SET), not append to it.") \
	X(SCT_FAULT_XFCC_ORDER, \
	  "Subject, URI or DNS without quotes, and no Hash before it", NULL) \
	X(SCT_FAULT_XFCC_HASH, "Hash is not 64 hexadecimal digits", NULL) \
	X(SCT_FAULT_XFCC_MISMATCH, "Hash is not that of the certificate", NULL) \
	X(SCT_FAULT_XFCC_EMPTY, "neither Cert, Chain nor Hash", NULL)

typedef enum SctCertificateFault
{
#define X(symbol, text, hint) symbol,
	SCT_CERTIFICATE_FAULTS(X)
#undef X
} SctCertificateFault;

typedef struct SctCertificateHeader
{
	size_t		der_len;		/* 0: only the fingerprint was forwarded */
	uint8		sha256[SCT_SHA256_LEN]; /* of the certificate: its x5t#S256 */
	SctCertificateFault fault;	/* why it was refused */
	size_t		at;				/* byte, from 0, of the fault, or else where
								 * certificate or fingerprint begin */
} SctCertificateHeader;

/*
 * Reads the client's certificate; of a chain it is the first one.  SCT_OK with
 * the certificate in der, or with its fingerprint alone.  SCT_MISSING for what
 * says that there is none: nothing but blanks, "-" or "(null)".
 * SCT_CERTIFICATE with fault and at.
 *
 * der has room for len bytes, SCT_CERTIFICATE_HEADER_MAX_LEN of them at most.
 *
 * What comes out in der has the outline of a certificate, see certificate.h,
 * and at most SCT_X509_MAX_LEN bytes; all else is sct_x509_parse()'s.  A
 * thumbprint that is only compared needs no more than that: other bytes,
 * certificate or not, have another SHA-256.
 */
extern SctReason sct_certificate_header_read(const char *value, size_t len,
											 SctCertificateFormat format,
											 uint8 *der,
											 SctCertificateHeader *header);

/* Finds a format by its SQL word. */
extern bool sct_certificate_format_lookup(const char *word, size_t len,
										  SctCertificateFormat *format);

/* What a fault is, and what may help or NULL; neither has any of the text. */
extern const char *sct_certificate_fault_text(SctCertificateFault fault);
extern const char *sct_certificate_fault_hint(SctCertificateFault fault);

#endif							/* SCT_CERTIFICATE_HEADER_H */
