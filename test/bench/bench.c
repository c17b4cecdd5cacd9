/*
 * bench.c
 *		The client side of test/bench/run.sh: loads that are timed, and the floors
 *		that they are compared with.
 *
 * usage:
 *		bench verify SECONDS		EVP_DigestVerify, ES256, the key already loaded
 *		bench import SECONDS		the same, the key loaded anew each time
 *		bench digest SECONDS PKI	SHA-256 of a certificate of that folder
 *		bench chain SECONDS PKI		X509_verify_cert, all certificates already read
 *		bench proofs COUNT IAT		COUNT proofs, each of a key of its own, one a line
 *		bench floor SECONDS CLIENTS	one prepared UPDATE by primary key
 *		bench rotate SECONDS CLIENTS	rotate(), each client on families of its own
 *
 * The first four print microseconds a call, digest and chain those of CPU.  A timed
 * load of a database prints calls a second, microseconds of backend CPU and bytes of
 * WAL a call.  The tokens stay in this process.
 */
#define _GNU_SOURCE
#include <libpq-fe.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdint.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../client/proof.h"

#define FAMILIES	500			/* of each client */
#define TOKEN_MAX	160

/* What a client tells its parent */
typedef struct Result
{
	double		calls;
	double		seconds;
	double		cpu_us;			/* of its backend, in total */
} Result;

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
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

	start = now();
	while (now() - start < seconds)
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
	printf("%.3f\n", (now() - start) * 1e6 / calls);
}

/*
 * Certificates
 */

#define PKI_TIME	1780000000	/* when the test PKI is valid */

/* CPU that this process has used, which others on the machine do not lengthen */
static double
cpu_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

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

/*
 * The database
 */

static PGconn *
connect_db(void)
{
	PGconn	   *conn = PQconnectdb("");

	if (PQstatus(conn) != CONNECTION_OK)
		die(PQerrorMessage(conn));
	return conn;
}

static PGresult *
check(PGconn *conn, PGresult *result)
{
	if (PQresultStatus(result) != PGRES_TUPLES_OK &&
		PQresultStatus(result) != PGRES_COMMAND_OK)
		die(PQerrorMessage(conn));
	return result;
}

/* Microseconds of CPU that a backend has used. */
static double
backend_cpu(PGconn *conn)
{
	char		path[64];
	FILE	   *file;
	unsigned long long ns = 0;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", PQbackendPID(conn));
	file = fopen(path, "r");
	if (file == NULL || fscanf(file, "%llu", &ns) != 1)
		ns = 0;
	if (file != NULL)
		fclose(file);
	return ns / 1e3;
}

static double
wal_position(PGconn *conn)
{
	PGresult   *result = check(conn, PQexec(conn,
											"SELECT pg_current_wal_insert_lsn() - '0/0'"));
	double		position = atof(PQgetvalue(result, 0, 0));

	PQclear(result);
	return position;
}

/* Each client's rows in bench.floor, or families with their tokens. */
static char tokens[FAMILIES][TOKEN_MAX];

static void
client_prepare(PGconn *conn, int rotate)
{
	PGresult   *result;

	if (rotate)
	{
		for (int i = 0; i < FAMILIES; i++)
		{
			result = check(conn, PQexec(conn, "SELECT refresh_token FROM sctoken.issue('bench', 'subject', 'openid profile')"));
			snprintf(tokens[i], TOKEN_MAX, "%s", PQgetvalue(result, 0, 0));
			PQclear(result);
		}
		PQclear(check(conn, PQprepare(conn, "call",
									  "SELECT outcome, refresh_token FROM sctoken.rotate($1, 'bench')", 0, NULL)));
		return;
	}
	result = check(conn, PQexec(conn, "INSERT INTO bench.floor SELECT gen_random_uuid(), now(), now(), 'bench', 'subject', NULL, NULL, 'openid profile', NULL, NULL, NULL, NULL, NULL, 1, now(), 0, 0, '\\x" "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" "', '\\x0123456789abcdef', '\\x" "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" "' FROM generate_series(1, 500) RETURNING id"));
	for (int i = 0; i < FAMILIES; i++)
		snprintf(tokens[i], TOKEN_MAX, "%s", PQgetvalue(result, i, 0));
	PQclear(result);
	PQclear(check(conn, PQprepare(conn, "call",
								  "UPDATE bench.floor SET generation = generation + 1, rotated_at = clock_timestamp(), secret_hash = $2 WHERE id = $1", 0, NULL)));
}

