/*
 * fuzz_proof.c
 *		DPoP proofs: any text, and proofs that are signed here over a header and
 *		claims that the input gives, so that what comes behind the signature is
 *		reached too.
 *
 * An input is two bytes that say how, and then a proof, or a header and claims
 * with FF between them, in which FE stands for the JWK of the key that signs.
 * Neither byte is in any UTF-8.
 */
#include "fuzz.h"

#include "../unit/signer.h"

#include "../../src/core/dpop_proof.h"
#include "../../src/core/thumbprint.h"

#define SECOND	INT64CONST(1000000)
#define NOW		INT64CONST(1700000000)	/* when the vectors were made */
#define MAX_PART	(16 * SCT_DPOP_MAX_LEN)

#define PARTS_END	0xFF
#define PUT_JWK		0xFE

/* What the first byte says */
#define SIGN			0x01
#define WITH_TOKEN		0x02
#define REQUIRE_NONCE	0x04
#define ANY_TIME		0x08
#define REQUIRE_KEY		0x10	/* that of the signer */
#define FEW_ALGS		0x20

static const SctAlg algs[] = {
	SCT_ALG_ES256, SCT_ALG_ED25519, SCT_ALG_ES384, SCT_ALG_PS256, SCT_ALG_ED448
};

static Signer signers[lengthof(algs)];
static char jkts[lengthof(algs)][SCT_THUMBPRINT_LEN];
static char proof[3 * MAX_PART];

int
LLVMFuzzerInitialize(int *argc pg_attribute_unused(),
					 char ***argv pg_attribute_unused())
{
	static SctJson json;
	char		space[SCT_JSON_SPACE(SIGNER_MAX_JWK)];
	SctJwk		jwk;

	without_randomness();
	for (size_t i = 0; i < lengthof(algs); i++)
	{
		signer_make(&signers[i], algs[i]);
		must(sct_json_parse(signers[i].jwk, signers[i].jwk_len, space, &json) == SCT_OK &&
			 sct_jwk_parse(&json, &json.nodes[0], &jwk) == SCT_OK &&
			 sct_thumbprint_key(&jwk, jkts[i]) == SCT_OK, "a signer has a key");
	}
	return 0;
}

/* Signs what the input says; the length of the proof. */
static size_t
sign(Input *input, const Signer *signer)
{
	static char header[MAX_PART];
	Input		template = take_until(input, PARTS_END);
	Input		claims = take_until(input, PARTS_END);
	size_t		header_len = 0;

	while (template.len > 0)
	{
		uint8		byte = take_byte(&template);

		if (header_len + SIGNER_MAX_JWK > MAX_PART || claims.len > MAX_PART)
			return 0;
		if (byte == PUT_JWK)
		{
			memcpy(header + header_len, signer->jwk, signer->jwk_len);
			header_len += signer->jwk_len;
		}
		else
			header[header_len++] = (char) byte;
	}
	return signer_jws(signer, header, header_len, claims.at, claims.len, proof);
}

static SctReason
verify(const char *text, size_t len, const SctDpopRequest *request,
	   SctDpopProof *result)
{
	char	   *copy = exact(text, len);
	SctReason	reason = sct_dpop_verify(copy, len, request, result);

	free(copy);
	return reason;
}

/* What must be so of a proof that was accepted (RFC 9449 4.3) */
static void
check_accepted(const SctDpopRequest *request, const SctDpopProof *result)
{
	static SctJson claims;
	char	   *space = malloc(SCT_JSON_SPACE(result->claims_len));
	const SctJsonNode *root = &claims.nodes[0];
	const SctJsonNode *iat;

	must(result->has_alg && result->has_iat &&
		 (request->algs & SCT_ALG_BIT(result->alg)) != 0 &&
		 sct_alg_fits(result->alg, result->jwk.type) &&
		 sct_jwk_safe(&result->jwk) == SCT_OK, "a proof has a safe key that fits");
	must(request->any_time || (result->iat >= request->now - request->max_age &&
							   result->iat <= request->now + request->future_skew),
		 "a proof is of now");
	must(result->jti_len > 0 && result->jti_len <= SCT_DPOP_MAX_JTI &&
		 strlen(result->jti) == result->jti_len, "a proof has a jti");
	must(request->jkt == NULL || memcmp(request->jkt, result->jkt, SCT_THUMBPRINT_LEN) == 0,
		 "a proof has the key that was asked for");
	must((request->ath == NULL) == (result->ath == NULL) &&
		 (request->ath == NULL || memcmp(request->ath, result->ath, SCT_THUMBPRINT_LEN) == 0),
		 "a proof goes with its access token");
	must(sct_json_parse(result->claims, result->claims_len, space, &claims) == SCT_OK &&
		 root->type == SCT_JSON_OBJECT, "claims are an object");
	must(sct_json_string_is(sct_json_member(&claims, root, "htm"), "POST") &&
		 sct_json_string_is(sct_json_member(&claims, root, "jti"), result->jti),
		 "in which the request stands");
	iat = sct_json_member(&claims, root, "iat");
	must(iat != NULL && iat->type == SCT_JSON_NUMBER, "and the time");
	free(space);
}

