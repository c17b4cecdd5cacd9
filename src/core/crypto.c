/*
 * crypto.c
 *		Digests, keys and signatures by OpenSSL, see crypto.h.
 *
 * Nothing here throws, so that no handle is lost to a longjmp: a function frees
 * what it made before it returns.  What costs time to find (algorithms, contexts)
 * is found once in a process, at first use and so never in the postmaster, and is
 * kept until the process ends.
 */
#include "../compat.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include "crypto.h"

#if OPENSSL_VERSION_NUMBER < 0x30000000L
#error sctoken needs OpenSSL 3.0 or later
#endif

/* P-521: two INTEGERs of at most 67 bytes and the headers around them */
#define ECDSA_DER_MAX	144

struct SctPublicKey
{
	SctKeyType	type;
	EVP_PKEY   *pkey;
	EVP_PKEY_CTX *verify;		/* initialised for EC and RSA, NULL for OKP */
};

typedef struct CurveInfo
{
	const char *name;			/* OpenSSL's name of the group or key type */
	size_t		width;
} CurveInfo;

/* In the order of SctKeyType. */
static const CurveInfo curves[] = {
	{"P-256", 32}, {"P-384", 48}, {"P-521", 66}, {"ED25519", 32}, {"ED448", 57}
};

/* In the order of SctHash. */
static const char *const hash_names[] = {"SHA256", "SHA384", "SHA512"};
static EVP_MD *hash_fetched[3];
static EVP_MD_CTX *digest_ctx;
static EVP_MD_CTX *eddsa_ctx;
static EVP_MAC_CTX *hmac_ctx;
static EVP_KDF_CTX *hkdf_ctx;

static EVP_MD *
hash_fetch(SctHash hash)
{
	if (hash_fetched[hash] == NULL)
		hash_fetched[hash] = EVP_MD_fetch(NULL, hash_names[hash], NULL);
	return hash_fetched[hash];
}

SctReason
sct_crypto_digest(SctHash hash, const void *data, size_t len,
				  uint8 *digest, size_t *digest_len)
{
	EVP_MD	   *md;
	unsigned int written = 0;
	bool		ok;

	ERR_set_mark();
	md = hash_fetch(hash);
	if (digest_ctx == NULL)
		digest_ctx = EVP_MD_CTX_new();
	ok = md != NULL && digest_ctx != NULL &&
		EVP_DigestInit_ex2(digest_ctx, md, NULL) == 1 &&
		EVP_DigestUpdate(digest_ctx, data, len) == 1 &&
		EVP_DigestFinal_ex(digest_ctx, digest, &written) == 1;
	ERR_pop_to_mark();
	*digest_len = written;
	return ok ? SCT_OK : SCT_INTERNAL;
}

SctReason
sct_crypto_sha256(const void *data, size_t len, uint8 *digest)
{
	size_t		digest_len;

	return sct_crypto_digest(SCT_SHA256, data, len, digest, &digest_len);
}

/* Makes the context that sct_crypto_hmac() uses again and again. */
static EVP_MAC_CTX *
hmac_context(void)
{
	EVP_MAC    *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	EVP_MAC_CTX *ctx = NULL;
	OSSL_PARAM	params[2];

	/* the context keeps a reference of its own; NULL would crash it */
	if (mac != NULL)
		ctx = EVP_MAC_CTX_new(mac);
	EVP_MAC_free(mac);
	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
												 unconstify(char *, hash_names[SCT_SHA256]), 0);
	params[1] = OSSL_PARAM_construct_end();
	if (ctx != NULL && EVP_MAC_CTX_set_params(ctx, params) != 1)
	{
		EVP_MAC_CTX_free(ctx);
		ctx = NULL;
	}
	return ctx;
}

SctReason
sct_crypto_hmac(const uint8 *key, const void *data, size_t len, uint8 *mac)
{
	size_t		mac_len = 0;
	bool		ok;

	ERR_set_mark();
	if (hmac_ctx == NULL)
		hmac_ctx = hmac_context();
	ok = hmac_ctx != NULL &&
		EVP_MAC_init(hmac_ctx, key, SCT_SHA256_LEN, NULL) == 1 &&
		EVP_MAC_update(hmac_ctx, data, len) == 1 &&
		EVP_MAC_final(hmac_ctx, mac, &mac_len, SCT_SHA256_LEN) == 1 &&
		mac_len == SCT_SHA256_LEN;
	ERR_pop_to_mark();
	return ok ? SCT_OK : SCT_INTERNAL;
}