static void
client_call(PGconn *conn, int rotate, int i)
{
	PGresult   *result;

	if (rotate)
	{
		const char *values[1] = {tokens[i]};

		result = check(conn, PQexecPrepared(conn, "call", 1, values, NULL, NULL, 0));
		if (strcmp(PQgetvalue(result, 0, 0), "rotated") != 0)
			die(PQgetvalue(result, 0, 0));
		snprintf(tokens[i], TOKEN_MAX, "%s", PQgetvalue(result, 0, 1));
	}
	else
	{
		unsigned char random[32];
		const char *values[2] = {tokens[i], (char *) random};
		int			lengths[2] = {0, sizeof(random)};
		int			formats[2] = {0, 1};

		RAND_bytes(random, sizeof(random));
		result = check(conn, PQexecPrepared(conn, "call", 2, values, lengths, formats, 0));
	}
	PQclear(result);
}

static void
client_run(double seconds, int rotate, int ready, int go, int out)
{
	PGconn	   *conn = connect_db();
	Result		result = {0};
	double		start;
	double		cpu;
	char		byte = 0;

	client_prepare(conn, rotate);
	for (int i = 0; i < FAMILIES; i++)
		client_call(conn, rotate, i);
	if (write(ready, &byte, 1) != 1 || read(go, &byte, 1) != 1)
		die("lost the parent");
	cpu = backend_cpu(conn);
	start = now();
	for (int i = 0; now() - start < seconds; i = (i + 1) % FAMILIES)
	{
		client_call(conn, rotate, i);
		result.calls++;
	}
	result.seconds = now() - start;
	result.cpu_us = backend_cpu(conn) - cpu;
	if (write(out, &result, sizeof(result)) != sizeof(result))
		die("lost the parent");
	PQfinish(conn);
	exit(0);
}

static void
bench_db(double seconds, int clients, int rotate)
{
	int			ready[2];
	int			go[2];
	int			out[2];
	PGconn	   *conn;
	double		wal;
	double		tps = 0;
	double		calls = 0;
	double		cpu = 0;
	char		byte = 0;

	if (pipe(ready) != 0 || pipe(go) != 0 || pipe(out) != 0)
		die("pipe failed");
	for (int i = 0; i < clients; i++)
	{
		if (fork() == 0)
			client_run(seconds, rotate, ready[1], go[0], out[1]);
	}
	conn = connect_db();
	for (int i = 0; i < clients; i++)
	{
		if (read(ready[0], &byte, 1) != 1)
			die("a client failed");
	}
	wal = wal_position(conn);
	for (int i = 0; i < clients; i++)
	{
		if (write(go[1], &byte, 1) != 1)
			die("a client failed");
	}
	for (int i = 0; i < clients; i++)
	{
		Result		result;

		if (read(out[0], &result, sizeof(result)) != sizeof(result))
			die("a client failed");
		tps += result.calls / result.seconds;
		calls += result.calls;
		cpu += result.cpu_us;
	}
	wal = wal_position(conn) - wal;
	while (wait(NULL) > 0)
		;
	printf("%.0f %.2f %.0f\n", tps, cpu / calls, wal / calls);
	PQfinish(conn);
}

int
main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	double		amount = argc > 2 ? atof(argv[2]) : 0;
	const char *folder = argc > 3 ? argv[3] : ".";
	int			clients = argc > 3 ? atoi(argv[3]) : 1;	/* or IAT */

	if (strcmp(what, "digest") == 0)
		bench_digest(amount, folder);
	else if (strcmp(what, "chain") == 0)
		bench_chain(amount, folder);
	else if (amount <= 0 || clients <= 0)
		die("usage: bench verify|import|floor|rotate SECONDS [CLIENTS], bench digest|chain SECONDS PKI, or bench proofs COUNT IAT");
	else if (strcmp(what, "verify") == 0)
		bench_verify(amount, 0);
	else if (strcmp(what, "import") == 0)
		bench_verify(amount, 1);
	else if (strcmp(what, "proofs") == 0)
		print_proofs((int) amount, clients);
	else if (strcmp(what, "floor") == 0)
		bench_db(amount, clients, 0);
	else if (strcmp(what, "rotate") == 0)
		bench_db(amount, clients, 1);
	else
		die("unknown load");
	return 0;
}
