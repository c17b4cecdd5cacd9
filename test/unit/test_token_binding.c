/*
 * test_token_binding.c
 *		Token Binding messages (RFC 8471, RFC 8473): with keys made here, and the
 *		verdicts of others on theirs where SCTOKEN_VECTORS has them.
 */
#include "lines.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include "../../src/core/base64url.h"
#include "../../src/core/token_binding.h"

#define PROVIDED	0
#define REFERRED	1
#define OTHER		9			/* no registered type */
#define UNKNOWN		88			/* no registered key parameters */

#define MAX_KEY			1024
#define MAX_SIGNATURE	512
#define MAX_EXTENSIONS	16
#define MAX_MESSAGE		16384

/* A binding in parts, so that each can be spoilt. */
typedef struct Made
{
	uint8		type;
	uint8		key_parameters;
	uint8		key[MAX_KEY];	/* all behind key_length */
	size_t		key_len;
	uint8		signature[MAX_SIGNATURE];
	size_t		signature_len;
	uint8		extensions[MAX_EXTENSIONS];
	size_t		extensions_len;
} Made;

/* How a signature is made */
typedef struct Signing
{
	uint8		type;
	uint8		key_parameters;
	const uint8 *ekm;
	const char *hash;
	int			salt_len;		/* of PSS */
} Signing;

static const uint8 ekm[SCT_TB_EKM_LEN + 1] = "the connection that it came over";
static const uint8 other_ekm[SCT_TB_EKM_LEN + 1] = "another connection of the client";

static EVP_PKEY *ec;
static EVP_PKEY *ec2;			/* of the same client at another server */
static EVP_PKEY *rsa;

static SctTokenBindings result;

/* In a buffer of exactly that size, so that a sanitizer sees each byte too many. */
static SctReason
verify(const uint8 *message, size_t len, const uint8 *key_material,
	   int key_parameters)
{
	uint8	   *copy = malloc(len > 0 ? len : 1);
	uint8	   *copied_ekm = malloc(SCT_TB_EKM_LEN);
	SctReason	reason;

	if (len > 0)
		memcpy(copy, message, len);
	memcpy(copied_ekm, key_material, SCT_TB_EKM_LEN);
	memset(&result, 0, sizeof(result));
	reason = sct_token_binding_verify(copy, len, copied_ekm, key_parameters,
									  &result);
	free(copied_ekm);
	free(copy);
	return reason;
}

static SctReason
id_hash(const uint8 *id, size_t len, char *tbh)
{
	uint8	   *copy = malloc(len > 0 ? len : 1);
	SctReason	reason;

	if (len > 0)
		memcpy(copy, id, len);
	reason = sct_token_binding_hash(copy, len, tbh);
	free(copy);
	return reason;
}

static bool
same_tbh(const char *a, const char *b)
{
	return memcmp(a, b, SCT_THUMBPRINT_LEN) == 0;
}

/* base64url of a SHA-256 */
static void
tbh_of(const uint8 *id, size_t len, char *tbh)
{
	uint8		digest[SCT_SHA256_LEN];

	EVP_Digest(id, len, digest, NULL, EVP_sha256(), NULL);
	sct_base64url_encode(digest, sizeof(digest), tbh);
}

static size_t
put_u16(uint8 *dst, size_t value)
{
	dst[0] = (uint8) (value >> 8);
	dst[1] = (uint8) value;
	return 2;
}

static size_t
get_u16(const uint8 *src)
{
	return (size_t) src[0] << 8 | src[1];
}

/* A BIGNUM of a key, in the fewest bytes */
static size_t
put_number(uint8 *dst, EVP_PKEY *pkey, const char *name)
{
	BIGNUM	   *number = NULL;
	size_t		len = 0;

	if (EVP_PKEY_get_bn_param(pkey, name, &number) == 1)
		len = (size_t) BN_bn2bin(number, dst);
	BN_free(number);
	return len;
}

/* The public key behind key_length */
static void
set_key(Made *made, EVP_PKEY *pkey)
{
	uint8	   *at = made->key;

	if (EVP_PKEY_get_base_id(pkey) == EVP_PKEY_EC)
	{
		uint8		point[65];
		size_t		len = 0;

		EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY, point,
										sizeof(point), &len);
		*at++ = 64;
		memcpy(at, point + 1, 64);
		at += 64;
	}
	else
	{
		size_t		len = put_number(at + 2, pkey, OSSL_PKEY_PARAM_RSA_N);

		at += put_u16(at, len) + len;
		len = put_number(at + 1, pkey, OSSL_PKEY_PARAM_RSA_E);
		*at = (uint8) len;
		at += 1 + len;
	}
	made->key_len = at - made->key;
}

