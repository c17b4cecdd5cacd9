/*
 * evp.c
 *		What OpenSSL alone takes for the work that sctoken gives it, and proofs to
 *		verify.
 *
 * usage:
 *		evp verify SECONDS		EVP_DigestVerify, ES256, the key already loaded
 *		evp import SECONDS		the same, the key loaded anew each time
 *		evp digest SECONDS PKI	SHA-256 of a certificate of that folder
 *		evp chain SECONDS PKI	X509_verify_cert, all certificates already read
 *		evp proofs COUNT IAT	COUNT proofs, each of a key of its own, one a line
 *
 * All but the last print microseconds of CPU a call.
 */
#define _GNU_SOURCE
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <time.h>

#include "../client/proof.h"

/* CPU that this process has used, which others on the machine do not lengthen */
static double
cpu_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/*
 * ES256
 */

static EVP_PKEY *
key_from_point(const unsigned char *point, size_t len)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
	EVP_PKEY   *key = NULL;
	OSSL_PARAM	params[3];
	char		group[] = "P-256";

	params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0);
	params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
												  (void *) point, len);
	params[2] = OSSL_PARAM_construct_end();
	if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
		EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		die("could not load a key");
	EVP_PKEY_CTX_free(ctx);
	return key;
}

static void
sign(EVP_PKEY *key, const void *data, size_t len, unsigned char *sig, size_t *sig_len)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();

	if (EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) != 1 ||
		EVP_DigestSign(ctx, sig, sig_len, data, len) != 1)
		die("could not sign");
	EVP_MD_CTX_free(ctx);
}

/* What a proof's signature covers is about this long. */
#define SIGNED_LEN	420

static void
bench_verify(double seconds, int import)
{
	EVP_PKEY   *pair = EVP_EC_gen("P-256");
	EVP_PKEY   *key;
	EVP_MD	   *md = EVP_MD_fetch(NULL, "SHA256", NULL);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char data[SIGNED_LEN];
	unsigned char sig[80];
	unsigned char point[65];
	size_t		sig_len = sizeof(sig);
	size_t		point_len;
	double		start;
	double		calls = 0;

	memset(data, 'x', sizeof(data));
	sign(pair, data, sizeof(data), sig, &sig_len);
	if (EVP_PKEY_get_octet_string_param(pair, OSSL_PKEY_PARAM_PUB_KEY, point,
										sizeof(point), &point_len) != 1)
		die("could not read a key");
	key = key_from_point(point, point_len);

	start = cpu_seconds();
	while (cpu_seconds() - start < seconds)
	{
		for (int i = 0; i < 50; i++)
		{
			if (import)
			{
				EVP_PKEY_free(key);
				key = key_from_point(point, point_len);
			}
			EVP_MD_CTX_reset(ctx);
			if (EVP_DigestVerifyInit(ctx, NULL, md, NULL, key) != 1 ||
				EVP_DigestVerify(ctx, sig, sig_len, data, sizeof(data)) != 1)
				die("could not verify");
		}
		calls += 50;
	}
	printf("%.3f\n", (cpu_seconds() - start) * 1e6 / calls);
}

/*
 * Certificates
 */

#define PKI_TIME	1780000000	/* when the test PKI is valid */

static X509 *
read_certificate(const char *folder, const char *name)
{
	char		path[1024];
	FILE	   *file;
	X509	   *x509;

	snprintf(path, sizeof(path), "%s/%s.pem", folder, name);
	file = fopen(path, "r");
	x509 = file == NULL ? NULL : PEM_read_X509(file, NULL, NULL, NULL);
	if (x509 == NULL)
		die("could not read a certificate");
	fclose(file);
	return x509;
}

static void
bench_digest(double seconds, const char *folder)
{
	X509	   *leaf = read_certificate(folder, "leaf");
	unsigned char *der = NULL;
	int			len = i2d_X509(leaf, &der);
	EVP_MD	   *md = EVP_MD_fetch(NULL, "SHA256", NULL);
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char digest[32];
	double		start = cpu_seconds();
	double		calls = 0;

	while (cpu_seconds() - start < seconds)
	{
		for (int i = 0; i < 1000; i++)
		{
			if (EVP_DigestInit_ex2(ctx, md, NULL) != 1 ||
				EVP_DigestUpdate(ctx, der, len) != 1 ||
				EVP_DigestFinal_ex(ctx, digest, NULL) != 1)
				die("could not digest");
		}
		calls += 1000;
	}
	printf("%.3f\n", (cpu_seconds() - start) * 1e6 / calls);
}

static void
bench_chain(double seconds, const char *folder)
{
	X509	   *leaf = read_certificate(folder, "leaf");
	X509_STORE *store = X509_STORE_new();
	STACK_OF(X509) *chain = sk_X509_new_null();
	double		start;
	double		calls = 0;

	X509_STORE_add_cert(store, read_certificate(folder, "root"));
	sk_X509_push(chain, read_certificate(folder, "inter"));
	start = cpu_seconds();
	while (cpu_seconds() - start < seconds)
	{
		for (int i = 0; i < 50; i++)
		{
			X509_STORE_CTX *ctx = X509_STORE_CTX_new();

			if (X509_STORE_CTX_init(ctx, store, leaf, chain) != 1 ||
				X509_STORE_CTX_set_default(ctx, "ssl_client") != 1)
				die("could not begin to verify");
			X509_STORE_CTX_set_time(ctx, 0, PKI_TIME);
			if (X509_verify_cert(ctx) != 1)
				die("could not verify a certificate");
			X509_STORE_CTX_free(ctx);
		}
		calls += 50;
	}
	printf("%.3f\n", (cpu_seconds() - start) * 1e6 / calls);
}

static void
print_proofs(int count, int iat)
{
	Claims		claims = {
		.htm = "POST",
		.htu = "https://server.example.com/token",
		.iat = iat
	};

	for (int i = 0; i < count; i++)
	{
		EVP_PKEY   *key = EVP_EC_gen("P-256");
		BIO		   *proof = proof_new(key, &claims);
		char	   *bytes;
		long		len = BIO_get_mem_data(proof, &bytes);

		printf("%.*s\n", (int) len, bytes);
		BIO_free(proof);
		EVP_PKEY_free(key);
	}
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	double		amount = argc > 2 ? atof(argv[2]) : 0;
	const char *folder = argc > 3 ? argv[3] : ".";	/* or IAT */

	if (amount <= 0)
		die("usage: evp verify|import SECONDS, evp digest|chain SECONDS PKI, or evp proofs COUNT IAT");
	if (strcmp(what, "verify") == 0)
		bench_verify(amount, 0);
	else if (strcmp(what, "import") == 0)
		bench_verify(amount, 1);
	else if (strcmp(what, "digest") == 0)
		bench_digest(amount, folder);
	else if (strcmp(what, "chain") == 0)
		bench_chain(amount, folder);
	else if (strcmp(what, "proofs") == 0)
		print_proofs((int) amount, atoi(folder));
	else
		die("unknown load");
	return 0;
}
