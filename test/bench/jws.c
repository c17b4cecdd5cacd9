/*
 * jws.c
 *		What a C library of Debian's takes to verify the JWS of a proof: the signature
 *		by the key in the header, none of the other checks of DPoP.
 *
 * usage:
 *		jws_LIBRARY seen|new SECONDS PROOFS
 *
 * "seen" verifies the first proof of the file again and again with a key that is
 * loaded before, "new" one after the other, each with the key of its header.  Prints
 * microseconds of CPU a call.  Built once for each library: -DRHONABWY or -DCJOSE.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_PROOFS	5000

static void
die(const char *what)
{
	fprintf(stderr, "jws: %s\n", what);
	exit(1);
}

#ifdef RHONABWY
#include <rhonabwy.h>

typedef jwk_t Key;

/* The key in the header of a JWS. */
static Key *
key_of(const char *text)
{
	jws_t	   *jws = r_jws_quick_parse(text, R_PARSE_NONE, 0);
	json_t	   *jwk = jws == NULL ? NULL : r_jws_get_header_json_t_value(jws, "jwk");
	Key		   *key = jwk == NULL ? NULL : r_jwk_quick_import(R_IMPORT_JSON_T, jwk);

	json_decref(jwk);
	r_jws_free(jws);
	return key;
}

static int
verify(const char *text, Key *key)
{
	jws_t	   *jws = NULL;
	int			ok;

	/* with R_PARSE_HEADER_JWK the key of the header is loaded by itself */
	jws = r_jws_quick_parse(text, key == NULL ? R_PARSE_HEADER_JWK : R_PARSE_NONE, 0);
	ok = jws != NULL && r_jws_get_alg(jws) == R_JWA_ALG_ES256 &&
		r_jws_verify_signature(jws, key, 0) == RHN_OK;
	r_jws_free(jws);
	return ok;
}
#endif

#ifdef CJOSE
#include <cjose/cjose.h>

typedef cjose_jwk_t Key;

static Key *
header_key(cjose_jws_t *jws)
{
	cjose_err	err;
	char	   *json = cjose_header_get_raw(cjose_jws_get_protected(jws), "jwk", &err);
	Key		   *key = json == NULL ? NULL : cjose_jwk_import(json, strlen(json), &err);

	cjose_get_dealloc() (json);
	return key;
}

/* The key in the header of a JWS. */
static Key *
key_of(const char *text)
{
	cjose_err	err;
	cjose_jws_t *jws = cjose_jws_import(text, strlen(text), &err);
	Key		   *key = jws == NULL ? NULL : header_key(jws);

	cjose_jws_release(jws);
	return key;
}

static int
verify(const char *text, Key *key)
{
	cjose_err	err;
	cjose_jws_t *jws = cjose_jws_import(text, strlen(text), &err);
	Key		   *own = jws == NULL || key != NULL ? NULL : header_key(jws);
	const char *alg;
	int			ok;

	if (jws == NULL)
		return 0;
	alg = cjose_header_get(cjose_jws_get_protected(jws), CJOSE_HDR_ALG, &err);
	ok = alg != NULL && strcmp(alg, "ES256") == 0 &&
		cjose_jws_verify(jws, key != NULL ? key : own, &err);
	if (own != NULL)
		cjose_jwk_release(own);
	cjose_jws_release(jws);
	return ok;
}
#endif

static double
cpu_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

int
main(int argc, char **argv)
{
	static char *proofs[MAX_PROOFS];
	char		line[4096];
	int			count = 0;
	int			seen;
	Key		   *key = NULL;
	FILE	   *file;
	double		seconds;
	double		start;
	double		calls = 0;

	if (argc != 4 || (file = fopen(argv[3], "r")) == NULL)
		die("usage: jws seen|new SECONDS PROOFS");
	seen = strcmp(argv[1], "seen") == 0;
	seconds = atof(argv[2]);
	while (count < MAX_PROOFS && fgets(line, sizeof(line), file) != NULL)
	{
		line[strcspn(line, "\n")] = '\0';
		proofs[count++] = strdup(line);
	}
	fclose(file);
	if (count == 0 || (seen && (key = key_of(proofs[0])) == NULL))
		die("could not read a proof");

	start = cpu_seconds();
	while (cpu_seconds() - start < seconds)
	{
		for (int i = 0; i < 50; i++)
		{
			if (!verify(proofs[seen ? 0 : (int) calls % count], key))
				die("could not verify");
			calls++;
		}
	}
	printf("%.3f\n", (cpu_seconds() - start) * 1e6 / calls);
	return 0;
}
