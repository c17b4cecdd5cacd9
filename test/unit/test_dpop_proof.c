/*
 * test_dpop_proof.c
 *		What a DPoP proof is refused for before its signature is looked at, and
 *		at which bound exactly.
 *
 * The proofs here carry a signature that fits nothing: SCT_SIGNATURE means that
 * all before it was in order.  Good proofs are in test_rfc and
 * test_dpop_vectors.
 */
#include "unit.h"

#include "../../src/core/base64url.h"
#include "../../src/core/dpop_proof.h"

#define SECOND	INT64CONST(1000000)
#define NOW		INT64CONST(1700000000)

#define ED25519_JWK \
	"{\"kty\":\"OKP\",\"crv\":\"Ed25519\"," \
	"\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"
#define ED448_JWK \
	"{\"kty\":\"OKP\",\"crv\":\"Ed448\"," \
	"\"x\":\"X9dEm1m0Yf0s54fsYWrUah2hNCSFpw4fig6nXYDpZ3jt8STBQzM69y" \
	"3Ka-lFwsUE_NY8Sd5KxBoA\"}"
#define HEADER \
	"{\"typ\":\"dpop+jwt\",\"alg\":\"EdDSA\",\"jwk\":" ED25519_JWK "}"
#define START	"{\"htm\":\"POST\",\"htu\":\"https://a/t\""
#define IAT		",\"iat\":1700000000"
#define JTI		",\"jti\":\"j\""

static SctDpopProof result;
static SctAlgSet algs = SCT_ALG_BIT(SCT_ALG_EDDSA);

static SctReason
verify(const char *header, const char *claims)
{
	static char proof[65536];
	SctDpopRequest request = {0};
	char	   *end = proof;

	sct_base64url_encode((const uint8 *) header, strlen(header), end);
	end += SCT_BASE64URL_ENCODED_LEN(strlen(header));
	*end++ = '.';
	sct_base64url_encode((const uint8 *) claims, strlen(claims), end);
	end += SCT_BASE64URL_ENCODED_LEN(strlen(claims));
	*end++ = '.';
	memset(end, 'A', 86);
	end += 86;

	request.htm = "POST";
	request.htm_len = 4;
	request.htu = "https://a/t";
	request.htu_len = strlen(request.htu);
	request.algs = algs;
	request.now = NOW * SECOND;
	request.max_age = 60 * SECOND;
	request.future_skew = 10 * SECOND;
	return sct_dpop_verify(proof, end - proof, &request, &result);
}

static void
header(const char *text, SctReason expected, const char *claim)
{
	ok(verify(text, START IAT JTI "}") == expected, "%s", claim);
}

static void
claims(const char *text, SctReason expected, const char *claim)
{
	SctReason	reason = verify(HEADER, text);

	ok(reason == expected, "%s", claim);
	if (reason != expected)
		note("got %d, expected %d", reason, expected);
}

/* A claim that is a string of len letters */
static void
claim_of_length(const char *before, const char *name, int len,
				SctReason expected, const char *claim)
{
	static char text[32768];
	char	   *end = text;

	end += sprintf(end, "%s,\"%s\":\"", before, name);
	memset(end, 'x', len);
	strcpy(end + len, "\"}");
	claims(text, expected, claim);
}

static void
headers(void)
{
	header(HEADER, SCT_SIGNATURE, "a header in order leads to the signature");
	ok(result.has_alg && result.alg == SCT_ALG_EDDSA && result.has_iat &&
	   result.iat == NOW * SECOND, "alg and iat are told after a refusal");
	header(HEADER, SCT_SIGNATURE, "it does so again");
	ok(result.has_key && !result.key_found,
	   "a key whose signature was wrong is not kept");
	header("{\"typ\":\"JWT\",\"alg\":\"EdDSA\",\"jwk\":" ED25519_JWK "}",
		   SCT_TYP, "typ is dpop+jwt");
	ok(!result.has_alg && !result.has_iat && !result.has_key,
	   "neither alg nor iat nor a key is told that was not read");
	header("{\"alg\":\"EdDSA\",\"jwk\":" ED25519_JWK "}", SCT_TYP,
		   "typ is required");
	header("{\"typ\":\"DPoP+JWT\",\"alg\":\"EdDSA\",\"jwk\":" ED25519_JWK "}",
		   SCT_TYP, "typ is case-sensitive");
	header("{\"typ\":\"dpop+jwt\",\"jwk\":" ED25519_JWK "}", SCT_ALG,
		   "alg is required");
	header("{\"typ\":\"dpop+jwt\",\"alg\":\"HS256\",\"jwk\":" ED25519_JWK "}",
		   SCT_ALG, "a MAC is no signature");
	header("{\"typ\":\"dpop+jwt\",\"alg\":\"none\",\"jwk\":" ED25519_JWK "}",
		   SCT_ALG, "none is no signature");
	header("{\"typ\":\"dpop+jwt\",\"alg\":\"Ed25519\",\"jwk\":" ED25519_JWK "}",
		   SCT_ALG, "alg is one of those accepted, by name");
	header("{\"typ\":\"dpop+jwt\",\"alg\":\"EdDSA\"}", SCT_JWK,
		   "jwk is required");
	header("{\"typ\":\"dpop+jwt\",\"alg\":\"EdDSA\",\"crit\":[],\"jwk\":"
		   ED25519_JWK "}", SCT_CRIT, "crit is refused");
	header("{\"typ\":\"dpop+jwt\",\"alg\":\"EdDSA\",\"b64\":true,\"jwk\":"
		   ED25519_JWK "}", SCT_CRIT, "b64 is refused");
	header("{\"typ\":\"dpop+jwt\",\"alg\":\"EdDSA\",\"jwk\":" ED448_JWK "}",
		   SCT_ALG, "EdDSA alone does not stand for Ed448");
	algs |= SCT_ALG_BIT(SCT_ALG_ED448);
	header("{\"typ\":\"dpop+jwt\",\"alg\":\"EdDSA\",\"jwk\":" ED448_JWK "}",
		   SCT_SIGNATURE, "EdDSA stands for Ed448 where Ed448 is accepted");
	header("{\"typ\":\"dpop+jwt\",\"alg\":\"Ed448\",\"jwk\":" ED25519_JWK "}",
		   SCT_ALG, "Ed448 does not stand for Ed25519");
	algs = SCT_ALG_BIT(SCT_ALG_EDDSA);
	header("[]", SCT_JSON, "a header is an object");
}

