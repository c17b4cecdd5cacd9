/*
 * dpop_proof.c
 *		A DPoP proof checked against one request, see dpop_proof.h.
 *
 * The numbers in the comments are those of the list in RFC 9449 4.3.
 */
#include "../compat.h"

#include <math.h>

#include "base64url.h"
#include "dpop_proof.h"
#include "key_cache.h"

/*
 * 1970-01-01 to 9999-12-31T23:59:59Z: every such time is one of PostgreSQL's too,
 * and every sum of them is far away from overflow.
 */
#define MAX_NUMERIC_DATE	253402300799.0

#define MAX_ACCESS_TOKEN	65536

/*
 * Reads a NumericDate (RFC 7519 2): any JSON number, fraction and exponent
 * included.
 */
static bool
numeric_date(const SctJsonNode *claim, int64 *microseconds)
{
	double		seconds;

	if (claim == NULL || claim->type != SCT_JSON_NUMBER)
		return false;

	/* the text is a JSON number, NUL-terminated: strtod reads all of it */
	seconds = strtod(claim->value, NULL);
	if (!(seconds >= 0 && seconds <= MAX_NUMERIC_DATE))
		return false;
	*microseconds = (int64) floor(seconds * 1000000.0 + 0.5);
	return true;
}

static bool
claim_equals(const SctJsonNode *claim, const char *text, size_t len)
{
	return claim != NULL && claim->type == SCT_JSON_STRING &&
		claim->value_len == len && memcmp(claim->value, text, len) == 0;
}

/* Decodes and parses one part of the JWS, which must be a JSON object. */
static SctReason
parse_part(const char *part, size_t len, char *text, size_t *text_len,
		   char *space, SctJson *json)
{
	SctReason	reason;

	reason = sct_base64url_decode(part, len, (uint8 *) text, text_len);
	if (reason == SCT_OK)
		reason = sct_json_parse(text, *text_len, space, json);
	if (reason == SCT_OK && json->nodes[0].type != SCT_JSON_OBJECT)
		reason = SCT_JSON;
	return reason;
}

/* typ, crit, alg and jwk: (4), (5), (7) and the key's own rules */
static SctReason
check_header(const SctJson *header, const SctDpopRequest *request,
			 SctDpopProof *proof)
{
	const SctJsonNode *root = &header->nodes[0];
	const SctJsonNode *jwk = sct_json_member(header, root, "jwk");
	SctReason	reason;

	if (!sct_json_string_is(sct_json_member(header, root, "typ"), "dpop+jwt"))
		return SCT_TYP;
	reason = sct_jws_header(header, &proof->alg);
	if (reason != SCT_OK)
		return reason;
	proof->has_alg = true;
	if ((request->algs & SCT_ALG_BIT(proof->alg)) == 0)
		return SCT_ALG;

	reason = sct_jwk_parse(header, jwk, &proof->jwk);
	if (reason != SCT_OK)
		return reason;
	if (!sct_alg_fits(proof->alg, proof->jwk.type))
		return SCT_ALG;

	/* "EdDSA" alone stands for Ed25519; Ed448 is asked for by its own name */
	if (proof->jwk.type == SCT_KEY_ED448 &&
		(request->algs & SCT_ALG_BIT(SCT_ALG_ED448)) == 0)
		return SCT_ALG;
	return sct_jwk_usable(header, jwk, &proof->jwk, sct_alg_name(proof->alg));
}

/* iat, exp and nbf against the clock of the call: (11), RFC 7519 4.1.4, 4.1.5 */
static SctReason
check_times(const SctJson *claims, const SctDpopRequest *request,
			SctDpopProof *proof)
{
	const SctJsonNode *root = &claims->nodes[0];
	const SctJsonNode *exp = sct_json_member(claims, root, "exp");
	const SctJsonNode *nbf = sct_json_member(claims, root, "nbf");
	int64		at;

	if (!numeric_date(sct_json_member(claims, root, "iat"), &proof->iat))
		return SCT_IAT;
	proof->has_iat = true;
	if (exp != NULL &&
		(!numeric_date(exp, &at) ||
		 (!request->any_time && at <= request->now - request->future_skew)))
		return SCT_EXP;
	if (nbf != NULL &&
		(!numeric_date(nbf, &at) ||
		 (!request->any_time && at > request->now + request->future_skew)))
		return SCT_NBF;
	if (request->any_time)
		return SCT_OK;
	if (proof->iat < request->now - request->max_age)
		return SCT_IAT_PAST;
	if (proof->iat > request->now + request->future_skew)
		return SCT_IAT_FUTURE;
	return SCT_OK;
}

