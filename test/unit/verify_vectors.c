/*
 * verify_vectors.c
 *		The verdicts of Project Wycheproof on keys, signatures, MACs and derived
 *		keys are ours, but for the exceptions that vectors.pl gives reasons for.
 *
 * The files are no part of this repository: SCTOKEN_VECTORS names the folder
 * that has them.
 */
#include "lines.h"

#include "../../src/core/base64url.h"
#include "../../src/core/crypto.h"

#define MAX_TEXT	16384

enum
{
	F_VECTOR, F_FILE, F_TEST, F_KIND, F_VERDICT, F_USABLE, F_ALG, F_JWK, F_DATA,
	F_SIGNATURE, F_WHY, F_COUNT
};

/* What happened to the vectors of one file */
typedef struct Counts
{
	char		file[128];
	int			accepted;
	int			refused;
	int			key_refused;	/* among both: the key is against our policy */
	int			exceptions;
	int			skipped;
	int			wrong;
} Counts;

static SctJson header;
static SctJson key;
static char header_text[MAX_TEXT];
static char header_space[SCT_JSON_SPACE(MAX_TEXT)];
static char key_space[SCT_JSON_SPACE(MAX_TEXT)];
static uint8 payload[MAX_TEXT];
static uint8 signature[MAX_TEXT];

static void
report(Counts *counts)
{
	if (counts->file[0] == '\0')
		return;
	ok(counts->wrong == 0,
	   "%s: %d accepted, %d refused, of these %d under a key that we refuse; "
	   "%d exceptions, %d skipped",
	   counts->file, counts->accepted, counts->refused, counts->key_refused,
	   counts->exceptions, counts->skipped);
	memset(counts, 0, sizeof(*counts));
}

/* The key alone: parse, usable, import, verify */
static SctReason
verify_key(const char *jwk_text, SctAlg alg, const void *data, size_t len,
		   const void *sig, size_t sig_len, SctReason *usable)
{
	SctJwk		jwk;
	SctPublicKey *public_key;
	SctReason	reason;

	*usable = SCT_OK;
	reason = sct_json_parse(jwk_text, strlen(jwk_text), key_space, &key);
	if (reason == SCT_OK)
		reason = sct_jwk_parse(&key, &key.nodes[0], &jwk);
	if (reason != SCT_OK)
		return reason;
	if (!sct_alg_fits(alg, jwk.type))
		return SCT_ALG;
	*usable = sct_jwk_usable(&key, &key.nodes[0], &jwk, sct_alg_name(alg));
	reason = sct_crypto_key_import(&jwk, &public_key);
	if (reason != SCT_OK)
		return reason;
	reason = sct_crypto_verify(public_key, alg, data, len, sig, sig_len);
	sct_crypto_key_free(public_key);
	return reason;
}

/* A compact JWS under a given key; the header's own jwk counts for nothing */
static SctReason
verify_jws(const char *jwk_text, const char *text, size_t len)
{
	SctJwsParts parts;
	SctAlg		alg;
	size_t		header_len;
	size_t		payload_len;
	size_t		signature_len;
	SctReason	usable;
	SctReason	reason;

	if (len > MAX_TEXT)
		return SCT_TOO_LONG;
	reason = sct_jws_split(text, len, &parts);
	if (reason == SCT_OK)
		reason = sct_base64url_decode(parts.header, parts.header_len,
									  (uint8 *) header_text, &header_len);
	if (reason == SCT_OK)
		reason = sct_json_parse(header_text, header_len, header_space, &header);
	if (reason == SCT_OK)
		reason = sct_jws_header(&header, &alg);
	if (reason == SCT_OK)
		reason = sct_base64url_decode(parts.payload, parts.payload_len,
									  payload, &payload_len);
	if (reason == SCT_OK)
		reason = sct_base64url_decode(parts.signature, parts.signature_len,
									  signature, &signature_len);
	if (reason == SCT_OK)
		reason = verify_key(jwk_text, alg, text, parts.signed_len,
							signature, signature_len, &usable);
	if (reason == SCT_OK)
		reason = usable;
	return reason;
}

