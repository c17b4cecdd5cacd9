/*
 * test_properties.c
 *		What holds for every URI, and for every bit of a proof, token or nonce.
 */
#include "unit.h"

#include "signer.h"

#include "../../src/core/dpop_proof.h"
#include "../../src/core/nonce.h"
#include "../../src/core/token.h"

#define SECOND	INT64CONST(1000000)
#define NOW		INT64CONST(1700000000)
#define HTU		"https://server.example.com/token"
#define JKT		"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"

#define URIS		100000
#define MAX_URI		4096
#define MAX_PARTS	6

/* The same in each run */
static uint64 random_state = 1;

static uint32
random_below(uint32 n)
{
	random_state = random_state * UINT64CONST(6364136223846793005) + 1442695040888963407;
	return (uint32) (random_state >> 33) % n;
}

/* A URI as RFC 3986 sees it: what two equal ones have in common. */
typedef struct Uri
{
	bool		https;
	char		host[64];
	int			port;			/* -1: the scheme's own */
	int			count;
	char		segments[MAX_PARTS][16];
} Uri;

/* A character that needs no escape, or one that stays escaped */
static char *
put_character(char *at, bool in_host)
{
	static const char plain[] = "abcxyz019-._~!$&'()*+,;=";
	static const char *const escaped[] = {"%2F", "%3A", "%25", "%C3%A9", "%00", "%20"};

	if (random_below(5) == 0)
		return at + sprintf(at, "%s", escaped[random_below(lengthof(escaped))]);
	*at = plain[random_below(sizeof(plain) - 1)];

	/* a host may not look like the dots between others */
	if (in_host && *at == '.')
		*at = 'd';
	return at + 1;
}

static void
make_uri(Uri *uri)
{
	static const char *const literals[] = {"[2001:db8::1]", "[::ffff:192.0.2.1]", "192.0.2.1"};
	char	   *at = uri->host;

	uri->https = random_below(2) == 0;
	uri->port = random_below(3) == 0 ? 1 + (int) random_below(65535) : -1;
	if (uri->port == (uri->https ? 443 : 80))
		uri->port = -1;
	if (random_below(8) == 0)
		at += sprintf(at, "%s", literals[random_below(lengthof(literals))]);
	else
	{
		for (uint32 i = 0; i <= random_below(4); i++)
			at = put_character(at, true);
	}
	*at = '\0';
	uri->count = 1 + (int) random_below(MAX_PARTS);
	for (int i = 0; i < uri->count; i++)
	{
		at = uri->segments[i];
		for (uint32 left = random_below(3); left > 0; left--)
			at = put_character(at, false);
		*at = '\0';

		/* these are not segments but ways */
		if (strcmp(uri->segments[i], ".") == 0 || strcmp(uri->segments[i], "..") == 0)
			strcpy(uri->segments[i], "x");
	}
}

/* Writes one character of several that RFC 3986 6.2.2 calls equal. */
static char *
spell_character(char *at, const char **from, bool any_case, bool may_escape)
{
	char		c = *(*from)++;

	if (c == '%')
	{
		*at++ = c;
		for (int i = 0; i < 2; i++)
		{
			c = *(*from)++;
			*at++ = random_below(2) == 0 ? pg_tolower(c) : c;
		}
		return at;
	}
	if (any_case && random_below(2) == 0)
		c = pg_toupper(c);
	if (may_escape && random_below(4) == 0 &&
		(isalnum((unsigned char) c) || strchr("-._~", c) != NULL))
		return at + sprintf(at, random_below(2) == 0 ? "%%%02x" : "%%%02X", c);
	*at++ = c;
	return at;
}

/* Writes one of many texts that all are this URI. */
static size_t
spell(const Uri *uri, char *text)
{
	const char *from = uri->https ? "https://" : "http://";
	char	   *at = text;
	int			port = uri->port != -1 ? uri->port : uri->https ? 443 : 80;

	while (*from != '\0')
		at = spell_character(at, &from, true, false);
	for (from = uri->host; *from != '\0';)
		at = spell_character(at, &from, true, uri->host[0] != '[');
	if (uri->port != -1 || random_below(3) == 0)
		at += sprintf(at, ":%0*d", 1 + (int) random_below(7), port);
	else if (random_below(3) == 0)
		*at++ = ':';

	/* an empty path is "/" (RFC 3986 6.2.3) */
	if (uri->count > 1 || uri->segments[0][0] != '\0' || random_below(2) == 0)
	{
		for (int i = 0; i < uri->count; i++)
		{
			static const char *const detours[] = {
				"/.", "/x/..", "/%2e", "/a/%2E%2e", "/x/./y/../.."
			};

			if (random_below(4) == 0)
				at += sprintf(at, "%s", detours[random_below(lengthof(detours))]);
			*at++ = '/';
			for (from = uri->segments[i]; *from != '\0';)
				at = spell_character(at, &from, false, true);
		}
	}
	if (random_below(3) == 0)
		at += sprintf(at, "?a=/../b%%20");
	if (random_below(3) == 0)
		at += sprintf(at, "#f?");
	return at - text;
}