/* Is the claim 1*NQCHAR (RFC 9449 8.1) of a length that we would hand out? */
static bool
nonce_is_well_formed(const SctJsonNode *nonce)
{
	if (nonce->value_len == 0 || nonce->value_len > SCT_DPOP_MAX_NONCE)
		return false;
	for (size_t i = 0; i < nonce->value_len; i++)
	{
		char		c = nonce->value[i];

		if (c < 0x21 || c > 0x7e || c == '"' || c == '\\')
			return false;
	}
	return true;
}

/* Does the claim normalise to the URI of the request?  (9) */
static bool
htu_matches(const SctJsonNode *htu, const SctDpopRequest *request)
{
	char		normal[SCT_DPOP_MAX_LEN + 1];
	size_t		normal_len;

	if (htu == NULL || htu->type != SCT_JSON_STRING ||
		htu->value_len > SCT_DPOP_MAX_LEN)
		return false;
	return sct_uri_normalize(htu->value, htu->value_len,
							 normal, &normal_len) == SCT_OK &&
		normal_len == request->htu_len &&
		memcmp(normal, request->htu, normal_len) == 0;
}

static SctReason
check_claims(const SctJson *claims, const SctDpopRequest *request,
			 SctDpopProof *proof)
{
	const SctJsonNode *root = &claims->nodes[0];
	const SctJsonNode *jti = sct_json_member(claims, root, "jti");
	const SctJsonNode *nonce = sct_json_member(claims, root, "nonce");
	const SctJsonNode *ath = sct_json_member(claims, root, "ath");
	SctReason	reason;

	/* (8): methods are case-sensitive (RFC 9110 9.1) */
	if (!claim_equals(sct_json_member(claims, root, "htm"),
					  request->htm, request->htm_len))
		return SCT_HTM;
	if (!htu_matches(sct_json_member(claims, root, "htu"), request))
		return SCT_HTU;
	reason = check_times(claims, request, proof);
	if (reason != SCT_OK)
		return reason;

	/* RFC 9449 11.1: refuse a jti that is large without need */
	if (jti == NULL || jti->type != SCT_JSON_STRING ||
		jti->value_len == 0 || jti->value_len > SCT_DPOP_MAX_JTI)
		return SCT_JTI;

	/* (10) is for whoever knows the nonces; here only its form counts */
	if (nonce != NULL && nonce->type != SCT_JSON_STRING)
		return SCT_NONCE_TYPE;
	if (nonce != NULL && !nonce_is_well_formed(nonce))
		return request->require_nonce ? SCT_NONCE : SCT_NONCE_SYNTAX;

	/*
	 * (12).  An ath that nobody can check is refused: the client meant this
	 * proof for a resource server, together with an access token.
	 */
	if (request->ath == NULL && ath != NULL)
		return SCT_ATH_UNEXPECTED;
	if (request->ath != NULL &&
		!claim_equals(ath, request->ath, SCT_THUMBPRINT_LEN))
		return SCT_ATH;

	proof->jti = jti->value;
	proof->jti_len = jti->value_len;
	proof->nonce = nonce != NULL ? nonce->value : NULL;
	proof->nonce_len = nonce != NULL ? nonce->value_len : 0;
	proof->ath = ath != NULL ? ath->value : NULL;
	proof->ath_len = ath != NULL ? ath->value_len : 0;
	return SCT_OK;
}

/* (6): the signature of the key in the header, and of no other */
static SctReason
check_signature(const char *text, const SctJwsParts *parts,
				const uint8 *thumbprint, SctDpopProof *proof)
{
	SctPublicKey *key = sct_key_cache_find(thumbprint);
	bool		cached = key != NULL;
	size_t		signature_len;
	SctReason	reason;

	proof->has_key = true;
	proof->key_found = cached;
	reason = sct_base64url_decode(parts->signature, parts->signature_len,
								  proof->signature, &signature_len);
	if (reason != SCT_OK)
		return reason;
	if (!cached)
	{
		reason = sct_crypto_key_import(&proof->jwk, &key);
		if (reason != SCT_OK)
			return reason;
	}
	reason = sct_crypto_verify(key, proof->alg, text, parts->signed_len,
							   proof->signature, signature_len);
	if (!cached && reason == SCT_OK)
		sct_key_cache_add(thumbprint, key);
	else if (!cached)
		sct_crypto_key_free(key);
	return reason;
}

