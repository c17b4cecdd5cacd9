/*
 * jwk.h
 *		Public keys as JWK (RFC 7517, RFC 7518 6, RFC 8037 2).
 */
#ifndef SCT_JWK_H
#define SCT_JWK_H

#include "json.h"

typedef enum SctKeyType
{
	SCT_KEY_P256,
	SCT_KEY_P384,
	SCT_KEY_P521,
	SCT_KEY_ED25519,
	SCT_KEY_ED448,
	SCT_KEY_RSA
} SctKeyType;

/*
 * The members that identify a key, decoded: EC coordinates x and y of exactly the
 * field's width, the OKP key x, or the RSA modulus n and exponent e in the fewest
 * bytes that hold them (all big-endian).  first is x or n, second y or e.
 */
#define SCT_JWK_FIRST_MAX	1024	/* RSA modulus of 8192 bits */
#define SCT_JWK_SECOND_MAX	66		/* y of P-521 */

typedef struct SctJwk
{
	SctKeyType	type;
	size_t		first_len;
	size_t		second_len;		/* 0 for OKP */
	uint8		first[SCT_JWK_FIRST_MAX];
	uint8		second[SCT_JWK_SECOND_MAX];
} SctJwk;

/* The longest canonical form: RSA with the largest n and e. */
#define SCT_JWK_CANONICAL_MAX	1536

/*
 * Reads the identifying members; others are not looked at.  SCT_JWK when node is
 * no object, kty or crv is unknown ("oct" too), a member is missing, no string or
 * not canonical base64url, or has the wrong width.  Says nothing of whether the
 * key may be used: sct_jwk_usable() does.
 */
extern SctReason sct_jwk_parse(const SctJson *json, const SctJsonNode *node,
							   SctJwk *jwk);

/*
 * Has the object a member of a private or symmetric key, whatever its value
 * (RFC 9449 4.3 (7))?
 */
extern bool sct_jwk_is_private(const SctJson *json, const SctJsonNode *node);

/*
 * May a signature be verified with this JWK?  SCT_PRIVATE_KEY when it is private;
 * SCT_KEY_USE when use, key_ops or alg forbid verifying with algorithm alg
 * (RFC 7517 4.2 to 4.4; alg is the JOSE name in the JWS header); otherwise what
 * sct_jwk_safe() says of the key.
 */
extern SctReason sct_jwk_usable(const SctJson *json, const SctJsonNode *node,
								const SctJwk *jwk, const char *alg);

/*
 * Is the key itself, in the form that SctJwk has (no leading zeros in RSA numbers),
 * safe to verify with?  SCT_KEY for an RSA modulus that is even or not of 2048 to
 * 4096 bits, an RSA exponent that is even or outside 65537 .. 2^32 - 1, and an
 * Ed25519 or Ed448 point that is not canonical or of small order.
 */
extern SctReason sct_jwk_safe(const SctJwk *jwk);

/*
 * The canonical form that RFC 7638 3.2 hashes: required members only, in order,
 * no white space.  dst has room for SCT_JWK_CANONICAL_MAX bytes; returns the
 * length (no NUL).
 */
extern size_t sct_jwk_canonical(const SctJwk *jwk, char *dst);

#endif							/* SCT_JWK_H */