/* What a proof for this URI is remembered by; false when it is no URI. */
static bool
replay_key(const char *uri, size_t len, uint8 *digest)
{
	static SctDpopProof proof;
	SctDpopRequest request = {.htm = "POST", .htm_len = 4};
	char		htu[MAX_URI + 1];

	memcpy(proof.jkt, JKT, SCT_THUMBPRINT_LEN);
	proof.jti = "jti";
	proof.jti_len = 3;
	request.htu = htu;
	return sct_uri_normalize(uri, len, htu, &request.htu_len) == SCT_OK &&
		sct_dpop_digest("as", 2, &request, &proof, digest) == SCT_OK;
}

static bool
same_uri(const Uri *a, const Uri *b)
{
	if (a->https != b->https || a->port != b->port || a->count != b->count ||
		strcmp(a->host, b->host) != 0)
		return false;
	for (int i = 0; i < a->count; i++)
	{
		if (strcmp(a->segments[i], b->segments[i]) != 0)
			return false;
	}
	return true;
}

static void
uris(void)
{
	Uri			last = {0};
	uint8		last_key[SCT_SHA256_LEN] = {0};
	int			refused = 0;
	int			moved = 0;
	int			apart = 0;
	int			together = 0;

	for (int i = 0; i < URIS / divisor(); i++)
	{
		Uri			uri;
		char		text[MAX_URI];
		char		normal[MAX_URI + 1];
		char		again[MAX_URI + 1];
		uint8		key[SCT_SHA256_LEN];
		uint8		other_key[SCT_SHA256_LEN];
		size_t		len;
		size_t		normal_len;
		size_t		again_len;

		/* mostly unlike the one before, sometimes almost like it */
		make_uri(&uri);
		if (random_below(2) == 0 && i > 0)
		{
			Uri			like = last;

			if (random_below(2) == 0)
				strcpy(like.segments[random_below((uint32) like.count)], uri.segments[0]);
			else
				like.https = !like.https;
			if (like.port != (like.https ? 443 : 80))
				uri = like;
		}

		len = spell(&uri, text);
		if (sct_uri_normalize(text, len, normal, &normal_len) != SCT_OK ||
			!replay_key(text, len, key))
		{
			refused++;
			note("refused: %.*s", (int) len, text);
			continue;
		}
		if (sct_uri_normalize(normal, normal_len, again, &again_len) != SCT_OK ||
			again_len != normal_len || memcmp(again, normal, normal_len) != 0)
			moved++;
		len = spell(&uri, text);
		if (!replay_key(text, len, other_key) ||
			memcmp(key, other_key, SCT_SHA256_LEN) != 0)
		{
			apart++;
			note("%.*s is not %.*s", (int) normal_len, normal, (int) len, text);
		}
		if (i > 0 && (memcmp(key, last_key, SCT_SHA256_LEN) == 0) != same_uri(&uri, &last))
		{
			together++;
			note("%.*s is what was before it", (int) normal_len, normal);
		}
		last = uri;
		memcpy(last_key, key, SCT_SHA256_LEN);
	}
	ok(refused == 0, "%d URIs in any spelling are URIs", URIS / divisor());
	ok(moved == 0, "normalising a normal form gives it back");
	ok(apart == 0, "URIs that RFC 3986 calls equal have one replay key");
	ok(together == 0, "and others have others");
}

/* How many texts that differ from this one by a bit are accepted? */
static int
accepted_with_a_bit_changed(const char *text, size_t len,
							bool (*accept) (const char *text, size_t len))
{
	char	   *copy = malloc(len);
	int			accepted = 0;

	memcpy(copy, text, len);
	for (size_t bit = 0; bit < 8 * len; bit += (size_t) divisor())
	{
		copy[bit / 8] ^= (char) (1 << bit % 8);
		accepted += accept(copy, len);
		copy[bit / 8] ^= (char) (1 << bit % 8);
	}
	free(copy);
	return accepted;
}

static bool
accept_proof(const char *text, size_t len)
{
	static SctDpopProof proof;
	SctDpopRequest request = {
		.htm = "POST", .htm_len = 4, .htu = HTU, .htu_len = strlen(HTU),
		.algs = SCT_ALG_BIT(SCT_ALG_COUNT) - 1, .now = NOW * SECOND,
		.max_age = 60 * SECOND, .future_skew = 10 * SECOND
	};

	return sct_dpop_verify(text, len, &request, &proof) == SCT_OK;
}