/* Signs; for EC the DER becomes R || S, unless it is to stay. */
static void
sign(Made *made, EVP_PKEY *pkey, const Signing *how, bool der)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx;
	uint8		data[2 + SCT_TB_EKM_LEN] = {how->type, how->key_parameters};
	bool		done;

	memcpy(data + 2, how->ekm, SCT_TB_EKM_LEN);
	made->signature_len = sizeof(made->signature);
	done = EVP_DigestSignInit_ex(ctx, &pctx, how->hash, NULL, NULL, pkey,
								 NULL) == 1;
	if (done && made->key_parameters == SCT_TB_RSA2048_PSS && how->salt_len >= 0)
		done = EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1 &&
			EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, how->salt_len) == 1;
	done = done && EVP_DigestSign(ctx, made->signature, &made->signature_len,
								  data, sizeof(data)) == 1;
	if (done && EVP_PKEY_get_base_id(pkey) == EVP_PKEY_EC && !der)
	{
		const unsigned char *at = made->signature;
		ECDSA_SIG  *sig = d2i_ECDSA_SIG(NULL, &at, (long) made->signature_len);

		BN_bn2binpad(ECDSA_SIG_get0_r(sig), made->signature, 32);
		BN_bn2binpad(ECDSA_SIG_get0_s(sig), made->signature + 32, 32);
		made->signature_len = 64;
		ECDSA_SIG_free(sig);
	}
	EVP_MD_CTX_free(ctx);
	if (!done)
	{
		printf("Bail out! could not sign\n");
		exit(1);
	}
}

/* A binding as a client makes it */
static Made
make_for(EVP_PKEY *pkey, uint8 type, uint8 key_parameters,
		 const uint8 *key_material)
{
	Made		made = {.type = type, .key_parameters = key_parameters};
	Signing		how = {type, key_parameters, key_material, "SHA256", 32};

	set_key(&made, pkey);
	sign(&made, pkey, &how, false);
	return made;
}

static Made
make(EVP_PKEY *pkey, uint8 type, uint8 key_parameters)
{
	return make_for(pkey, type, key_parameters, ekm);
}

/* TokenBindingID */
static size_t
put_id(uint8 *dst, const Made *made)
{
	uint8	   *at = dst;

	*at++ = made->key_parameters;
	at += put_u16(at, made->key_len);
	memcpy(at, made->key, made->key_len);
	return at + made->key_len - dst;
}

static size_t
put_message(uint8 *dst, const Made *list, int count)
{
	uint8	   *at = dst + 2;

	for (int i = 0; i < count; i++)
	{
		*at++ = list[i].type;
		at += put_id(at, &list[i]);
		at += put_u16(at, list[i].signature_len);
		memcpy(at, list[i].signature, list[i].signature_len);
		at += list[i].signature_len;
		at += put_u16(at, list[i].extensions_len);
		memcpy(at, list[i].extensions, list[i].extensions_len);
		at += list[i].extensions_len;
	}
	put_u16(dst, at - dst - 2);
	return at - dst;
}

static SctReason
verdict_on(const Made *list, int count, int key_parameters)
{
	uint8		message[MAX_MESSAGE];

	return verify(message, put_message(message, list, count), ekm, key_parameters);
}

static void
judged(const Made *list, int count, int key_parameters, SctReason expected,
	   const char *claim)
{
	SctReason	reason = verdict_on(list, count, key_parameters);

	ok(reason == expected, "%s", claim);
	if (reason != expected)
		note("got %d, expected %d", reason, expected);
}

/* The same of one binding, provided with P-256 */
static void
provided(const Made *made, SctReason expected, const char *claim)
{
	judged(made, 1, SCT_TB_ECDSAP256, expected, claim);
}

static bool
is_tbh_of(const char *tbh, const Made *made)
{
	uint8		id[3 + MAX_KEY];
	size_t		len = put_id(id, made);
	char		expected[SCT_THUMBPRINT_LEN];
	char		hashed[SCT_THUMBPRINT_LEN];

	tbh_of(id, len, expected);
	return same_tbh(tbh, expected) &&
		id_hash(id, len, hashed) == SCT_OK && same_tbh(hashed, expected);
}

