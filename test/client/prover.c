/*
 * prover.c
 *		The client side of DPoP (RFC 9449) for the demo and the tests: makes a
 *		key, prints its thumbprint, signs proofs.
 *
 *		cc -o prover prover.c -lcrypto
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <time.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "proof.h"

static _Noreturn void
usage(void)
{
	fputs("usage: prover key FILE\n"
		  "       prover jkt FILE\n"
		  "       prover proof FILE HTM HTU [--token ACCESS_TOKEN] [--nonce NONCE]\n"
		  "                                 [--iat UNIX_TIME] [--jti JTI]\n"
		  "                                 [--count PROOFS]\n",
		  stderr);
	exit(1);
}

/* Prints a line, and frees text. */
static void
print_line(BIO *text)
{
	char	   *bytes;
	long		len = BIO_get_mem_data(text, &bytes);

	if (printf("%.*s\n", (int) len, bytes) < 0 || fflush(stdout) != 0)
		die("could not write to standard output");
	BIO_free(text);
}

static EVP_PKEY *
read_key(const char *path)
{
	FILE	   *file = fopen(path, "r");
	EVP_PKEY   *key;

	if (file == NULL)
		die(path);
	key = PEM_read_PrivateKey(file, NULL, NULL, NULL);
	if (key == NULL)
		die(path);
	fclose(file);
	return key;
}

/* Writes a new key into a file that must not exist yet, for our eyes only. */
static void
make_key(const char *path)
{
	EVP_PKEY   *key = EVP_EC_gen("P-256");
	int			fd;
	FILE	   *file;

	if (key == NULL)
		die("could not make a key");
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	file = fd < 0 ? NULL : fdopen(fd, "w");
	if (file == NULL)
		die(path);
	if (PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) != 1 ||
		fclose(file) != 0)
		die(path);
	EVP_PKEY_free(key);
}

static void
print_thumbprint(const char *path)
{
	EVP_PKEY   *key = read_key(path);
	BIO		   *jwk = text_new();
	BIO		   *text = text_new();
	char	   *bytes;
	long		len;

	put_jwk(jwk, key);
	len = BIO_get_mem_data(jwk, &bytes);
	put_sha256(text, bytes, (size_t) len);
	print_line(text);
	BIO_free(jwk);
	EVP_PKEY_free(key);
}

static void
print_proofs(const char *path, const Claims *claims, long long count)
{
	EVP_PKEY   *key = read_key(path);

	for (long long i = 0; i < count; i++)
		print_line(proof_new(key, claims));
	EVP_PKEY_free(key);
}

static long long
parse_number(const char *text)
{
	char	   *end;
	long long	number;

	errno = 0;
	number = strtoll(text, &end, 10);
	if (errno != 0 || end == text || *end != '\0')
		usage();
	return number;
}

/* Reads the options after HTU. */
static void
parse_options(int argc, char **argv, Claims *claims, long long *count)
{
	for (int i = 0; i < argc; i += 2)
	{
		if (i + 1 == argc)
			usage();
		if (strcmp(argv[i], "--token") == 0)
			claims->token = argv[i + 1];
		else if (strcmp(argv[i], "--nonce") == 0)
			claims->nonce = argv[i + 1];
		else if (strcmp(argv[i], "--jti") == 0)
			claims->jti = argv[i + 1];
		else if (strcmp(argv[i], "--iat") == 0)
			claims->iat = parse_number(argv[i + 1]);
		else if (strcmp(argv[i], "--count") == 0)
			*count = parse_number(argv[i + 1]);
		else
			usage();
	}
}

int
main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "key") == 0)
		make_key(argv[2]);
	else if (argc == 3 && strcmp(argv[1], "jkt") == 0)
		print_thumbprint(argv[2]);
	else if (argc >= 5 && strcmp(argv[1], "proof") == 0)
	{
		Claims		claims = {.htm = argv[3], .htu = argv[4]};
		long long	count = 1;	/* of proofs, equal but for a random jti */

		claims.iat = (long long) time(NULL);
		parse_options(argc - 5, argv + 5, &claims, &count);
		print_proofs(argv[2], &claims, count);
	}
	else
		usage();
	return 0;
}