SctReason
sct_crypto_hkdf(const void *ikm, size_t ikm_len,
				const void *salt, size_t salt_len,
				const void *info, size_t info_len, uint8 *okm)
{
	OSSL_PARAM	params[5];
	OSSL_PARAM *param = params;
	bool		ok;

	ERR_set_mark();
	if (hkdf_ctx == NULL)
	{
		EVP_KDF    *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);

		if (kdf != NULL)
			hkdf_ctx = EVP_KDF_CTX_new(kdf);
		EVP_KDF_free(kdf);
	}
	*param++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
												unconstify(char *, hash_names[SCT_SHA256]), 0);
	*param++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY,
												 unconstify(void *, ikm), ikm_len);
	*param++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO,
												 unconstify(void *, info), info_len);
	if (salt != NULL)
		*param++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT,
													 unconstify(void *, salt), salt_len);
	*param = OSSL_PARAM_construct_end();
	ok = hkdf_ctx != NULL &&
		EVP_KDF_derive(hkdf_ctx, okm, SCT_SHA256_LEN, params) == 1;

	/* wipes the copy of the input key that the context holds */
	if (hkdf_ctx != NULL)
		EVP_KDF_CTX_reset(hkdf_ctx);
	ERR_pop_to_mark();
	return ok ? SCT_OK : SCT_INTERNAL;
}

bool
sct_crypto_equal(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

void
sct_crypto_cleanse(void *data, size_t len)
{
	OPENSSL_cleanse(data, len);
}

/* The parameters of an EC or RSA public key; NULL when memory is out. */
static OSSL_PARAM *
key_params(const SctJwk *jwk)
{
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	OSSL_PARAM *params = NULL;
	BIGNUM	   *n = NULL;
	BIGNUM	   *e = NULL;
	uint8		point[1 + 2 * SCT_JWK_SECOND_MAX];
	bool		ok = bld != NULL;

	if (ok && jwk->type == SCT_KEY_RSA)
	{
		n = BN_bin2bn(jwk->first, (int) jwk->first_len, NULL);
		e = BN_bin2bn(jwk->second, (int) jwk->second_len, NULL);
		ok = n != NULL && e != NULL &&
			OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
			OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) == 1;
	}
	else if (ok)
	{
		/*
		 * Always the uncompressed form made from two halves of full width:
		 * OpenSSL would also take the point at infinity, compressed and
		 * hybrid forms, but in this one it checks that the point is on the
		 * curve.
		 */
		point[0] = 0x04;
		memcpy(point + 1, jwk->first, jwk->first_len);
		memcpy(point + 1 + jwk->first_len, jwk->second, jwk->second_len);
		ok = OSSL_PARAM_BLD_push_utf8_string(bld, OSSL_PKEY_PARAM_GROUP_NAME,
											 curves[jwk->type].name, 0) == 1 &&
			OSSL_PARAM_BLD_push_octet_string(bld, OSSL_PKEY_PARAM_PUB_KEY, point,
											 1 + jwk->first_len + jwk->second_len) == 1;
	}
	if (ok)
		params = OSSL_PARAM_BLD_to_param(bld);
	BN_free(e);
	BN_free(n);
	OSSL_PARAM_BLD_free(bld);
	return params;
}

