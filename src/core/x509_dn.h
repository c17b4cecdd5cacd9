/*
 * x509_dn.h
 *		Distinguished names between OpenSSL and their RFC 4514 string; for the
 *		other x509*.c alone.
 */
#ifndef SCT_X509_DN_H
#define SCT_X509_DN_H

#include <openssl/x509.h>

#include "reason.h"

/*
 * Reads a string of len bytes.  SCT_NAME_SYNTAX when it is none; the empty string
 * is the empty name.  Attribute types are OIDs or names that OpenSSL knows, in any
 * case; spaces around separators are skipped (RFC 2253 4).  The caller frees *name.
 */
extern SctReason sct_x509_dn_parse(const char *text, size_t len, X509_NAME **name);

/*
 * Writes the string to bio in UTF-8; parsing it gives an equal name.  False when
 * memory is out.
 */
extern bool sct_x509_dn_print(BIO *bio, const X509_NAME *name);

#endif							/* SCT_X509_DN_H */