/* One bit of an accepted proof makes another text, which nobody has signed. */
static void
check_bits(char *text, size_t len, const SctDpopRequest *request,
		   SctDpopProof *result)
{
	uint32		bit = choice(text, len);
	char	   *byte = &text[bit / 8 % len];

	*byte ^= (char) (1 << bit % 8);
	must(verify(text, len, request, result) != SCT_OK,
		 "a proof of which one bit was changed is refused");
	*byte ^= (char) (1 << bit % 8);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	static const char token[] = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
	static const char htu[] = "https://server.example.com/token";
	Input		input = input_of(data, size);
	uint8		how = take_byte(&input);
	size_t		who = take_byte(&input) % lengthof(algs);
	SctDpopRequest request = {
		.htm = "POST", .htm_len = 4, .htu = htu, .htu_len = strlen(htu),
		.now = NOW * SECOND, .max_age = 60 * SECOND, .future_skew = 10 * SECOND
	};
	SctDpopProof *result = malloc(sizeof(SctDpopProof));
	SctDpopProof *again = malloc(sizeof(SctDpopProof));
	char		ath[SCT_THUMBPRINT_LEN];
	size_t		len;
	SctReason	reason;

	request.algs = (how & FEW_ALGS) != 0 ?
		SCT_ALG_BIT(SCT_ALG_ES256) | SCT_ALG_BIT(SCT_ALG_EDDSA) :
		SCT_ALG_BIT(SCT_ALG_COUNT) - 1;
	request.require_nonce = (how & REQUIRE_NONCE) != 0;
	request.any_time = (how & ANY_TIME) != 0;
	if ((how & WITH_TOKEN) != 0)
	{
		must(sct_dpop_ath(token, strlen(token), ath) == SCT_OK, "a token has an ath");
		request.ath = ath;
	}
	if ((how & REQUIRE_KEY) != 0)
	{
		request.jkt = jkts[who];
		request.jkt_len = SCT_THUMBPRINT_LEN;
	}
	if ((how & SIGN) != 0)
		len = sign(&input, &signers[who]);
	else
	{
		len = Min(input.len, sizeof(proof));
		memcpy(proof, input.at, len);
	}

	reason = verify(proof, len, &request, result);
	must(verify(proof, len, &request, again) == reason,
		 "a verdict is the same each time");
	must(result->has_alg == again->has_alg && result->has_iat == again->has_iat &&
		 (!result->has_alg || result->alg == again->alg) &&
		 (!result->has_iat || result->iat == again->iat),
		 "and so is what is said of a proof that was refused");
	must(reason == SCT_OK || strcmp(sct_reason_error(reason), "invalid_dpop_proof") == 0 ||
		 reason == SCT_NONCE || reason == SCT_JKT, "a refusal has a reason of its own");
	if (reason == SCT_OK)
	{
		uint8		digest[SCT_SHA256_LEN];
		uint8		digest_again[SCT_SHA256_LEN];

		check_accepted(&request, result);
		must((how & SIGN) == 0 || memcmp(result->jkt, jkts[who], SCT_THUMBPRINT_LEN) == 0,
			 "a proof is of the key that has signed it");
		must(sct_dpop_digest("as", 2, &request, result, digest) == SCT_OK &&
			 sct_dpop_digest("as", 2, &request, again, digest_again) == SCT_OK &&
			 memcmp(digest, digest_again, SCT_SHA256_LEN) == 0,
			 "a proof is remembered by one thing");
		check_bits(proof, len, &request, again);
	}
	if ((how & SIGN) != 0 && reason == SCT_SIGNATURE)
		must(sct_thumbprint_key(&result->jwk, result->jkt) == SCT_OK &&
			 (memcmp(result->jkt, jkts[who], SCT_THUMBPRINT_LEN) != 0 ||
			  (result->jwk.type == SCT_KEY_RSA && result->alg != algs[who])),
			 "what a key has signed is its signature");
	free(again);
	free(result);
	return done_with_input();
}