static SctReason
key_from_params(const SctJwk *jwk, EVP_PKEY **pkey)
{
	EVP_PKEY_CTX *ctx;
	OSSL_PARAM *params;
	SctReason	reason = SCT_OK;

	ctx = EVP_PKEY_CTX_new_from_name(NULL,
									 jwk->type == SCT_KEY_RSA ? "RSA" : "EC", NULL);
	params = key_params(jwk);
	if (params == NULL)
		reason = SCT_INTERNAL;
	else if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1)
		reason = SCT_ALG_UNAVAILABLE;
	else if (EVP_PKEY_fromdata(ctx, pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		reason = SCT_KEY;
	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(ctx);
	return reason;
}

SctReason
sct_crypto_key_import(const SctJwk *jwk, SctPublicKey **key)
{
	SctPublicKey *result;
	SctReason	reason = SCT_OK;

	*key = NULL;
	result = calloc(1, sizeof(SctPublicKey));
	if (result == NULL)
		return SCT_INTERNAL;
	result->type = jwk->type;

	ERR_set_mark();
	if (jwk->type == SCT_KEY_ED25519 || jwk->type == SCT_KEY_ED448)
	{
		/* fails for lack of the algorithm only: any bytes of this length load */
		result->pkey = EVP_PKEY_new_raw_public_key_ex(NULL,
													  curves[jwk->type].name, NULL,
													  jwk->first, jwk->first_len);
		if (result->pkey == NULL)
			reason = SCT_ALG_UNAVAILABLE;
	}
	else
	{
		reason = key_from_params(jwk, &result->pkey);
		if (reason == SCT_OK)
		{
			result->verify = EVP_PKEY_CTX_new_from_pkey(NULL, result->pkey, NULL);
			if (result->verify == NULL ||
				EVP_PKEY_verify_init(result->verify) != 1)
				reason = SCT_ALG_UNAVAILABLE;
		}
	}
	ERR_pop_to_mark();

	if (reason != SCT_OK)
		sct_crypto_key_free(result);
	else
		*key = result;
	return reason;
}

void
sct_crypto_key_free(SctPublicKey *key)
{
	if (key == NULL)
		return;
	EVP_PKEY_CTX_free(key->verify);
	EVP_PKEY_free(key->pkey);
	free(key);
}

static SctHash
alg_hash(SctAlg alg)
{
	switch (alg)
	{
		case SCT_ALG_ES384:
		case SCT_ALG_PS384:
		case SCT_ALG_RS384:
			return SCT_SHA384;
		case SCT_ALG_ES512:
		case SCT_ALG_PS512:
		case SCT_ALG_RS512:
			return SCT_SHA512;
		default:
			return SCT_SHA256;
	}
}

/*
 * R || S (RFC 7518 3.4) as the DER that OpenSSL wants.  The caller has checked
 * the length.  Returns the length of the DER, 0 when memory is out.
 */
static int
ecdsa_to_der(const uint8 *signature, size_t width, uint8 *der)
{
	ECDSA_SIG  *sig = ECDSA_SIG_new();
	BIGNUM	   *r = BN_bin2bn(signature, (int) width, NULL);
	BIGNUM	   *s = BN_bin2bn(signature + width, (int) width, NULL);
	int			len = 0;

	if (sig == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(sig, r, s) != 1)
	{
		BN_free(s);
		BN_free(r);
	}
	else
	{
		/* r and s belong to sig now */
		len = i2d_ECDSA_SIG(sig, NULL);
		if (len > 0 && len <= ECDSA_DER_MAX)
			len = i2d_ECDSA_SIG(sig, &der);
		else
			len = 0;
	}
	ECDSA_SIG_free(sig);
	return len;
}

static SctReason
verify_digested(SctPublicKey *key, SctAlg alg, const void *data, size_t len,
				const uint8 *signature, size_t signature_len)
{
	SctHash		hash = alg_hash(alg);
	uint8		digest[SCT_HASH_MAX];
	size_t		digest_len;
	uint8		der[ECDSA_DER_MAX];

	if (key->type == SCT_KEY_RSA)
	{
		bool		pss = alg <= SCT_ALG_PS512;
		int			padding = pss ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING;
		EVP_MD	   *md = hash_fetch(hash);

		if (signature_len != (size_t) EVP_PKEY_get_size(key->pkey))
			return SCT_SIGNATURE;
		if (md == NULL ||
			EVP_PKEY_CTX_set_rsa_padding(key->verify, padding) != 1 ||
			EVP_PKEY_CTX_set_signature_md(key->verify, md) != 1)
			return SCT_ALG_UNAVAILABLE;

		/* RFC 7518 3.5: MGF1 with the same hash, salt as long as its output */
		if (pss &&
			(EVP_PKEY_CTX_set_rsa_mgf1_md(key->verify, md) != 1 ||
			 EVP_PKEY_CTX_set_rsa_pss_saltlen(key->verify,
											  RSA_PSS_SALTLEN_DIGEST) != 1))
			return SCT_ALG_UNAVAILABLE;
	}
	else
	{
		size_t		width = curves[key->type].width;
		int			der_len;

		if (signature_len != 2 * width)
			return SCT_SIGNATURE;
		der_len = ecdsa_to_der(signature, width, der);
		if (der_len == 0)
			return SCT_INTERNAL;
		signature = der;
		signature_len = der_len;
	}

	if (sct_crypto_digest(hash, data, len, digest, &digest_len) != SCT_OK)
		return SCT_INTERNAL;

	/* 1 is the only success; 0 and negative are both failures */
	return EVP_PKEY_verify(key->verify, signature, signature_len,
						   digest, digest_len) == 1 ? SCT_OK : SCT_SIGNATURE;
}

static SctReason
verify_eddsa(SctPublicKey *key, const void *data, size_t len,
			 const uint8 *signature, size_t signature_len)
{
	if (eddsa_ctx == NULL)
		eddsa_ctx = EVP_MD_CTX_new();
	if (eddsa_ctx == NULL || EVP_MD_CTX_reset(eddsa_ctx) != 1)
		return SCT_INTERNAL;
	if (EVP_DigestVerifyInit_ex(eddsa_ctx, NULL, NULL, NULL, NULL,
								key->pkey, NULL) != 1)
		return SCT_ALG_UNAVAILABLE;
	return EVP_DigestVerify(eddsa_ctx, signature, signature_len,
							data, len) == 1 ? SCT_OK : SCT_SIGNATURE;
}

SctReason
sct_crypto_verify(SctPublicKey *key, SctAlg alg, const void *data, size_t len,
				  const uint8 *signature, size_t signature_len)
{
	SctReason	reason;

	if (!sct_alg_fits(alg, key->type))
		return SCT_ALG;

	ERR_set_mark();
	if (key->type == SCT_KEY_ED25519 || key->type == SCT_KEY_ED448)
		reason = verify_eddsa(key, data, len, signature, signature_len);
	else
		reason = verify_digested(key, alg, data, len, signature, signature_len);
	ERR_pop_to_mark();
	return reason;
}
