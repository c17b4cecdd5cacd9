/*
 * fuzz_jwk.c
 *		JWKs: the canonical form of a key is the form of that key alone, and no key
 *		that may be used takes a signature which nobody made.
 */
#include "fuzz.h"

#include "../../src/core/base64url.h"
#include "../../src/core/client_jwk.h"
#include "../../src/core/dpop_proof.h"
#include "../../src/core/thumbprint.h"

static SctJson json;
static SctJson canonical_json;

static bool
same_key(const SctJwk *a, const SctJwk *b)
{
	return a->type == b->type &&
		a->first_len == b->first_len && a->second_len == b->second_len &&
		memcmp(a->first, b->first, a->first_len) == 0 &&
		memcmp(a->second, b->second, a->second_len) == 0;
}

static void
check_canonical(const SctJwk *jwk)
{
	char	   *canonical = malloc(SCT_JWK_CANONICAL_MAX);
	char	   *again = malloc(SCT_JWK_CANONICAL_MAX);
	size_t		len = sct_jwk_canonical(jwk, canonical);
	char	   *space = malloc(SCT_JSON_SPACE(len));
	SctJwk		read;

	must(sct_json_parse(canonical, len, space, &canonical_json) == SCT_OK &&
		 sct_jwk_parse(&canonical_json, &canonical_json.nodes[0], &read) == SCT_OK,
		 "a canonical form is a JWK");
	must(same_key(jwk, &read), "and of the same key");
	must(sct_jwk_canonical(&read, again) == len &&
		 memcmp(canonical, again, len) == 0, "it has itself as canonical form");
	must(!sct_jwk_is_private(&canonical_json, &canonical_json.nodes[0]),
		 "it holds nothing private");
	free(space);
	free(again);
	free(canonical);
}

/* Loads a key that is safe, and holds junk against it. */
static void
check_import(const SctJwk *jwk)
{
	uint8		signature[SCT_JWK_FIRST_MAX];
	SctPublicKey *key;
	SctReason	reason = sct_crypto_key_import(jwk, &key);

	must(reason == SCT_OK || reason == SCT_KEY, "a safe key can be loaded, or is none");
	must((reason == SCT_OK) == (key != NULL), "a key is there when it was loaded");
	if (reason != SCT_OK)
		return;
	for (SctAlg alg = 0; alg < SCT_ALG_COUNT; alg++)
	{
		size_t		len = jwk->type == SCT_KEY_RSA ? jwk->first_len :
			2 * jwk->first_len;

		if (!sct_alg_fits(alg, jwk->type))
		{
			must(sct_crypto_verify(key, alg, "x", 1, signature, 1) == SCT_ALG,
				 "an algorithm of another key is refused");
			continue;
		}
		/* all zeros, R = S = 1, and the key itself: what others have taken */
		memset(signature, 0, len);
		must(sct_crypto_verify(key, alg, "x", 1, signature, len) == SCT_SIGNATURE,
			 "zeros are no signature");
		signature[len - 1] = signature[len / 2 - 1] = 1;
		must(sct_crypto_verify(key, alg, "x", 1, signature, len) == SCT_SIGNATURE,
			 "ones are no signature");
		memcpy(signature, jwk->first, Min(jwk->first_len, len));
		must(sct_crypto_verify(key, alg, "x", 1, signature, len) == SCT_SIGNATURE,
			 "a key is no signature");
		must(sct_crypto_verify(key, alg, "x", 1, signature, 0) == SCT_SIGNATURE &&
			 sct_crypto_verify(key, alg, "x", 1, signature, len - 1) == SCT_SIGNATURE,
			 "a signature is whole");
	}
	sct_crypto_key_free(key);
}

/* A key of a client's JWK Set */
static void
check_client_key(const SctJsonNode *node)
{
	char		thumbprint[SCT_THUMBPRINT_LEN];
	char		again[SCT_THUMBPRINT_LEN];
	char		jkt[SCT_THUMBPRINT_LEN];
	SctJwk		jwk;

	for (int by_key = 0; by_key <= 1; by_key++)
	{
		SctReason	reason = sct_client_jwk_read(&json, node, by_key, thumbprint);

		must(sct_client_jwk_read(&json, node, by_key, again) == reason,
			 "a verdict on a client's key is the same each time");
		if (reason != SCT_OK)
			continue;
		must(memcmp(thumbprint, again, sizeof(again)) == 0, "and so is its thumbprint");
		must(sct_jwk_parse(&json, node, &jwk) == SCT_OK &&
			 sct_jwk_safe(&jwk) == SCT_OK && !sct_jwk_is_private(&json, node),
			 "a client's key is a safe public key");
		must(!by_key ||
			 (sct_thumbprint_key(&jwk, jkt) == SCT_OK &&
			  memcmp(jkt, thumbprint, SCT_THUMBPRINT_LEN) == 0),
			 "the thumbprint of a client's key is its jkt");
	}
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	Input		input = input_of(data, size);
	char	   *text = exact(input.at, input.len);
	char	   *space = malloc(SCT_JSON_SPACE(input.len));
	SctJwk		jwk;
	SctJwk		again;

	if (sct_json_parse(text, input.len, space, &json) == SCT_OK)
	{
		const SctJsonNode *root = &json.nodes[0];
		SctReason	reason = sct_jwk_parse(&json, root, &jwk);

		must(reason == SCT_OK || reason == SCT_JWK, "a key is a JWK or is none");
		must(sct_jwk_parse(&json, root, &again) == reason &&
			 (reason != SCT_OK || same_key(&jwk, &again)),
			 "a verdict on a key is the same each time");
		if (reason == SCT_OK)
		{
			SctReason	usable = SCT_KEY;

			check_canonical(&jwk);
			for (SctAlg alg = 0; alg < SCT_ALG_COUNT; alg++)
			{
				if (sct_alg_fits(alg, jwk.type) &&
					sct_jwk_usable(&json, root, &jwk, sct_alg_name(alg)) == SCT_OK)
					usable = SCT_OK;
			}
			must(usable != SCT_OK ||
				 (sct_jwk_safe(&jwk) == SCT_OK && !sct_jwk_is_private(&json, root)),
				 "a key that may be used is safe and public");
			if (sct_jwk_safe(&jwk) == SCT_OK)
				check_import(&jwk);
		}
		check_client_key(root);
		for (int i = 1; i < json.count && root->type == SCT_JSON_OBJECT; i++)
		{
			if (json.nodes[i].parent > 0 && json.nodes[json.nodes[i].parent].parent == 0)
				check_client_key(&json.nodes[i]);
		}
	}
	free(space);
	free(text);
	return done_with_input();
}