/* Every kind of key, and what goes with a provided binding */
static void
accepted(void)
{
	Made		list[SCT_TB_MAX_BINDINGS + 1];

	list[0] = make(ec, PROVIDED, SCT_TB_ECDSAP256);
	judged(list, 1, SCT_TB_ECDSAP256, SCT_OK, "a P-256 key is proved");
	ok(is_tbh_of(result.provided_tbh, &list[0]) && !result.has_referred,
	   "its tbh is the SHA-256 of the Token Binding ID, and nothing is referred");
	list[0] = make(rsa, PROVIDED, SCT_TB_RSA2048_PKCS1_5);
	judged(list, 1, SCT_TB_RSA2048_PKCS1_5, SCT_OK,
		   "an RSA key is proved by PKCS #1 v1.5");
	ok(is_tbh_of(result.provided_tbh, &list[0]), "and has its tbh");
	list[0] = make(rsa, PROVIDED, SCT_TB_RSA2048_PSS);
	judged(list, 1, SCT_TB_RSA2048_PSS, SCT_OK, "an RSA key is proved by PSS");
	ok(is_tbh_of(result.provided_tbh, &list[0]),
	   "and has another tbh, as its ID has other key parameters");

	list[0] = make(ec, PROVIDED, SCT_TB_ECDSAP256);
	list[1] = make(rsa, REFERRED, SCT_TB_RSA2048_PSS);
	judged(list, 2, SCT_TB_ECDSAP256, SCT_OK,
		   "a referred binding may have other key parameters");
	ok(is_tbh_of(result.provided_tbh, &list[0]) && result.has_referred &&
	   is_tbh_of(result.referred_tbh, &list[1]), "and each has its tbh");
	list[2] = list[0];
	judged(list + 1, 2, SCT_TB_ECDSAP256, SCT_OK, "the order does not matter");
	ok(is_tbh_of(result.provided_tbh, &list[0]) &&
	   is_tbh_of(result.referred_tbh, &list[1]), "nor change whose is whose");
	list[1] = make(ec, REFERRED, SCT_TB_ECDSAP256);
	judged(list, 2, SCT_TB_ECDSAP256, SCT_OK, "the same key may be referred too");
	list[1].key_parameters = UNKNOWN;
	judged(list, 2, SCT_TB_ECDSAP256, SCT_OK,
		   "a referred binding with unknown key parameters is no refusal");
	ok(!result.has_referred, "but nothing may be bound to it");

	list[1] = make(ec2, OTHER, SCT_TB_ECDSAP256);
	judged(list, 2, SCT_TB_ECDSAP256, SCT_OK,
		   "a binding of an unknown type is verified and ignored");
	ok(!result.has_referred && is_tbh_of(result.provided_tbh, &list[0]),
	   "and gives no tbh");
	list[1].key_parameters = UNKNOWN;
	list[1].key_len = 0;
	list[1].signature_len = 0;
	judged(list, 2, SCT_TB_ECDSAP256, SCT_OK,
		   "one whose key parameters are unknown too is only skipped");
	for (int i = 1; i < SCT_TB_MAX_BINDINGS; i++)
		list[i] = make(ec2, OTHER, SCT_TB_ECDSAP256);
	judged(list, SCT_TB_MAX_BINDINGS, SCT_TB_ECDSAP256, SCT_OK,
		   "eight bindings are verified");
	list[SCT_TB_MAX_BINDINGS] = list[1];
	judged(list, SCT_TB_MAX_BINDINGS + 1, SCT_TB_ECDSAP256, SCT_MALFORMED,
		   "nine are refused");
}

/* High S is as good as low: nothing is known by the signature's bytes. */
static void
high_s(void)
{
	Made		made = make(ec, PROVIDED, SCT_TB_ECDSAP256);
	EC_GROUP   *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
	BIGNUM	   *s = BN_bin2bn(made.signature + 32, 32, NULL);

	BN_sub(s, EC_GROUP_get0_order(group), s);
	BN_bn2binpad(s, made.signature + 32, 32);
	provided(&made, SCT_OK, "n - S is taken for S");
	BN_free(s);
	EC_GROUP_free(group);
}

