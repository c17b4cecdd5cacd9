/*
 * test_leaks.c
 *		Of what fails nothing is left: as many blocks of OpenSSL's are allocated
 *		after 2,000 refusals of each kind, 30,000 in all, as before them.
 */
#include "lines.h"

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "memory_context.h"
#include "signer.h"

#include "../../src/core/certificate_header.h"
#include "../../src/core/client_jwk.h"
#include "../../src/core/dpop_proof.h"
#include "../../src/core/nonce.h"
#include "../../src/core/token.h"
#include "../../src/core/token_binding.h"
#include "../../src/core/x509_info.h"
#include "../../src/core/x509_name.h"
#include "../../src/core/x509_store.h"

#define SECOND	INT64CONST(1000000)
#define NOW		INT64CONST(1700000000)
#define AT		INT64CONST(1780000000)	/* when the test PKI is valid */
#define HTU		"https://server.example.com/token"
#define CALLS	2000
#define WARM	64				/* calls until all that is kept is there */

/* Blocks that OpenSSL has allocated and not freed */
static int64 blocks = 0;

static void *
count_malloc(size_t size, const char *file pg_attribute_unused(),
			 int line pg_attribute_unused())
{
	void	   *block = malloc(size);

	blocks += block != NULL;
	return block;
}

static void *
count_realloc(void *block, size_t size, const char *file pg_attribute_unused(),
			  int line pg_attribute_unused())
{
	void	   *result = realloc(block, size);

	blocks += (block == NULL) - (size == 0);
	return result;
}

static void
count_free(void *block, const char *file pg_attribute_unused(),
		   int line pg_attribute_unused())
{
	blocks -= block != NULL;
	free(block);
}

/* A certificate or CRL of the test PKI */
typedef struct File
{
	uint8		der[2048];
	size_t		len;
} File;

static File root;
static File inter;
static File leaf;
static File fake;				/* signed by nobody */
static File expired;
static File crl;

static SctX509 *fake_x509;
static SctX509 *spoilt_x509;	/* leaf.pem with another signature */
static SctX509 *expired_x509;
static SctX509 *inter_x509;
static bool used;
static SctX509Store *store;

static bool
read_files(void)
{
	static const struct
	{
		const char *name;
		File	   *file;
	}			wanted[] = {
		{"root.pem", &root}, {"inter.pem", &inter}, {"leaf.pem", &leaf},
		{"fakeleaf.pem", &fake}, {"leaf_expired.pem", &expired},
		{"inter.crl", &crl}
	};
	FILE	   *lines = lines_open("certificates.txt");
	char	   *fields[MAX_FIELDS];

	if (lines == NULL)
		return false;
	while (lines_next(lines, fields) > 0)
	{
		for (size_t i = 0; i < lengthof(wanted); i++)
		{
			if (strcmp(fields[1], wanted[i].name) == 0)
			{
				wanted[i].file->len = unhex(fields[2]);
				memcpy(wanted[i].file->der, fields[2], wanted[i].file->len);
			}
		}
	}
	fclose(lines);
	return true;
}

static void
load_files(void)
{
	SctX509StoreOptions options = {SCT_CRL_IF_PRESENT, 4, false, false};

	leaf.der[leaf.len - 1] ^= 1;
	if (sct_x509_parse(leaf.der, leaf.len, &spoilt_x509) != SCT_OK)
		exit(1);
	leaf.der[leaf.len - 1] ^= 1;
	store = sct_x509_store_make(&options);
	if (sct_x509_store_add_ca(store, root.der, root.len) != SCT_OK ||
		sct_x509_parse(fake.der, fake.len, &fake_x509) != SCT_OK ||
		sct_x509_parse(expired.der, expired.len, &expired_x509) != SCT_OK ||
		sct_x509_parse(inter.der, inter.len, &inter_x509) != SCT_OK)
		exit(1);
}

static Signer signer;
static char header[2 * SIGNER_MAX_JWK];
static char proof[8192];
static size_t proof_len;

/* Checks what stands in proof. */
static SctReason
verify_proof(void)
{
	static SctDpopProof result;
	SctDpopRequest request = {
		.htm = "POST", .htm_len = 4, .htu = HTU, .htu_len = strlen(HTU),
		.algs = SCT_ALG_BIT(SCT_ALG_COUNT) - 1, .now = NOW * SECOND,
		.max_age = 60 * SECOND, .future_skew = 10 * SECOND
	};

	return sct_dpop_verify(proof, proof_len, &request, &result);
}

