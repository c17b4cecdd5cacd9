/*
 * thumbprint.h
 *		JWK thumbprints (RFC 7638) for other parts of the module.
 */
#ifndef SCT_THUMBPRINT_H
#define SCT_THUMBPRINT_H

/*
 * jkt of a JWK given as JSON text in the encoding of the database: base64url
 * of the SHA-256 thumbprint (RFC 9449 6.1), palloc'd.  NULL when it is not a
 * JWK with a thumbprint, see sctoken.jwk_thumbprint().
 */
extern text *sct_thumbprint_jwk(text *jwk);

#endif							/* SCT_THUMBPRINT_H */