static void
signatures(void)
{
	Made		made;
	Signing		how = {PROVIDED, SCT_TB_ECDSAP256, ekm, "SHA256", 32};

	made = make_for(ec, PROVIDED, SCT_TB_ECDSAP256, other_ekm);
	provided(&made, SCT_PROVIDED_SIGNATURE,
			 "a signature over another connection's keying material is refused");
	how.type = REFERRED;
	sign(&made, ec, &how, false);
	provided(&made, SCT_PROVIDED_SIGNATURE,
			 "one made for a referred binding does not serve as provided");
	how.type = PROVIDED;
	how.key_parameters = SCT_TB_RSA2048_PSS;
	sign(&made, ec, &how, false);
	provided(&made, SCT_PROVIDED_SIGNATURE,
			 "one over other key parameters is refused");
	how.key_parameters = SCT_TB_ECDSAP256;
	sign(&made, ec2, &how, false);
	provided(&made, SCT_PROVIDED_SIGNATURE, "one by another key is refused");
	sign(&made, ec, &how, true);
	provided(&made, SCT_PROVIDED_SIGNATURE, "one in DER is refused");
	how.hash = "SHA1";
	sign(&made, ec, &how, false);
	provided(&made, SCT_PROVIDED_SIGNATURE, "one with SHA-1 is refused");

	made = make(ec, PROVIDED, SCT_TB_ECDSAP256);
	made.signature_len = 63;
	provided(&made, SCT_PROVIDED_SIGNATURE, "a signature of 63 bytes is refused");
	made.signature_len = 65;
	provided(&made, SCT_PROVIDED_SIGNATURE, "one of 65 bytes is refused");
	made.signature_len = 0;
	provided(&made, SCT_PROVIDED_SIGNATURE, "an empty one is refused");
	made.signature_len = 64;
	memset(made.signature, 0, 64);
	provided(&made, SCT_PROVIDED_SIGNATURE, "R = S = 0 is refused");

	made = make(rsa, PROVIDED, SCT_TB_RSA2048_PSS);
	how = (Signing) {PROVIDED, SCT_TB_RSA2048_PSS, ekm, "SHA256", 20};
	sign(&made, rsa, &how, false);
	judged(&made, 1, SCT_TB_RSA2048_PSS, SCT_PROVIDED_SIGNATURE,
		   "PSS with a salt of 20 bytes is refused");
	how.salt_len = 0;
	sign(&made, rsa, &how, false);
	judged(&made, 1, SCT_TB_RSA2048_PSS, SCT_PROVIDED_SIGNATURE,
		   "PSS without salt is refused");
	how.salt_len = 20;
	how.hash = "SHA1";
	sign(&made, rsa, &how, false);
	judged(&made, 1, SCT_TB_RSA2048_PSS, SCT_PROVIDED_SIGNATURE,
		   "PSS with SHA-1 is refused");
	how.hash = "SHA256";
	how.salt_len = -1;
	sign(&made, rsa, &how, false);
	judged(&made, 1, SCT_TB_RSA2048_PSS, SCT_PROVIDED_SIGNATURE,
		   "PKCS #1 v1.5 does not serve as PSS");
	made = make(rsa, PROVIDED, SCT_TB_RSA2048_PSS);
	made.key_parameters = SCT_TB_RSA2048_PKCS1_5;
	judged(&made, 1, SCT_TB_RSA2048_PKCS1_5, SCT_PROVIDED_SIGNATURE,
		   "nor the reverse");
}

/* A P-256 point that is not one, or not in its one form */
static void
ec_keys(void)
{
	const Made	good = make(ec, PROVIDED, SCT_TB_ECDSAP256);
	Made		made = good;

	made.key[64] ^= 1;
	provided(&made, SCT_PROVIDED_SIGNATURE, "a point off the curve is refused");
	made = good;
	memset(made.key + 1, 0, 64);
	provided(&made, SCT_PROVIDED_SIGNATURE, "so is (0, 0)");
	memset(made.key + 1, 0xff, 64);
	provided(&made, SCT_PROVIDED_SIGNATURE, "and coordinates beyond the field");

	made = good;
	made.key[0] = 65;
	made.key[1] = 0x04;
	memcpy(made.key + 2, good.key + 1, 64);
	made.key_len = 66;
	provided(&made, SCT_PROVIDED_SIGNATURE,
			 "a point with the prefix 04 is refused");
	made.key[0] = 33;
	made.key[1] = 0x02 | (good.key[64] & 1);
	made.key_len = 34;
	provided(&made, SCT_PROVIDED_SIGNATURE, "a compressed one is refused");
	made = good;
	made.key[0] = 65;
	made.key_len = 66;
	provided(&made, SCT_PROVIDED_SIGNATURE, "a byte behind Y is refused");
	made = good;
	made.key[0] = 63;
	made.key_len = 64;
	provided(&made, SCT_PROVIDED_SIGNATURE, "a point of 63 bytes is refused");
	made = good;
	made.key_len = 66;
	provided(&made, SCT_PROVIDED_SIGNATURE,
			 "a key_length with room for a byte more is refused");
	made = good;
	made.key[0] = 65;
	provided(&made, SCT_PROVIDED_SIGNATURE,
			 "a point that is longer than its key_length is refused");
	made.key_len = 0;
	provided(&made, SCT_PROVIDED_SIGNATURE, "an empty key is refused");
	set_key(&made, rsa);
	provided(&made, SCT_PROVIDED_SIGNATURE, "an RSA key does not serve as P-256");
}

/* The RSA key of made with another modulus and exponent */
static void
set_rsa_key(Made *made, const uint8 *n, size_t n_len,
			const uint8 *e, size_t e_len)
{
	uint8	   *at = made->key;

	at += put_u16(at, n_len);
	memcpy(at, n, n_len);
	at += n_len;
	*at++ = (uint8) e_len;
	memcpy(at, e, e_len);
	made->key_len = at + e_len - made->key;
}

static void
refused_rsa(const uint8 *n, size_t n_len, const uint8 *e, size_t e_len,
			const char *claim)
{
	Made		made = make(rsa, PROVIDED, SCT_TB_RSA2048_PKCS1_5);

	set_rsa_key(&made, n, n_len, e, e_len);
	judged(&made, 1, SCT_TB_RSA2048_PKCS1_5, SCT_PROVIDED_SIGNATURE, claim);
}