/* Signs a proof and spoils a byte of what was signed. */
static void
sign_proof(SctAlg alg, const char *jwk)
{
	char		claims[256];
	size_t		len;

	signer_make(&signer, alg);
	len = (size_t) sprintf(header, "{\"typ\":\"dpop+jwt\",\"alg\":\"%s\",\"jwk\":%s}",
						   sct_alg_name(alg), jwk != NULL ? jwk : signer.jwk);
	sprintf(claims, "{\"jti\":\"x\",\"htm\":\"POST\",\"htu\":\"%s\",\"iat\":%lld}", HTU,
			(long long) NOW);
	proof_len = signer_jws(&signer, header, len, claims, strlen(claims), proof);
	EVP_PKEY_free(signer.key);

	/* a character in the middle of the signature, for another one */
	proof[proof_len - 40] = proof[proof_len - 40] == 'A' ? 'B' : 'A';
}

static bool
signature_is_wrong(void)
{
	return verify_proof() == SCT_SIGNATURE;
}

static bool
key_is_none(void)
{
	return verify_proof() == SCT_KEY;
}

static bool
certificate_is_none(void)
{
	static uint32 which = 0;
	uint8		der[sizeof(leaf.der)];
	SctX509    *x509;
	SctReason	reason;

	/* each byte in turn, so that the parser gives up at each place */
	memcpy(der, leaf.der, leaf.len);
	der[++which % leaf.len] ^= 0x55;
	reason = sct_x509_parse(der, leaf.len, &x509);
	if (reason == SCT_OK)
	{
		SctX509Info info;

		if (sct_x509_info_make(x509, &info) == SCT_OK)
			sct_x509_info_free(&info);
		(void) sct_x509_name_match(x509, SCT_X509_SAN_DNS, "a.example", 9);
		(void) sct_x509_store_verify(store, x509, &inter_x509, 1, AT, &used);
		sct_x509_free(x509);
	}
	return reason == SCT_OK || reason == SCT_CERTIFICATE;
}

static bool
name_is_none(void)
{
	static const char *const names[] = {
		"CN=a+OU=#0500", "CN=a,nosuchtype=b", "CN=a,O=b\\zz", "CN=\xff", "CN=a,O=#0C0"
	};
	static uint32 which = 0;
	const char *name = names[++which % lengthof(names)];

	return sct_x509_name_check(SCT_X509_SUBJECT_DN, name, strlen(name)) == SCT_NAME_SYNTAX;
}

static bool
name_is_another(void)
{
	return sct_x509_name_match(fake_x509, SCT_X509_SUBJECT_DN, "CN=x", 4) == SCT_NAME &&
		sct_x509_name_match(fake_x509, SCT_X509_SAN_URI, "a:b", 3) == SCT_NAME;
}

static bool
chain_is_none(void)
{
	return sct_x509_store_verify(store, spoilt_x509, &inter_x509, 1, AT, &used) ==
		SCT_CHAIN_SIGNATURE &&
		sct_x509_store_verify(store, fake_x509, NULL, 0, AT, NULL) == SCT_ISSUER;
}

static bool
certificate_has_expired(void)
{
	return sct_x509_store_verify(store, expired_x509, &inter_x509, 1, AT, &used) == SCT_EXPIRED;
}

static bool
store_refuses(void)
{
	SctX509StoreOptions options = {SCT_CRL_CHAIN, 0, true, true};
	SctX509Store *made = sct_x509_store_make(&options);
	bool		refused =
		sct_x509_store_add_ca(made, leaf.der, leaf.len) == SCT_CERTIFICATE &&
		sct_x509_store_add_crl(made, crl.der, crl.len - 1) == SCT_CERTIFICATE &&
		!sct_x509_is_crl(leaf.der, leaf.len);

	sct_x509_store_free(made);
	return refused;
}

/* A client's key with the certificate of another one in x5c */
static bool
client_key_is_another(void)
{
	static char text[8192];
	static SctJson json;
	static char space[SCT_JSON_SPACE(sizeof(text))];
	static size_t len = 0;
	char		thumbprint[SCT_THUMBPRINT_LEN];

	if (len == 0)
	{
		char		x5c[4 * sizeof(leaf.der) / 3 + 4];

		EVP_EncodeBlock((unsigned char *) x5c, leaf.der, (int) leaf.len);
		signer_make(&signer, SCT_ALG_ES256);
		EVP_PKEY_free(signer.key);
		len = (size_t) sprintf(text, "%.*s,\"x5c\":[\"%s\"]}", (int) signer.jwk_len - 1,
							   signer.jwk, x5c);
	}
	return sct_json_parse(text, len, space, &json) == SCT_OK &&
		sct_client_jwk_read(&json, &json.nodes[0], false, thumbprint) == SCT_X5C_KEY;
}

static bool
header_is_none(void)
{
	uint8		der[64];
	SctCertificateHeader result;

	return sct_certificate_header_read(":MAMCAQE=:", 10, SCT_FORMAT_AUTO, der,
									   &result) == SCT_CERTIFICATE;
}

static bool
json_is_none(void)
{
	static const char *const texts[] = {"{\"a\":[1,\"x\",{\"b\":", "[\"abc\",", "{\"a\" 1}"};
	static uint32 which = 0;
	static SctJson json;
	const char *text = texts[++which % lengthof(texts)];
	char		space[SCT_JSON_SPACE(64)];

	return sct_json_parse(text, strlen(text), space, &json) == SCT_JSON;
}