static SctReason
verify_hmac(char *mac_key, char *data, char *tag)
{
	uint8		mac[SCT_SHA256_LEN];
	size_t		len;
	size_t		tag_len;
	SctReason	reason;

	unhex(mac_key);
	len = unhex(data);
	tag_len = unhex(tag);
	reason = sct_crypto_hmac((uint8 *) mac_key, data, len, mac);
	if (reason == SCT_OK && (tag_len > sizeof(mac) ||
							 !sct_crypto_equal(mac, tag, tag_len)))
		reason = SCT_SIGNATURE;
	return reason;
}

static SctReason
verify_hkdf(char *ikm, char *salt, char *info, char *expected)
{
	uint8		okm[SCT_SHA256_LEN];
	size_t		ikm_len = unhex(ikm);
	size_t		salt_len = unhex(salt);
	size_t		info_len = unhex(info);
	SctReason	reason;

	unhex(expected);
	reason = sct_crypto_hkdf(ikm, ikm_len, salt_len > 0 ? salt : NULL, salt_len,
							 info, info_len, okm);
	if (reason == SCT_OK && memcmp(okm, expected, sizeof(okm)) != 0)
		reason = SCT_SIGNATURE;
	return reason;
}

/* Runs one vector; usable is what vectors.pl says that the key must be. */
static void
run(char **field, Counts *counts)
{
	SctReason	reason = SCT_INTERNAL;
	SctReason	usable = SCT_OK;
	SctReason	expected_usable = SCT_OK;
	bool		expected = strcmp(field[F_VERDICT], "valid") == 0;

	if (!absent(field[F_WHY]))
		counts->exceptions++;
	if (strcmp(field[F_VERDICT], "skip") == 0)
	{
		counts->skipped++;
		note("skipped: %s %s: %s", field[F_FILE], field[F_TEST], field[F_WHY]);
		return;
	}

	if (strcmp(field[F_KIND], "key") == 0)
	{
		size_t		len = unhex(field[F_DATA]);
		size_t		sig_len = unhex(field[F_SIGNATURE]);
		SctAlg		alg;

		if (strcmp(field[F_USABLE], "key") == 0)
			expected_usable = SCT_KEY;
		if (sct_alg_lookup(field[F_ALG], strlen(field[F_ALG]), &alg))
			reason = verify_key(field[F_JWK], alg, field[F_DATA], len,
								field[F_SIGNATURE], sig_len, &usable);
	}
	else if (strcmp(field[F_KIND], "jws") == 0)
		reason = verify_jws(field[F_JWK], field[F_DATA], unhex(field[F_DATA]));
	else if (strcmp(field[F_KIND], "symmetric") == 0)
	{
		/* a MAC under a key in a header would prove nothing */
		reason = verify_jws(field[F_JWK], field[F_DATA], unhex(field[F_DATA]));
		expected = false;
	}
	else if (strcmp(field[F_KIND], "hmac") == 0)
		reason = verify_hmac(field[F_ALG], field[F_DATA], field[F_SIGNATURE]);
	else if (strcmp(field[F_KIND], "hkdf") == 0)
		reason = verify_hkdf(field[F_ALG], field[F_USABLE], field[F_DATA],
							 field[F_SIGNATURE]);

	if (reason == SCT_OK)
		counts->accepted++;
	else
		counts->refused++;
	if (usable != SCT_OK)
		counts->key_refused++;
	if ((reason == SCT_OK) != expected || usable != expected_usable ||
		reason == SCT_INTERNAL)
	{
		counts->wrong++;
		note("%s %s: expected %s and key reason %d, got reasons %d and %d",
			 field[F_FILE], field[F_TEST], field[F_VERDICT], expected_usable,
			 reason, usable);
	}
}

int
main(void)
{
	const char *folder = getenv("SCTOKEN_VECTORS");
	FILE	   *file = lines_open("wycheproof.txt");
	char	   *field[MAX_FIELDS];
	int			count;
	Counts		counts = {0};

	if (file == NULL)
		return skip_all("no vectors at ",
						folder != NULL ? folder : "SCTOKEN_VECTORS");
	while ((count = lines_next(file, field)) > 0)
	{
		if (count != F_COUNT)
		{
			ok(false, "a line of vectors has %d fields", F_COUNT);
			break;
		}
		if (strcmp(counts.file, field[F_FILE]) != 0)
		{
			report(&counts);
			snprintf(counts.file, sizeof(counts.file), "%s",
					 field[F_FILE]);
		}
		run(field, &counts);
	}
	report(&counts);
	fclose(file);
	return done();
}