/* A good signature by an RSA key of a size or exponent that is not taken */
static void
refused_rsa_key(EVP_PKEY *pkey, const char *claim)
{
	Made		made = make(pkey, PROVIDED, SCT_TB_RSA2048_PKCS1_5);

	judged(&made, 1, SCT_TB_RSA2048_PKCS1_5, SCT_PROVIDED_SIGNATURE, claim);
	EVP_PKEY_free(pkey);
}

static EVP_PKEY *
rsa_with_exponent(BN_ULONG exponent)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	EVP_PKEY   *pkey = NULL;
	BIGNUM	   *e = BN_new();

	BN_set_word(e, exponent);
	EVP_PKEY_keygen_init(ctx);
	EVP_PKEY_CTX_set_rsa_keygen_bits(ctx, 2048);
	EVP_PKEY_CTX_set1_rsa_keygen_pubexp(ctx, e);
	EVP_PKEY_keygen(ctx, &pkey);
	BN_free(e);
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

static void
rsa_keys(void)
{
	static const uint8 e[] = {1, 0, 1};
	uint8		n[257] = {0};
	uint8		big[255];
	Made		made = make(rsa, PROVIDED, SCT_TB_RSA2048_PKCS1_5);

	put_number(n + 1, rsa, OSSL_PKEY_PARAM_RSA_N);
	set_rsa_key(&made, n + 1, 256, e, sizeof(e));
	judged(&made, 1, SCT_TB_RSA2048_PKCS1_5, SCT_OK,
		   "an RSA key is its modulus and its exponent");
	refused_rsa(n, 257, e, 3, "a modulus with a leading zero is refused");
	refused_rsa(n, 256, e, 3, "so is one that has 256 bytes with it");
	refused_rsa(n + 1, 255, e, 3, "a modulus of 255 bytes is refused");
	refused_rsa(n + 1, 256, (const uint8 *) "\0\1\0\1", 4,
				"an exponent with a leading zero is refused");
	refused_rsa(n + 1, 256, e, 0, "an empty exponent is refused");
	memset(big, 0xff, sizeof(big));
	refused_rsa(n + 1, 256, big, sizeof(big),
				"an exponent of 255 bytes, dear to verify with, is refused");
	made.key_len++;
	judged(&made, 1, SCT_TB_RSA2048_PKCS1_5, SCT_PROVIDED_SIGNATURE,
		   "a byte behind the exponent is refused");
	refused_rsa_key(EVP_RSA_gen(1024), "a key of 1024 bits is refused");
	refused_rsa_key(EVP_RSA_gen(3072), "a key of 3072 bits is refused");
	refused_rsa_key(rsa_with_exponent(3), "the exponent 3 is refused");
	set_key(&made, ec);
	judged(&made, 1, SCT_TB_RSA2048_PKCS1_5, SCT_PROVIDED_SIGNATURE,
		   "a P-256 key does not serve as RSA");
}

/* What must be there, and which refusal comes first */
static void
policy(void)
{
	const Made	good = make(ec, PROVIDED, SCT_TB_ECDSAP256);
	const Made	refers = make(ec2, REFERRED, SCT_TB_ECDSAP256);
	const Made	other = make(ec2, OTHER, SCT_TB_ECDSAP256);
	Made		list[4] = {good, refers, refers, good};

	judged(list, 1, -1, SCT_NOT_NEGOTIATED,
		   "a message on a connection that negotiated nothing is refused");
	judged(list, 1, SCT_TB_KEY_PARAMETERS, SCT_NOT_NEGOTIATED,
		   "as where unknown key parameters were negotiated");
	judged(list, 1, 258, SCT_NOT_NEGOTIATED, "or a number that no byte holds");
	ok(verify((const uint8 *) "", 0, ekm, -1) == SCT_NOT_NEGOTIATED,
	   "nothing is read then, not even an empty message");
	judged(list, 1, SCT_TB_RSA2048_PSS, SCT_KEY_PARAMETERS,
		   "a provided binding must have the negotiated key parameters");
	list[0].key_parameters = UNKNOWN;
	judged(list, 1, SCT_TB_ECDSAP256, SCT_KEY_PARAMETERS,
		   "a provided binding with unknown key parameters is refused");
	judged(list + 1, 1, SCT_TB_ECDSAP256, SCT_PROVIDED_COUNT,
		   "a referred binding alone is refused");
	judged(&other, 1, SCT_TB_ECDSAP256, SCT_PROVIDED_COUNT,
		   "so is one of an unknown type alone");
	judged(list + 1, 3, SCT_TB_ECDSAP256, SCT_REFERRED_COUNT,
		   "two referred bindings are refused");

	list[0] = list[1] = good;
	judged(list, 2, SCT_TB_ECDSAP256, SCT_PROVIDED_COUNT,
		   "two provided bindings are refused, even of one key");
	judged(list, 4, SCT_TB_RSA2048_PSS, SCT_PROVIDED_COUNT,
		   "two of them come before other key parameters");
	list[0] = list[1] = list[2] = refers;
	judged(list, 3, SCT_TB_ECDSAP256, SCT_PROVIDED_COUNT,
		   "none of them comes before too many referred ones");
	judged(list + 1, 3, SCT_TB_RSA2048_PSS, SCT_REFERRED_COUNT,
		   "too many referred ones come before other key parameters");

	list[0] = refers;
	list[0].signature[0] ^= 1;
	list[1] = good;
	judged(list, 2, SCT_TB_ECDSAP256, SCT_OTHER_SIGNATURE,
		   "a referred binding with a wrong signature is refused");
	list[1].signature[0] ^= 1;
	judged(list, 2, SCT_TB_ECDSAP256, SCT_PROVIDED_SIGNATURE,
		   "a wrong signature of the provided one comes first");
	judged(list, 2, SCT_TB_RSA2048_PSS, SCT_KEY_PARAMETERS,
		   "and other key parameters before it");
	list[0] = other;
	list[0].signature[0] ^= 1;
	list[1] = good;
	judged(list, 2, SCT_TB_ECDSAP256, SCT_OTHER_SIGNATURE,
		   "a wrong signature counts whatever the type of its binding");
	list[0] = refers;
	list[0].key[1] ^= 1;
	judged(list, 2, SCT_TB_ECDSAP256, SCT_OTHER_SIGNATURE,
		   "and so does a key that is none");
}

