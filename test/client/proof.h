/*
 * proof.h
 *		Makes DPoP proofs (RFC 9449) with ES256, for the programs of the tests that
 *		play a client.
 *
 * It shares no code with the extension, so that a mistake in one of them does
 * not hide in both.  A header, so that each program is one call of the compiler.
 * Whatever fails ends the program.
 */
#ifndef PROOF_H
#define PROOF_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

#define COORDINATE_LEN	32		/* bytes of x, y, r and s with P-256 */
#define JTI_BYTES		16		/* RFC 9449 4.2 asks for at least 96 bits */

/* The claims of a proof; token, nonce and jti may be NULL. */
typedef struct Claims
{
	const char *htm;
	const char *htu;
	const char *token;			/* the access token that ath is made of */
	const char *nonce;
	const char *jti;			/* NULL: a random one */
	long long	iat;
} Claims;

/* Says what could not be done and why, and ends the program. */
static inline _Noreturn void
die(const char *what)
{
	unsigned long code = ERR_get_error();

	if (code != 0)
		fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what,
				ERR_reason_error_string(code));
	else if (errno != 0)
		fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what,
				strerror(errno));
	else
		fprintf(stderr, "%s: %s\n", program_invocation_short_name, what);
	exit(1);
}

static inline BIO *
text_new(void)
{
	BIO		   *text = BIO_new(BIO_s_mem());

	if (text == NULL)
		die("could not allocate memory");
	return text;
}

/* Appends base64url without padding (RFC 7515 2). */
static inline void
put_base64url(BIO *text, const unsigned char *bytes, size_t len)
{
	unsigned char *encoded = OPENSSL_malloc((len + 2) / 3 * 4 + 1);
	int			encoded_len = 0;

	if (encoded == NULL)
		die("could not allocate memory");
	EVP_EncodeBlock(encoded, bytes, (int) len);
	for (unsigned char *c = encoded; *c != '\0' && *c != '='; c++)
	{
		if (*c == '+')
			*c = '-';
		else if (*c == '/')
			*c = '_';
		encoded_len++;
	}
	BIO_write(text, encoded, encoded_len);
	OPENSSL_free(encoded);
}

/* Appends a JSON string, quotes included; bytes above ASCII stay as is. */
static inline void
put_json_string(BIO *json, const char *string)
{
	BIO_puts(json, "\"");
	for (const char *c = string; *c != '\0'; c++)
	{
		if (*c == '"' || *c == '\\')
			BIO_printf(json, "\\%c", *c);
		else if ((unsigned char) *c < 0x20)
			BIO_printf(json, "\\u%04x", (unsigned int) *c);
		else
			BIO_write(json, c, 1);
	}
	BIO_puts(json, "\"");
}

static inline void
put_sha256(BIO *text, const void *bytes, size_t len)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];

	if (SHA256(bytes, len, digest) == NULL)
		die("could not compute a digest");
	put_base64url(text, digest, sizeof(digest));
}

/* Appends a coordinate, which has a leading zero where it needs one. */
static inline void
put_coordinate(BIO *text, const EVP_PKEY *key, const char *param)
{
	unsigned char bytes[COORDINATE_LEN];
	BIGNUM	   *number = NULL;

	if (EVP_PKEY_get_bn_param(key, param, &number) != 1 ||
		BN_bn2binpad(number, bytes, COORDINATE_LEN) != COORDINATE_LEN)
		die("the key is not on P-256");
	put_base64url(text, bytes, COORDINATE_LEN);
	BN_free(number);
}

/*
 * Appends the public key as a JWK in the form that RFC 7638 3.2 hashes: only
 * required members, in alphabetical order.  It serves as "jwk" of the header
 * too.
 */
static inline void
put_jwk(BIO *json, const EVP_PKEY *key)
{
	BIO_puts(json, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"");
	put_coordinate(json, key, OSSL_PKEY_PARAM_EC_PUB_X);
	BIO_puts(json, "\",\"y\":\"");
	put_coordinate(json, key, OSSL_PKEY_PARAM_EC_PUB_Y);
	BIO_puts(json, "\"}");
}

static inline void
put_jti(BIO *json, const char *jti)
{
	unsigned char bytes[JTI_BYTES];

	if (jti != NULL)
	{
		put_json_string(json, jti);
		return;
	}
	if (RAND_bytes(bytes, JTI_BYTES) != 1)
		die("could not get random bytes");
	BIO_puts(json, "\"");
	put_base64url(json, bytes, JTI_BYTES);
	BIO_puts(json, "\"");
}

static inline void
put_claims(BIO *json, const Claims *claims)
{
	BIO_puts(json, "{\"jti\":");
	put_jti(json, claims->jti);
	BIO_puts(json, ",\"htm\":");
	put_json_string(json, claims->htm);
	BIO_puts(json, ",\"htu\":");
	put_json_string(json, claims->htu);
	BIO_printf(json, ",\"iat\":%lld", claims->iat);
	if (claims->token != NULL)
	{
		BIO_puts(json, ",\"ath\":\"");
		put_sha256(json, claims->token, strlen(claims->token));
		BIO_puts(json, "\"");
	}
	if (claims->nonce != NULL)
	{
		BIO_puts(json, ",\"nonce\":");
		put_json_string(json, claims->nonce);
	}
	BIO_puts(json, "}");
}

/* Appends base64url of what json holds, and frees json. */
static inline void
put_part(BIO *text, BIO *json)
{
	char	   *bytes;
	long		len = BIO_get_mem_data(json, &bytes);

	put_base64url(text, (unsigned char *) bytes, (size_t) len);
	BIO_free(json);
}

/* Appends the ES256 signature over all that text holds: r and s, not DER. */
static inline void
put_signature(BIO *text, EVP_PKEY *key)
{
	unsigned char der[128];
	size_t		der_len = sizeof(der);
	const unsigned char *end = der;
	unsigned char raw[2 * COORDINATE_LEN];
	char	   *input;
	long		input_len = BIO_get_mem_data(text, &input);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	ECDSA_SIG  *signature = NULL;

	if (context == NULL ||
		EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key) != 1 ||
		EVP_DigestSign(context, der, &der_len, (unsigned char *) input,
					   (size_t) input_len) != 1 ||
		(signature = d2i_ECDSA_SIG(NULL, &end, (long) der_len)) == NULL ||
		BN_bn2binpad(ECDSA_SIG_get0_r(signature), raw, COORDINATE_LEN) < 0 ||
		BN_bn2binpad(ECDSA_SIG_get0_s(signature), raw + COORDINATE_LEN,
					 COORDINATE_LEN) < 0)
		die("could not sign");
	BIO_puts(text, ".");
	put_base64url(text, raw, sizeof(raw));
	ECDSA_SIG_free(signature);
	EVP_MD_CTX_free(context);
}

/* A proof in the compact form (RFC 7515 3.1), as text that the caller frees. */
static inline BIO *
proof_new(EVP_PKEY *key, const Claims *claims)
{
	BIO		   *header = text_new();
	BIO		   *payload = text_new();
	BIO		   *proof = text_new();

	BIO_puts(header, "{\"typ\":\"dpop+jwt\",\"alg\":\"ES256\",\"jwk\":");
	put_jwk(header, key);
	BIO_puts(header, "}");
	put_claims(payload, claims);

	put_part(proof, header);
	BIO_puts(proof, ".");
	put_part(proof, payload);
	put_signature(proof, key);
	return proof;
}

#endif							/* PROOF_H */
