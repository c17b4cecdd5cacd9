/*
 * thumbprint.h
 *		SHA-256 in base64url: the form in which keys, certificates and tokens are
 *		named (jkt of RFC 9449 6.1, x5t#S256 of RFC 8705 3.1, ath, tbh).
 */
#ifndef SCT_CORE_THUMBPRINT_H
#define SCT_CORE_THUMBPRINT_H

#include "crypto.h"

#define SCT_THUMBPRINT_LEN	43

/* The thumbprint of len bytes, into SCT_THUMBPRINT_LEN characters, no NUL. */
extern SctReason sct_thumbprint_bytes(const void *data, size_t len,
									  char *thumbprint);

/* That of a key (RFC 7638). */
extern SctReason sct_thumbprint_key(const SctJwk *jwk, char *thumbprint);

#endif							/* SCT_CORE_THUMBPRINT_H */