static void
strings(void)
{
	claim_of_length(START IAT, "jti", 1, SCT_SIGNATURE, "jti has a length");
	claim_of_length(START IAT, "jti", 0, SCT_JTI, "an empty jti is refused");
	claim_of_length(START IAT, "jti", 256, SCT_SIGNATURE,
					"a jti has 256 bytes at most");
	claim_of_length(START IAT, "jti", 257, SCT_JTI,
					"a jti of 257 bytes is refused");
	claims(START IAT "}", SCT_JTI, "jti is required");
	claims(START IAT ",\"jti\":7}", SCT_JTI, "jti is a string");

	claim_of_length(START IAT JTI, "nonce", 256, SCT_SIGNATURE,
					"a nonce has 256 characters at most");
	claim_of_length(START IAT JTI, "nonce", 257, SCT_NONCE_SYNTAX,
					"a nonce of 257 characters is refused");
	claim_of_length(START IAT JTI, "nonce", 0, SCT_NONCE_SYNTAX,
					"an empty nonce is refused");
	claims(START IAT JTI ",\"nonce\":\"!#[]~\"}", SCT_SIGNATURE,
		   "a nonce is made of NQCHAR");
	claims(START IAT JTI ",\"nonce\":\"a b\"}", SCT_NONCE_SYNTAX,
		   "a nonce has no space");
	claims(START IAT JTI ",\"nonce\":\"a\\\"b\"}", SCT_NONCE_SYNTAX,
		   "a nonce has no quote");
	claims(START IAT JTI ",\"nonce\":\"a\\\\b\"}", SCT_NONCE_SYNTAX,
		   "a nonce has no backslash");
	claims(START IAT JTI ",\"nonce\":\"a\\u007fb\"}", SCT_NONCE_SYNTAX,
		   "a nonce has no DEL");
	claims(START IAT JTI ",\"nonce\":\"\xc3\xa9\"}", SCT_NONCE_SYNTAX,
		   "a nonce is ASCII");
	claims(START IAT JTI ",\"nonce\":null}", SCT_NONCE_TYPE,
		   "a nonce is a string");
	claims(START IAT JTI ",\"ath\":\"x\"}", SCT_ATH_UNEXPECTED,
		   "ath is refused where there is no access token");

	claims("{\"htm\":\"post\",\"htu\":\"https://a/t\"" IAT JTI "}", SCT_HTM,
		   "htm is case-sensitive");
	claims("{\"htm\":\"POST\\t\",\"htu\":\"https://a/t\"" IAT JTI "}", SCT_HTM,
		   "htm is whole");
	claims("{\"htm\":\"POST\",\"htu\":\"HTTPS://A:443/%74?q#f\"" IAT JTI "}",
		   SCT_SIGNATURE, "htu is normalised");
	claims("{\"htm\":\"POST\",\"htu\":\"https://a/T\"" IAT JTI "}", SCT_HTU,
		   "htu is the request's");
	claims("{\"htm\":\"POST\",\"htu\":\"https://u@a/t\"" IAT JTI "}", SCT_HTU,
		   "htu is well-formed");
	claims("[]", SCT_JSON, "the claims are an object");
	claims("{\"jti\":\"a\",\"jti\":\"b\"}", SCT_JSON_DUPLICATE,
		   "no claim comes twice");
}