/* A verdict belongs to one connection. */
static void
connections(void)
{
	const Made	here = make(ec, PROVIDED, SCT_TB_ECDSAP256);
	const Made	there = make_for(ec, PROVIDED, SCT_TB_ECDSAP256, other_ekm);
	Made		list[2];
	uint8		message[MAX_MESSAGE];
	size_t		len = put_message(message, &here, 1);
	char		tbh[SCT_THUMBPRINT_LEN];

	ok(verify(message, len, ekm, SCT_TB_ECDSAP256) == SCT_OK &&
	   verify(message, len, other_ekm,
			  SCT_TB_ECDSAP256) == SCT_PROVIDED_SIGNATURE &&
	   verify(message, len, ekm, SCT_TB_ECDSAP256) == SCT_OK,
	   "a message is refused on another connection right after it was accepted");
	memcpy(tbh, result.provided_tbh, SCT_THUMBPRINT_LEN);
	len = put_message(message, &there, 1);
	ok(verify(message, len, other_ekm, SCT_TB_ECDSAP256) == SCT_OK &&
	   same_tbh(result.provided_tbh, tbh),
	   "one key has one tbh on all connections");
	list[0] = make(ec2, PROVIDED, SCT_TB_ECDSAP256);
	list[1] = make(ec, REFERRED, SCT_TB_ECDSAP256);
	judged(list, 2, SCT_TB_ECDSAP256, SCT_OK, "a key is referred to one server");
	ok(same_tbh(result.referred_tbh, tbh),
	   "with the tbh that it has where it is provided");
}

static void
extensions(void)
{
	Made		made = make(ec, PROVIDED, SCT_TB_ECDSAP256);
	bool		right = true;

	memcpy(made.extensions, "\x07\x00\x02\xaa\xbb\xff\x00\x00", 8);
	for (made.extensions_len = 0; made.extensions_len <= 8; made.extensions_len++)
	{
		bool		whole = made.extensions_len == 0 ||
			made.extensions_len == 5 || made.extensions_len == 8;

		right = right && verdict_on(&made, 1, SCT_TB_ECDSAP256) ==
			(whole ? SCT_OK : SCT_MALFORMED);
	}
	ok(right, "unknown extensions are ignored, one that is cut short is refused");
}

