/*
 * certificate.h
 *		Client certificates in SQL.
 */
#ifndef SCT_CERTIFICATE_SQL_H
#define SCT_CERTIFICATE_SQL_H

#include "fmgr.h"

#include "binding.h"

/*
 * The x5t#S256 (RFC 8705 3.1) of a certificate in DER into
 * BINDING_THUMBPRINT_LEN bytes, no NUL.  False when it has not the outline of one;
 * what is inside is not looked at.
 */
extern bool sct_certificate_thumbprint(const bytea *certificate, char *thumbprint);

/* The same of an argument; an error when it is malformed. */
extern void sct_certificate_argument(const bytea *certificate, const char *name,
									 char *thumbprint);

#endif							/* SCT_CERTIFICATE_SQL_H */