static bool
macs_are_wrong(void)
{
	static const char token[] =
		"sct_AQegoaKjpKWmp6ipqqusra6vAAAAAAABAAECAwQFBgcICQoLD"
		"A0ODxAREhMUFRYXGBkaGxwdHh8-ZaoS6Q6b93r8ocY4Bn0s16pt03";
	static const uint8 key[SCT_SHA256_LEN] = {1};
	SctNonceScope scope = {"as", 2, NULL};
	SctNonceClock clock = {NOW, 60, 3};
	SctNonce	nonce = {SCT_NONCE_UNBOUND, 0, 0, {0}};

	return sct_token_verify(token, key) == SCT_TOKEN_MAC &&
		sct_nonce_verify(&nonce, key, &scope, &clock) == SCT_NONCE;
}

/* One provided binding with a key of P-256 and a signature of zeros */
static bool
binding_is_wrong(void)
{
	static uint8 message[2 + 1 + 1 + 2 + 65 + 2 + 64 + 2];
	static const uint8 ekm[SCT_TB_EKM_LEN] = {0};
	static bool made = false;
	SctTokenBindings result;

	if (!made)
	{
		uint8		point[65];
		size_t		len = 0;

		signer_make(&signer, SCT_ALG_ES256);
		EVP_PKEY_get_octet_string_param(signer.key, OSSL_PKEY_PARAM_PUB_KEY,
										point, sizeof(point), &len);
		EVP_PKEY_free(signer.key);
		message[1] = (uint8) (sizeof(message) - 2);
		message[3] = SCT_TB_ECDSAP256;
		message[5] = 65;
		message[6] = 64;
		memcpy(message + 7, point + 1, 64);
		message[72] = 64;
		made = true;
	}
	return sct_token_binding_verify(message, sizeof(message), ekm, SCT_TB_ECDSAP256,
									&result) == SCT_PROVIDED_SIGNATURE;
}

/* As many calls as were asked for leave nothing. */
static void
refuse(const char *what, bool (*call) (void))
{
	int			calls = CALLS / divisor();
	int			other = 0;
	int			errors = 0;
	int64		before;

	for (int i = 0; i < WARM; i++)
		other += !call();
	memory_context_reset();
	before = blocks;
	for (int i = 0; i < calls; i++)
	{
		other += !call();
		errors += ERR_peek_error() != 0;
		memory_context_reset();
	}
	ok(other == 0 && errors == 0 && blocks == before && blocks > 0,
	   "%s: %d refusals leave nothing of OpenSSL's", what, calls);
	if (other != 0 || errors != 0 || blocks != before)
		note("%d had another verdict, %d left errors, %lld blocks more",
			 other, errors, (long long) (blocks - before));
}

int
main(void)
{
	static const SctAlg algs[] = {
		SCT_ALG_ES256, SCT_ALG_PS256, SCT_ALG_ED25519
	};

	/* only possible as long as OpenSSL has allocated nothing */
	if (CRYPTO_set_mem_functions(count_malloc, count_realloc, count_free) != 1)
		return skip_all("OpenSSL's memory is not ours to count", "");
	if (!read_files())
		return skip_all("no test vectors: ", "certificates.txt");
	load_files();

	for (size_t i = 0; i < lengthof(algs); i++)
	{
		sign_proof(algs[i], NULL);
		refuse(sct_alg_name(algs[i]), signature_is_wrong);
	}

	/* x = y = 1 */
	sign_proof(SCT_ALG_ES256, "{\"kty\":\"EC\",\"crv\":\"P-256\","
			   "\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\","
			   "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAE\"}");
	refuse("a key off the curve", key_is_none);
	/* OpenSSL 3.5 keeps something once of an algorithm that it does not know. */
	for (size_t i = 0; i < leaf.len; i++)
		(void) certificate_is_none();
	refuse("a certificate with a byte changed", certificate_is_none);
	refuse("a name that is none", name_is_none);
	refuse("a name that a certificate does not bear", name_is_another);
	refuse("a certificate that no CA has signed", chain_is_none);
	refuse("an expired certificate", certificate_has_expired);
	refuse("a trusted CA or CRL that is none", store_refuses);
	refuse("a client's key that is not that of its certificate", client_key_is_another);
	refuse("a header without a certificate", header_is_none);
	refuse("JSON that ends too early", json_is_none);
	refuse("a token and a nonce that others made", macs_are_wrong);
	refuse("a Token Binding message with a wrong signature", binding_is_wrong);

	sct_x509_free(inter_x509);
	sct_x509_free(expired_x509);
	sct_x509_free(spoilt_x509);
	sct_x509_free(fake_x509);
	sct_x509_store_free(store);
	return done();
}
