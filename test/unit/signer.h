/*
 * signer.h
 *		The side of the client: a key of any algorithm, its JWK, and signatures in
 *		the form that JOSE has for them.
 */
#ifndef SIGNER_H
#define SIGNER_H

#include "../../src/compat.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "../../src/core/base64url.h"
#include "../../src/core/jws.h"

#define SIGNER_MAX_SIGNATURE	512
#define SIGNER_MAX_JWK			1024

typedef struct Signer
{
	SctAlg		alg;
	EVP_PKEY   *key;
	char		jwk[SIGNER_MAX_JWK];
	size_t		jwk_len;
} Signer;

/* Nothing here fails where the tests can run at all. */
static inline void
signer_needs(bool done)
{
	if (!done)
	{
		fprintf(stderr, "signer: OpenSSL failed\n");
		abort();
	}
}

static inline EVP_PKEY *
signer_generate(SctAlg alg)
{
	switch (alg)
	{
		case SCT_ALG_ES256:
			return EVP_EC_gen("P-256");
		case SCT_ALG_ES384:
			return EVP_EC_gen("P-384");
		case SCT_ALG_ES512:
			return EVP_EC_gen("P-521");
		case SCT_ALG_EDDSA:
		case SCT_ALG_ED25519:
			return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
		case SCT_ALG_ED448:
			return EVP_PKEY_Q_keygen(NULL, NULL, "ED448");
		default:
			return EVP_RSA_gen(2048);
	}
}

/* Appends ,"name":"base64url"; the number in len bytes, 0 for the fewest. */
static inline void
signer_put_number(Signer *signer, const char *name, const char *param, size_t len)
{
	uint8		bytes[SIGNER_MAX_SIGNATURE];
	BIGNUM	   *number = NULL;

	signer_needs(EVP_PKEY_get_bn_param(signer->key, param, &number) == 1);
	if (len == 0)
		len = (size_t) BN_num_bytes(number);
	signer_needs(BN_bn2binpad(number, bytes, (int) len) == (int) len);
	BN_free(number);
	signer->jwk_len += sprintf(signer->jwk + signer->jwk_len, ",\"%s\":\"", name);
	sct_base64url_encode(bytes, len, signer->jwk + signer->jwk_len);
	signer->jwk_len += SCT_BASE64URL_ENCODED_LEN(len);
	signer->jwk[signer->jwk_len++] = '"';
}

static inline void
signer_put_jwk(Signer *signer)
{
	uint8		point[SIGNER_MAX_SIGNATURE];
	size_t		len = sizeof(point);

	if (EVP_PKEY_is_a(signer->key, "EC"))
	{
		static const char *const crv[] = {"P-256", "P-384", "P-521"};
		static const size_t width[] = {32, 48, 66};

		signer->jwk_len = sprintf(signer->jwk, "{\"kty\":\"EC\",\"crv\":\"%s\"",
								  crv[signer->alg]);
		signer_put_number(signer, "x", OSSL_PKEY_PARAM_EC_PUB_X,
						  width[signer->alg]);
		signer_put_number(signer, "y", OSSL_PKEY_PARAM_EC_PUB_Y,
						  width[signer->alg]);
	}
	else if (EVP_PKEY_is_a(signer->key, "RSA"))
	{
		signer->jwk_len = sprintf(signer->jwk, "{\"kty\":\"RSA\"");
		signer_put_number(signer, "n", OSSL_PKEY_PARAM_RSA_N, 0);
		signer_put_number(signer, "e", OSSL_PKEY_PARAM_RSA_E, 0);
	}
	else
	{
		signer_needs(EVP_PKEY_get_raw_public_key(signer->key, point, &len) == 1);
		signer->jwk_len = sprintf(signer->jwk,
								  "{\"kty\":\"OKP\",\"crv\":\"%s\",\"x\":\"",
								  EVP_PKEY_is_a(signer->key, "ED448") ?
								  "Ed448" : "Ed25519");
		sct_base64url_encode(point, len, signer->jwk + signer->jwk_len);
		signer->jwk_len += SCT_BASE64URL_ENCODED_LEN(len);
		signer->jwk[signer->jwk_len++] = '"';
	}
	signer->jwk[signer->jwk_len++] = '}';
	signer->jwk[signer->jwk_len] = '\0';
}

/* Makes a key.  The caller frees signer->key. */
static inline void
signer_make(Signer *signer, SctAlg alg)
{
	signer->alg = alg;
	signer->key = signer_generate(alg);
	signer_needs(signer->key != NULL);
	signer_put_jwk(signer);
}

/* DER to R || S (RFC 7518 3.4), in place; the new length */
static inline size_t
signer_raw_ecdsa(uint8 *signature, size_t len, size_t width)
{
	const unsigned char *at = signature;
	ECDSA_SIG  *sig = d2i_ECDSA_SIG(NULL, &at, (long) len);

	signer_needs(sig != NULL &&
				 BN_bn2binpad(ECDSA_SIG_get0_r(sig), signature,
							  (int) width) == (int) width &&
				 BN_bn2binpad(ECDSA_SIG_get0_s(sig), signature + width,
							  (int) width) == (int) width);
	ECDSA_SIG_free(sig);
	return 2 * width;
}

/* Writes a signature of at most SIGNER_MAX_SIGNATURE bytes; its length. */
static inline size_t
signer_sign(const Signer *signer, const void *data, size_t len, uint8 *signature)
{
	static const char *const hashes[] = {"SHA256", "SHA384", "SHA512"};
	const char *hash = signer->alg < SCT_ALG_EDDSA ?
		hashes[signer->alg % 3] : NULL;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx;
	size_t		signature_len = SIGNER_MAX_SIGNATURE;

	signer_needs(ctx != NULL &&
				 EVP_DigestSignInit_ex(ctx, &pctx, hash, NULL, NULL,
									   signer->key, NULL) == 1);
	if (signer->alg >= SCT_ALG_PS256 && signer->alg <= SCT_ALG_PS512)
		signer_needs(EVP_PKEY_CTX_set_rsa_padding(pctx,
												  RSA_PKCS1_PSS_PADDING) == 1 &&
					 EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx,
													  RSA_PSS_SALTLEN_DIGEST) == 1);
	signer_needs(EVP_DigestSign(ctx, signature, &signature_len, data, len) == 1);
	EVP_MD_CTX_free(ctx);
	if (signer->alg <= SCT_ALG_ES512)
		signature_len = signer_raw_ecdsa(signature, signature_len,
										 ((size_t) EVP_PKEY_get_bits(signer->key) + 7) / 8);
	return signature_len;
}

/*
 * Writes a compact JWS (RFC 7515 7.1), no NUL; its length.  text has room for four
 * thirds of header and payload and SIGNER_MAX_SIGNATURE, and 8 more.
 */
static inline size_t
signer_jws(const Signer *signer, const void *header, size_t header_len,
		   const void *payload, size_t payload_len, char *text)
{
	uint8		signature[SIGNER_MAX_SIGNATURE];
	size_t		signature_len;
	char	   *at = text;

	sct_base64url_encode(header, header_len, at);
	at += SCT_BASE64URL_ENCODED_LEN(header_len);
	*at++ = '.';
	sct_base64url_encode(payload, payload_len, at);
	at += SCT_BASE64URL_ENCODED_LEN(payload_len);
	signature_len = signer_sign(signer, text, at - text, signature);
	*at++ = '.';
	sct_base64url_encode(signature, signature_len, at);
	at += SCT_BASE64URL_ENCODED_LEN(signature_len);
	return at - text;
}

#endif							/* SIGNER_H */
