/*
 * test_dpop_vectors.c
 *		Proofs made for this project, good ones and each kind of bad one, and
 *		pairs of URIs: test/vectors/dpop.
 *
 * The policy is that of the file: 60 s of age, 10 s into the future, every
 * algorithm.
 */
#include <openssl/err.h>

#include "lines.h"

#include "../../src/core/dpop_proof.h"

#define SECOND	INT64CONST(1000000)

enum
{
	C_CASE, C_ID, C_VERDICT, C_ERROR, C_HTM, C_HTU, C_NOW, C_ACCESS_TOKEN,
	C_JKT, C_PROOF, C_PROOF_JKT, C_NAME, C_COUNT
};

enum
{
	P_PAIR, P_ID, P_MATCH, P_HTU, P_URL, P_NAME, P_COUNT
};

typedef enum NonceCase
{
	NOT_NONCE,
	NONCE_MALFORMED,			/* refused for its form, without knowing it */
	NONCE_ABSENT,				/* accepted; the nonce check will ask for one */
	NONCE_UNKNOWN				/* accepted; the nonce check will not know it */
} NonceCase;

/*
 * The cases that a nonce check answers with use_dpop_nonce, and what is left of
 * them before that check.
 */
static const struct
{
	const char *id;
	NonceCase	nonce_case;
}			nonce_cases[] = {
	{"NO004", NONCE_MALFORMED},
	{"NO005", NONCE_MALFORMED},
	{"NO006", NONCE_MALFORMED},
	{"NO007", NONCE_MALFORMED},
	{"NO010", NONCE_MALFORMED},
	{"NO011", NONCE_ABSENT},
	{"NO012", NONCE_UNKNOWN}
};

static SctDpopProof result;

static NonceCase
nonce_case(const char *id)
{
	for (size_t i = 0; i < lengthof(nonce_cases); i++)
	{
		if (strcmp(nonce_cases[i].id, id) == 0)
			return nonce_cases[i].nonce_case;
	}
	return NOT_NONCE;
}

/* Is the answer to a case the expected one? */
static bool
is_expected(char **field, SctReason reason)
{
	const char *error = sct_reason_error(reason);

	switch (nonce_case(field[C_ID]))
	{
		case NONCE_ABSENT:
			return reason == SCT_OK && result.nonce == NULL;
		case NONCE_UNKNOWN:
			return reason == SCT_OK && result.nonce != NULL &&
				result.nonce_len > 0;
		case NONCE_MALFORMED:
		case NOT_NONCE:
			break;
	}
	if (strcmp(field[C_VERDICT], "valid") != 0)
		return reason != SCT_OK && strcmp(error, field[C_ERROR]) == 0;
	return reason == SCT_OK &&
		(absent(field[C_PROOF_JKT]) ||
		 memcmp(result.jkt, field[C_PROOF_JKT], SCT_THUMBPRINT_LEN) == 0);
}

static void
run_case(char **field)
{
	SctDpopRequest request = {0};
	char		htu[SCT_URI_MAX_LEN + 1];
	char		ath[SCT_THUMBPRINT_LEN];
	size_t		htu_len = unhex(field[C_HTU]);
	size_t		proof_len = unhex(field[C_PROOF]);
	SctReason	reason;

	request.htm_len = unhex(field[C_HTM]);
	request.htm = field[C_HTM];
	reason = sct_uri_normalize(field[C_HTU], htu_len, htu, &request.htu_len);
	request.htu = htu;
	if (reason == SCT_OK && !absent(field[C_ACCESS_TOKEN]))
	{
		reason = sct_dpop_ath(field[C_ACCESS_TOKEN],
							  unhex(field[C_ACCESS_TOKEN]), ath);
		request.ath = ath;
	}
	if (!absent(field[C_JKT]))
	{
		request.jkt_len = unhex(field[C_JKT]);
		request.jkt = field[C_JKT];
	}
	for (int alg = 0; alg < SCT_ALG_COUNT; alg++)
		request.algs |= SCT_ALG_BIT(alg);
	request.now = strtoll(field[C_NOW], NULL, 10) * SECOND;
	request.max_age = 60 * SECOND;
	request.future_skew = 10 * SECOND;
	request.require_nonce = nonce_case(field[C_ID]) != NOT_NONCE;

	if (reason != SCT_OK)
	{
		ok(false, "%s: the request is well-formed", field[C_ID]);
		return;
	}
	reason = sct_dpop_verify(field[C_PROOF], proof_len, &request, &result);
	ok(is_expected(field, reason), "%s %s: %s", field[C_ID], field[C_NAME],
	   reason == SCT_OK ? "accepted" : sct_reason_word(reason));
}

static void
run_pair(char **field)
{
	char		htu[SCT_URI_MAX_LEN + 1];
	char		url[SCT_URI_MAX_LEN + 1];
	size_t		htu_len;
	size_t		url_len;
	size_t		len = unhex(field[P_HTU]);
	bool		same;

	same = sct_uri_normalize(field[P_HTU], len, htu, &htu_len) == SCT_OK;
	len = unhex(field[P_URL]);
	if (sct_uri_normalize(field[P_URL], len, url, &url_len) != SCT_OK)
		same = false;
	same = same && htu_len == url_len && memcmp(htu, url, url_len) == 0;
	ok(same == (strcmp(field[P_MATCH], "match") == 0),
	   "pair %s %s: %s", field[P_ID], field[P_NAME], field[P_MATCH]);
}

int
main(void)
{
	FILE	   *file = lines_open("dpop_cases.txt");
	char	   *field[MAX_FIELDS];
	int			count;

	if (file == NULL)
		return skip_all("no vectors at ", "test/vectors/dpop");
	while ((count = lines_next(file, field)) > 0)
	{
		if (count == C_COUNT && strcmp(field[0], "case") == 0)
			run_case(field);
		else if (count == P_COUNT && strcmp(field[0], "pair") == 0)
			run_pair(field);
		else
			ok(false, "a line of vectors is a case or a pair");
	}
	fclose(file);
	ok(ERR_peek_error() == 0,
	   "OpenSSL's queue of errors is as it was, for who else uses it in the process");
	return done();
}