static void
framing(void)
{
	const Made	good = make(ec, PROVIDED, SCT_TB_ECDSAP256);
	uint8		message[MAX_MESSAGE];
	size_t		len = put_message(message, &good, 1);
	uint8		id[3 + MAX_KEY];
	size_t		id_len = put_id(id, &good);
	char		tbh[SCT_THUMBPRINT_LEN];
	bool		refused = true;

	ok(len == 139, "a message with one P-256 key has 139 bytes");
	ok(verify(message, 0, ekm, SCT_TB_ECDSAP256) == SCT_MALFORMED,
	   "an empty message is refused");
	ok(verify((const uint8 *) "\0\0", 2, ekm, SCT_TB_ECDSAP256) == SCT_MALFORMED,
	   "an empty list is refused");
	message[len] = 0;
	ok(verify(message, len + 1, ekm, SCT_TB_ECDSAP256) == SCT_MALFORMED,
	   "a byte behind the list is refused");
	put_u16(message, len - 1);
	ok(verify(message, len, ekm, SCT_TB_ECDSAP256) == SCT_MALFORMED,
	   "a list that is shorter than it says is refused");
	ok(verify(message, len + 1, ekm, SCT_TB_ECDSAP256) == SCT_MALFORMED,
	   "a byte behind its bindings is refused");
	for (size_t cut = 2; cut < len; cut++)
	{
		put_u16(message, cut - 2);
		refused = refused &&
			verify(message, cut, ekm, SCT_TB_ECDSAP256) == SCT_MALFORMED;
	}
	ok(refused, "a list cut short at any byte is refused, its length being right");

	refused = true;
	for (size_t cut = 0; cut < id_len; cut++)
		refused = refused && id_hash(id, cut, tbh) == SCT_MALFORMED;
	ok(refused, "a Token Binding ID cut short at any byte has no tbh");
	id[id_len] = 0;
	ok(id_hash(id, id_len + 1, tbh) == SCT_MALFORMED,
	   "nor has one with a byte behind it");
}

/*
 * Marks the bytes that no signature of a message covers: a binding with unknown
 * key parameters, the key parameters of one that is not provided, which may become
 * unknown ones, and the extensions.
 */
static void
mark_free(const uint8 *message, size_t len, bool *is_free)
{
	size_t		at = 2;

	memset(is_free, false, len * sizeof(bool));
	while (at < len)
	{
		size_t		signature = at + 4 + get_u16(message + at + 2);
		size_t		ext = signature + 2 + get_u16(message + signature);
		size_t		end = ext + 2 + get_u16(message + ext);
		bool		unknown = message[at + 1] >= SCT_TB_KEY_PARAMETERS;

		for (size_t i = at; i < end; i++)
			is_free[i] = unknown || i >= ext + 2 ||
				(i == at + 1 && message[at] != PROVIDED);
		at = end;
	}
}

/* What a message that is accepted allows to be changed in it: next to nothing. */
static bool
changes_are_refused(const char *name, uint8 *message, size_t len,
					const uint8 *key_material, int key_parameters)
{
	bool	   *is_free = malloc(len * sizeof(bool));
	SctTokenBindings original;
	int			free_bits = 0;
	int			accepted_bits = 0;
	int			wrong = 0;

	if (verify(message, len, key_material, key_parameters) != SCT_OK)
		wrong++;
	original = result;
	for (size_t cut = 0; cut < len; cut++)
	{
		if (verify(message, cut, key_material, key_parameters) != SCT_MALFORMED)
			wrong++;
	}
	mark_free(message, len, is_free);
	for (size_t bit = 0; bit < 8 * len; bit++)
	{
		SctReason	reason;

		message[bit / 8] ^= 1 << bit % 8;
		reason = verify(message, len, key_material, key_parameters);
		message[bit / 8] ^= 1 << bit % 8;
		if (is_free[bit / 8])
			free_bits++;
		if (reason != SCT_OK)
			continue;
		accepted_bits++;
		if (!is_free[bit / 8] ||
			!same_tbh(result.provided_tbh, original.provided_tbh) ||
			(result.has_referred &&
			 !(original.has_referred &&
			   same_tbh(result.referred_tbh, original.referred_tbh))))
		{
			wrong++;
			note("%s: bit %zu may change", name, bit);
		}
	}
	free(is_free);
	if (free_bits > 0)
		note("%s: %d of the %d bits that nothing covers may change", name,
			 accepted_bits, free_bits);
	return wrong == 0;
}

static void
changed(const Made *list, int count, int key_parameters, const char *claim)
{
	uint8		message[MAX_MESSAGE];
	size_t		len = put_message(message, list, count);

	ok(changes_are_refused("made here", message, len, ekm, key_parameters),
	   "%s", claim);
}

static void
changes(void)
{
	Made		list[3];

	list[0] = make(ec, PROVIDED, SCT_TB_ECDSAP256);
	list[1] = make(rsa, REFERRED, SCT_TB_RSA2048_PSS);
	list[2] = make(ec2, OTHER, SCT_TB_ECDSAP256);
	changed(list, 1, SCT_TB_ECDSAP256,
			"no byte may be missing from a message, and no bit changed");
	changed(list, 2, SCT_TB_ECDSAP256,
			"nor with a referred one, unless nothing may be bound to that then");
	list[1].key_parameters = UNKNOWN;
	memcpy(list[0].extensions, "\x07\x00\x02\xaa\xbb", 5);
	list[0].extensions_len = 5;
	changed(list, 3, SCT_TB_ECDSAP256,
			"what no signature covers may change, and proves nothing else");
}

