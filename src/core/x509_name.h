/*
 * x509_name.h
 *		Whom a certificate names: its subject DN (RFC 4514) and subject
 *		alternative names, held against what a client has registered (RFC 8705
 *		2.1.2).
 *
 * Names are compared as names, never as strings: a value is parsed first.  There is
 * no fallback from a SAN to a CN, no wildcard, and the certificate is the client's
 * own, never one of its chain.
 *
 * Of a DN the attributes must be equal one by one, in order; those within one
 * multi-valued RDN in any order.  Attributes of the usual string types are equal
 * whatever type each one has, without regard to ASCII case and to how many spaces
 * stand in a row; case beyond ASCII and Unicode's normal forms do count, and a
 * NumericString is equal to nothing but itself (register it as #12...).
 */
#ifndef SCT_X509_NAME_H
#define SCT_X509_NAME_H

#include "x509.h"

/* The members of RFC 8705 2.1.2. */
typedef enum SctX509Member
{
	SCT_X509_SUBJECT_DN,
	SCT_X509_SAN_DNS,
	SCT_X509_SAN_URI,
	SCT_X509_SAN_IP,
	SCT_X509_SAN_EMAIL
} SctX509Member;

#define SCT_X509_MEMBERS	(SCT_X509_SAN_EMAIL + 1)

/* The longest value that is taken, in bytes. */
#define SCT_X509_MAX_NAME	4096

/* The registered name of a member ("tls_client_auth_subject_dn"). */
extern const char *sct_x509_member_name(SctX509Member member);

/* Case-sensitive; false for a name that is not one of them. */
extern bool sct_x509_member_lookup(const char *name, size_t len,
								   SctX509Member *member);

/*
 * May value (len bytes of UTF-8, no NUL needed) be registered?  SCT_OK, or
 * SCT_NAME_SYNTAX: empty, no RFC 4514 string with attribute types that are known
 * (or OIDs), a DNS name with a wildcard or other characters than letters, digits,
 * "-", "_" and ".", no URI with a scheme, no IPv4 or IPv6 address in its usual form,
 * no mailbox.
 */
extern SctReason sct_x509_name_check(SctX509Member member,
									 const char *value, size_t len);

/*
 * Does the certificate bear that name?  SCT_OK; SCT_NAME when it does not;
 * SCT_NAME_SYNTAX as above.  Any SAN of the right type may be the one, but for a
 * SPIFFE ID: it must be the certificate's only URI (X.509-SVID 2).
 */
extern SctReason sct_x509_name_match(SctX509 *x509, SctX509Member member,
									 const char *value, size_t len);

#endif							/* SCT_X509_NAME_H */
