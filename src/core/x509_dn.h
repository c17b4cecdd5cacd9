/*
 * x509_dn.h
 *		Distinguished names between OpenSSL and their RFC 4514 string; for the
 *		other x509*.c alone.
 */
#ifndef SCT_X509_DN_H
#define SCT_X509_DN_H

#include "reason.h"

/* OpenSSL's X509_NAME, ASN1_OBJECT and BIO */
struct X509_name_st;
struct asn1_object_st;
struct bio_st;

/*
 * Reads a string of len bytes.  SCT_NAME_SYNTAX when it is none; the empty string
 * is the empty name.  Attribute types are OIDs or names that OpenSSL knows, in any
 * case; spaces around separators are skipped (RFC 2253 4).  The caller frees *name.
 */
extern SctReason sct_x509_dn_parse(const char *text, size_t len,
								   struct X509_name_st **name);

/*
 * Writes the string to bio in UTF-8; parsing it gives an equal name, if all values
 * are strings.  Otherwise as sct_x509_object_print().
 */
extern SctReason sct_x509_dn_print(struct bio_st *bio,
								   const struct X509_name_st *name);

/*
 * Writes OpenSSL's name of an object to bio, or the OID where it has none.
 * SCT_CERTIFICATE for an OID of more than 127 characters, SCT_INTERNAL when memory
 * is out.
 */
extern SctReason sct_x509_object_print(struct bio_st *bio,
									   const struct asn1_object_st *object);

#endif							/* SCT_X509_DN_H */