static void
proofs(void)
{
	static const char claims[] =
		"{\"jti\":\"0a1B\",\"htm\":\"POST\",\"htu\":\"" HTU "\",\"iat\":1700000000,"
		"\"nonce\":\"n\",\"other\":{\"a\":[1,true,null]}}";

	Signer		signer = {0};

	for (SctAlg alg = 0; alg < SCT_ALG_COUNT; alg++)
	{
		char		header[2 * SIGNER_MAX_JWK];
		char		text[8192];
		size_t		len;

		/* all six of RSA with one key, which is dear to make */
		if (alg > SCT_ALG_PS256 && alg <= SCT_ALG_RS512)
			signer.alg = alg;
		else
		{
			EVP_PKEY_free(signer.key);
			signer_make(&signer, alg);
		}
		len = (size_t) sprintf(header, "{\"typ\":\"dpop+jwt\",\"alg\":\"%s\",\"jwk\":%s}",
							   sct_alg_name(alg), signer.jwk);
		len = signer_jws(&signer, header, len, claims, strlen(claims), text);
		ok(accept_proof(text, len) &&
		   accepted_with_a_bit_changed(text, len, accept_proof) == 0,
		   "%s: a proof is accepted, and with any of its %zu bits changed refused",
		   sct_alg_name(alg), 8 * len);
	}
	EVP_PKEY_free(signer.key);
}

static const uint8 key[SCT_SHA256_LEN] = "a key of 32 bytes for this test";

static bool
accept_token(const char *text, size_t len)
{
	SctToken	token;

	return sct_token_parse(text, len, &token) == SCT_OK &&
		sct_token_verify(text, key) == SCT_OK;
}

/* Writes the checksum of a token's text (doc/tokens.md), a remainder of its own. */
static void
put_checksum(char *text)
{
	static const char digits[] =
		"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	uint32		crc = 0xFFFFFFFF;

	for (int i = 0; i < 8 * (SCT_TOKEN_LEN - 6); i++)
	{
		uint32		bit = ((uint8) text[i / 8] >> i % 8) & 1;

		crc = (crc >> 1) ^ (((crc ^ bit) & 1) != 0 ? 0xEDB88320 : 0);
	}
	crc = ~crc;
	for (int i = SCT_TOKEN_LEN - 1; i >= SCT_TOKEN_LEN - 6; i--)
	{
		text[i] = digits[crc % 62];
		crc /= 62;
	}
}

static void
tokens(void)
{
	SctToken	token = {.key_id = 3, .generation = 77};
	char		text[SCT_TOKEN_LEN];
	char		copy[SCT_TOKEN_LEN];
	uint8		bytes[SCT_BASE64URL_DECODED_LEN(SCT_TOKEN_LEN)];
	size_t		len;
	int			accepted = 0;

	memset(token.family_id, 0xA5, sizeof(token.family_id));
	memset(token.secret, 0x5A, sizeof(token.secret));
	ok(sct_token_build(&token, key, text) == SCT_OK &&
	   accept_token(text, SCT_TOKEN_LEN) &&
	   accepted_with_a_bit_changed(text, SCT_TOKEN_LEN, accept_token) == 0,
	   "a token is accepted, and with any of its bits changed refused");

	memcpy(copy, text, SCT_TOKEN_LEN);
	put_checksum(copy);
	ok(memcmp(copy, text, SCT_TOKEN_LEN) == 0, "its checksum is that of doc/tokens.md");
	for (size_t bit = 0; bit < 8 * 72; bit++)
	{
		if (sct_base64url_decode(text + 4, SCT_TOKEN_LEN - 10, bytes, &len) != SCT_OK ||
			len != 72)
			accepted++;
		bytes[bit / 8] ^= (uint8) (1 << bit % 8);
		sct_base64url_encode(bytes, len, copy + 4);
		put_checksum(copy);
		accepted += accept_token(copy, SCT_TOKEN_LEN);
	}
	ok(accepted == 0, "and so is one with any bit of its bytes changed and a good checksum");
}

static const SctNonceClock nonce_clock = {NOW, 60, 3};
static const SctNonceScope nonce_scope = {"as", 2, JKT};

static bool
accept_nonce(const char *text, size_t len)
{
	SctNonce	nonce;
	SctNonceLife life;

	return sct_nonce_parse(text, len, &nonce) == SCT_OK &&
		sct_nonce_current(&nonce, &nonce_clock, &life) == SCT_OK &&
		sct_nonce_verify(&nonce, key, &nonce_scope, &nonce_clock) == SCT_OK;
}

static void
nonces(void)
{
	static const SctNonceScope unbound = {"as", 2, NULL};
	char		text[SCT_NONCE_LEN];

	ok(sct_nonce_build(3, key, &nonce_scope, &nonce_clock, text) == SCT_OK &&
	   accept_nonce(text, SCT_NONCE_LEN) &&
	   accepted_with_a_bit_changed(text, SCT_NONCE_LEN, accept_nonce) == 0,
	   "a nonce for one key is accepted, and with any of its bits changed refused");
	ok(sct_nonce_build(3, key, &unbound, &nonce_clock, text) == SCT_OK &&
	   accept_nonce(text, SCT_NONCE_LEN) &&
	   accepted_with_a_bit_changed(text, SCT_NONCE_LEN, accept_nonce) == 0,
	   "and so is a nonce for every key");
}

int
main(void)
{
	uris();
	proofs();
	tokens();
	nonces();
	return done();
}