static SctReason
thumbprint_of(const SctJwk *jwk, uint8 *thumbprint)
{
	char		canonical[SCT_JWK_CANONICAL_MAX];

	return sct_crypto_sha256(canonical, sct_jwk_canonical(jwk, canonical),
							 thumbprint);
}

SctReason
sct_dpop_verify(const char *proof, size_t len, const SctDpopRequest *request,
				SctDpopProof *result)
{
	SctJwsParts parts;
	uint8		thumbprint[SCT_SHA256_LEN];
	size_t		header_len;
	SctReason	reason;

	result->has_alg = false;
	result->has_iat = false;
	result->has_key = false;

	if (proof == NULL)
		return SCT_MISSING;
	if (len > SCT_DPOP_MAX_LEN)
		return SCT_TOO_LONG;
	reason = sct_jws_split(proof, len, &parts);
	if (reason != SCT_OK)
		return reason;
	if (parts.payload_len == 0)
		return SCT_MALFORMED;

	reason = parse_part(parts.header, parts.header_len, result->header,
						&header_len, result->header_space, &result->json);
	if (reason == SCT_OK)
		reason = check_header(&result->json, request, result);
	if (reason != SCT_OK)
		return reason;

	/* from here on the tree holds the claims, the header is done with */
	reason = parse_part(parts.payload, parts.payload_len, result->payload,
						&result->claims_len, result->payload_space,
						&result->json);
	if (reason == SCT_OK)
		reason = check_claims(&result->json, request, result);
	if (reason == SCT_OK)
		reason = thumbprint_of(&result->jwk, thumbprint);
	if (reason == SCT_OK)
		reason = check_signature(proof, &parts, thumbprint, result);
	if (reason != SCT_OK)
		return reason;

	result->claims = result->payload;
	sct_base64url_encode(thumbprint, SCT_SHA256_LEN, result->jkt);
	if (request->jkt != NULL &&
		(request->jkt_len != SCT_THUMBPRINT_LEN ||
		 memcmp(request->jkt, result->jkt, SCT_THUMBPRINT_LEN) != 0))
		return SCT_JKT;
	return SCT_OK;
}

SctReason
sct_dpop_key(const char *text, size_t len, SctDpopProof *proof, char *jkt)
{
	SctJwsParts parts;
	size_t		header_len;
	SctReason	reason;

	if (len > SCT_DPOP_MAX_LEN)
		return SCT_TOO_LONG;
	reason = sct_jws_split(text, len, &parts);
	if (reason == SCT_OK)
		reason = parse_part(parts.header, parts.header_len, proof->header,
							&header_len, proof->header_space, &proof->json);
	if (reason == SCT_OK)
		reason = sct_jwk_parse(&proof->json,
							   sct_json_member(&proof->json, &proof->json.nodes[0],
											   "jwk"),
							   &proof->jwk);
	if (reason == SCT_OK)
		reason = sct_thumbprint_key(&proof->jwk, jkt);
	return reason;
}

/* Appends a part with its length (4 bytes, big-endian) before it. */
static char *
digest_part(char *dst, const char *part, size_t len)
{
	for (int shift = 24; shift >= 0; shift -= 8)
		*dst++ = (char) (len >> shift);
	memcpy(dst, part, len);
	return dst + len;
}

SctReason
sct_dpop_digest(const char *server, size_t server_len,
				const SctDpopRequest *request, const SctDpopProof *proof,
				uint8 *digest)
{
	char		buf[SCT_DPOP_MAX_SERVER + SCT_THUMBPRINT_LEN + SCT_DPOP_MAX_HTM +
					SCT_URI_MAX_LEN + SCT_DPOP_MAX_JTI + 5 * 4];
	char	   *end = buf;

	if (server_len > SCT_DPOP_MAX_SERVER || request->htm_len > SCT_DPOP_MAX_HTM)
		return SCT_INTERNAL;
	end = digest_part(end, server, server_len);
	end = digest_part(end, proof->jkt, SCT_THUMBPRINT_LEN);
	end = digest_part(end, request->htm, request->htm_len);
	end = digest_part(end, request->htu, request->htu_len);
	end = digest_part(end, proof->jti, proof->jti_len);
	return sct_crypto_sha256(buf, end - buf, digest);
}

SctReason
sct_dpop_ath(const char *access_token, size_t len, char *ath)
{
	if (len == 0 || len > MAX_ACCESS_TOKEN)
		return SCT_ACCESS_TOKEN;
	for (size_t i = 0; i < len; i++)
	{
		if (access_token[i] < 0x20 || access_token[i] > 0x7e)
			return SCT_ACCESS_TOKEN;
	}
	return sct_thumbprint_bytes(access_token, len, ath);
}