/* The words of the vectors */
static const char *
vector_word(SctReason reason)
{
	switch (reason)
	{
		case SCT_OK:
			return "ok";
		case SCT_MALFORMED:
			return "malformed";
		case SCT_PROVIDED_COUNT:
			return "provided_count";
		case SCT_REFERRED_COUNT:
			return "referred_count";
		case SCT_KEY_PARAMETERS:
			return "keyparams_mismatch";
		case SCT_PROVIDED_SIGNATURE:
			return "provided_sig";
		case SCT_OTHER_SIGNATURE:
			return "other_sig";
		default:
			return "none";
	}
}

enum
{
	F_ROW, F_FILE, F_NAME, F_MESSAGE, F_EKM, F_KEY_PARAMETERS, F_VERDICT,
	F_PROVIDED, F_REFERRED, F_COUNT
};

static bool
is_expected_tbh(const char *tbh, bool present, const char *expected)
{
	return absent(expected) ? !present : present && same_tbh(tbh, expected);
}

/* One verdict of others, and what follows from it; false when ours differs. */
static bool
row_agrees(char **field)
{
	size_t		len = unhex(field[F_MESSAGE]);
	uint8	   *message = (uint8 *) field[F_MESSAGE];
	uint8	   *key_material = (uint8 *) field[F_EKM];
	int			key_parameters = atoi(field[F_KEY_PARAMETERS]);
	SctReason	reason;
	bool		agrees;

	unhex(field[F_EKM]);
	reason = verify(message, len, key_material, key_parameters);
	agrees = strcmp(vector_word(reason), field[F_VERDICT]) == 0 &&
		verify(message, len, key_material, -1) == SCT_NOT_NEGOTIATED;
	if (reason != SCT_OK)
		return agrees;

	/* accepted; refused on another connection; accepted again */
	key_material[0] ^= 1;
	agrees = agrees && verify(message, len, key_material,
							  key_parameters) == SCT_PROVIDED_SIGNATURE;
	key_material[0] ^= 1;
	agrees = agrees && verify(message, len, key_material,
							  key_parameters) == SCT_OK &&
		is_expected_tbh(result.provided_tbh, true, field[F_PROVIDED]) &&
		is_expected_tbh(result.referred_tbh, result.has_referred,
						field[F_REFERRED]);

	/* all.tsv says what the other two files say */
	return agrees && (strcmp(field[F_FILE], "all.tsv") == 0 ||
					  changes_are_refused(field[F_NAME], message, len, key_material,
										  key_parameters));
}

static void
vectors(void)
{
	static const char *const files[] = {
		"published.json", "generated.json", "all.tsv"
	};
	FILE	   *file = lines_open("token_binding.txt");
	char	   *field[MAX_FIELDS];
	int			count;
	int			rows[lengthof(files)] = {0};
	int			right[lengthof(files)] = {0};
	int			ids = 0;
	int			right_ids = 0;

	if (file == NULL)
	{
		skip("the verdicts of others are ours", "no vectors");
		return;
	}
	while ((count = lines_next(file, field)) > 0)
	{
		if (strcmp(field[0], "id") == 0 && count == 3)
		{
			char		tbh[SCT_THUMBPRINT_LEN];
			size_t		len = unhex(field[1]);

			ids++;
			if (id_hash((uint8 *) field[1], len, tbh) == SCT_OK &&
				strlen(field[2]) == SCT_THUMBPRINT_LEN && same_tbh(tbh, field[2]))
				right_ids++;
			continue;
		}
		for (size_t i = 0; i < lengthof(files) && count == F_COUNT; i++)
		{
			if (strcmp(field[F_FILE], files[i]) != 0)
				continue;
			rows[i]++;
			if (row_agrees(field))
				right[i]++;
			else
				note("%s, %s, key parameters %s: expected %s", files[i],
					 field[F_NAME], field[F_KEY_PARAMETERS], field[F_VERDICT]);
		}
	}
	fclose(file);
	for (size_t i = 0; i < lengthof(files); i++)
		ok(rows[i] > 0 && right[i] == rows[i],
		   "%s: %d verdicts, with the keys that they name; where accepted, changes "
		   "and other connections are refused", files[i], rows[i]);
	ok(ids > 0 && right_ids == ids, "%d Token Binding IDs have their tbh", ids);
}

int
main(void)
{
	ec = EVP_EC_gen("P-256");
	ec2 = EVP_EC_gen("P-256");
	rsa = EVP_RSA_gen(2048);
	ERR_clear_error();
	ERR_raise_data(ERR_LIB_USER, 1, "a failure of somebody else");

	accepted();
	high_s();
	signatures();
	ec_keys();
	rsa_keys();
	policy();
	connections();
	extensions();
	framing();
	changes();
	vectors();
	ok(ERR_GET_LIB(ERR_get_error()) == ERR_LIB_USER && ERR_get_error() == 0,
	   "OpenSSL's queue of errors is left as it was");
	EVP_PKEY_free(ec);
	EVP_PKEY_free(ec2);
	EVP_PKEY_free(rsa);
	return done();
}