static void
times(void)
{
	claims(START JTI ",\"iat\":1699999940}", SCT_SIGNATURE, "60 s are not old");
	claims(START JTI ",\"iat\":1699999939.999999}", SCT_IAT_PAST,
		   "60.000001 s are old");
	claims(START JTI ",\"iat\":1700000010}", SCT_SIGNATURE,
		   "10 s ahead are not early");
	claims(START JTI ",\"iat\":1700000010.000001}", SCT_IAT_FUTURE,
		   "10.000001 s ahead are early");
	claims(START JTI ",\"iat\":1.7e9}", SCT_SIGNATURE,
		   "iat may have an exponent");
	claims(START JTI ",\"iat\":1700000000.5}", SCT_SIGNATURE,
		   "iat may have a fraction");
	ok(result.iat == NOW * SECOND + SECOND / 2, "the fraction counts");
	claims(START JTI ",\"iat\":-1}", SCT_IAT, "iat is not before 1970");
	claims(START JTI ",\"iat\":253402300799}", SCT_IAT_FUTURE,
		   "iat may be in the year 9999");
	claims(START JTI ",\"iat\":253402300800}", SCT_IAT,
		   "iat is not after the year 9999");
	claims(START JTI ",\"iat\":9223372036854775808}", SCT_IAT,
		   "iat beyond 2^63 is refused");
	claims(START JTI ",\"iat\":18446744075409551616}", SCT_IAT,
		   "iat beyond 2^64 does not wrap");
	claims(START JTI ",\"iat\":1e400}", SCT_IAT, "iat is finite");
	claims(START JTI ",\"iat\":-1e400}", SCT_IAT, "iat is finite both ways");
	claims(START JTI ",\"iat\":\"1700000000\"}", SCT_IAT, "iat is a number");
	claims(START JTI ",\"iat\":null}", SCT_IAT, "iat is not null");
	claims(START JTI "}", SCT_IAT, "iat is required");

	claims(START IAT JTI ",\"exp\":1699999991}", SCT_SIGNATURE,
		   "exp has less than 10 s of tolerance");
	claims(START IAT JTI ",\"exp\":1699999990}", SCT_EXP, "exp has no more");
	claims(START IAT JTI ",\"exp\":\"1700000000\"}", SCT_EXP,
		   "exp is a number");
	claims(START IAT JTI ",\"exp\":1e400}", SCT_EXP, "exp is finite");
	claims(START IAT JTI ",\"nbf\":1700000010}", SCT_SIGNATURE,
		   "nbf has 10 s of tolerance");
	claims(START IAT JTI ",\"nbf\":1700000011}", SCT_NBF, "nbf has no more");
	claims(START IAT JTI ",\"nbf\":null}", SCT_NBF, "nbf is a number");
}

/* The text itself, and the access token that goes with it */
static void
texts(void)
{
	static char text[65537];
	static const char *const malformed[] = {
		"", ".", "..", "...", "a", "a.b", "a.b.", ".b.c", "a..c", "a.b.c.d",
		"a.b.c."
	};
	SctDpopRequest request = {0};
	char		ath[SCT_THUMBPRINT_LEN];
	bool		refused = true;

	ok(sct_dpop_verify(NULL, 0, &request, &result) == SCT_MISSING,
	   "no proof is a missing one");
	for (size_t i = 0; i < lengthof(malformed); i++)
	{
		if (sct_dpop_verify(malformed[i], strlen(malformed[i]), &request,
							&result) != SCT_MALFORMED)
			refused = false;
	}
	ok(refused, "a proof has three parts that are not empty");
	memset(text, '.', sizeof(text));
	ok(sct_dpop_verify(text, SCT_DPOP_MAX_LEN, &request, &result) ==
	   SCT_MALFORMED, "8192 characters are looked at");
	ok(sct_dpop_verify(text, SCT_DPOP_MAX_LEN + 1, &request, &result) ==
	   SCT_TOO_LONG, "8193 characters are not");

	memset(text, 'a', sizeof(text));
	ok(sct_dpop_ath(text, 65536, ath) == SCT_OK,
	   "an access token has 65536 characters at most");
	ok(sct_dpop_ath(text, 65537, ath) == SCT_ACCESS_TOKEN,
	   "one of 65537 is refused");
	ok(sct_dpop_ath("", 0, ath) == SCT_ACCESS_TOKEN,
	   "an empty access token is refused");
	ok(sct_dpop_ath(" ~", 2, ath) == SCT_OK,
	   "an access token may have any printable character");
	ok(sct_dpop_ath("a\n", 2, ath) == SCT_ACCESS_TOKEN &&
	   sct_dpop_ath("a\x7f", 2, ath) == SCT_ACCESS_TOKEN &&
	   sct_dpop_ath("a\0b", 3, ath) == SCT_ACCESS_TOKEN &&
	   sct_dpop_ath("\xc3\xa9", 2, ath) == SCT_ACCESS_TOKEN,
	   "and no other");
}

int
main(void)
{
	headers();
	strings();
	times();
	texts();
	return done();
}
