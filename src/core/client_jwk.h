/*
 * client_jwk.h
 *		The keys and certificates with which a client says it will authenticate
 *		(RFC 8705 2.2): the members of its JWK Set (RFC 7517 5).
 */
#ifndef SCT_CLIENT_JWK_H
#define SCT_CLIENT_JWK_H

#include "jwk.h"

#define SCT_CLIENT_THUMBPRINT_LEN	43	/* base64url of a SHA-256 */

/*
 * Reads one key of a set.  The thumbprint, no NUL, is that of the key (RFC 7638)
 * when by_key, else the x5t#S256 of x5c[0], the client's own certificate.
 *
 * SCT_NOT_REGISTERED: nothing to register, since the key is of a type that is not
 * known, is for encryption, or has no x5c though it must have.  SCT_PRIVATE_KEY: a
 * private or symmetric key.  SCT_JWK: not an object, or a key of a known type that is
 * malformed.  SCT_KEY: sct_jwk_safe() says no.  SCT_X5C: x5c is no array whose first element is one certificate in
 * base64.  SCT_X5C_KEY: that certificate has another key, or another x5t#S256 than
 * the JWK says (RFC 7517 4.7, 4.9).
 */
extern SctReason sct_client_jwk_read(const SctJson *json, const SctJsonNode *node,
									 bool by_key, char *thumbprint);

#endif							/* SCT_CLIENT_JWK_H */
