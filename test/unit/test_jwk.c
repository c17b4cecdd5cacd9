/*
 * test_jwk.c
 *		Which JWKs are public keys that a signature may be verified with.
 */
#include "unit.h"

#include "../../src/core/base64url.h"
#include "../../src/core/crypto.h"

/* RFC 7515 A.3 and RFC 8037 A.2, without their private members */
#define EC_XY \
	"\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"," \
	"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\""
#define EC		"\"kty\":\"EC\",\"crv\":\"P-256\"," EC_XY
#define OKP_X	"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
#define OKP		"\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" OKP_X "\""

static SctJson json;
static SctJwk jwk;
static char space[SCT_JSON_SPACE(SCT_JSON_MAX_LEN)];

static SctReason
parse(const char *text)
{
	SctReason	reason = sct_json_parse(text, strlen(text), space, &json);

	if (reason != SCT_OK)
		return reason;
	return sct_jwk_parse(&json, &json.nodes[0], &jwk);
}

/* Parses, and asks whether the key may be used with alg. */
static SctReason
usable(const char *text, const char *alg)
{
	SctReason	reason = parse(text);

	if (reason == SCT_OK)
		reason = sct_jwk_usable(&json, &json.nodes[0], &jwk, alg);
	return reason;
}

static void
verdict(SctReason reason, SctReason expected, const char *claim)
{
	ok(reason == expected, "%s", claim);
	if (reason != expected)
		note("got %d, expected %d", reason, expected);
}

static void
form(void)
{
	SctPublicKey *key;

	verdict(parse("{" EC "}"), SCT_OK, "an EC key is read");
	ok(jwk.type == SCT_KEY_P256 && jwk.first_len == 32 && jwk.second_len == 32,
	   "an EC key has two coordinates");
	verdict(parse("{" OKP "}"), SCT_OK, "an OKP key is read");
	ok(jwk.type == SCT_KEY_ED25519 && jwk.first_len == 32 &&
	   jwk.second_len == 0, "an OKP key has one coordinate");
	verdict(parse("{\"kid\":[],\"x5u\":{}," OKP ",\"y\":7}"), SCT_OK,
			"members that identify nothing are not looked at");
	verdict(parse("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"d\":\"AA\","
				  "\"x\":\"" OKP_X "\"}"), SCT_OK,
			"a private member does not keep a key from being read");

	verdict(parse("[]"), SCT_JWK, "an array is no key");
	verdict(parse("\"" OKP_X "\""), SCT_JWK, "a string is no key");
	verdict(parse("{}"), SCT_JWK, "an empty object is no key");
	verdict(sct_jwk_parse(&json, NULL, &jwk), SCT_JWK, "nothing is no key");
	verdict(parse("{\"kty\":\"oct\",\"k\":\"AA\"}"), SCT_JWK,
			"a symmetric key is no key");
	verdict(parse("{\"kty\":\"ec\",\"crv\":\"P-256\"," EC_XY "}"), SCT_JWK,
			"kty is case-sensitive");
	verdict(parse("{\"kty\":\"EC\",\"crv\":\"p-256\"," EC_XY "}"), SCT_JWK,
			"crv is case-sensitive");
	verdict(parse("{\"kty\":\"EC\",\"crv\":\"secp256k1\"," EC_XY "}"), SCT_JWK,
			"secp256k1 is unknown");
	verdict(parse("{\"kty\":\"EC\",\"crv\":\"P-384\"," EC_XY "}"), SCT_JWK,
			"coordinates are of the curve's width");
	verdict(parse("{\"kty\":\"EC\"," EC_XY "}"), SCT_JWK, "crv is required");
	verdict(parse("{\"kty\":\"OKP\",\"crv\":\"P-256\"," EC_XY "}"), SCT_JWK,
			"kty and crv go together");
	verdict(parse("{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"" OKP_X "\"}"),
			SCT_JWK, "X25519 signs nothing");
	verdict(parse("{\"kty\":\"RSA\"," EC_XY "}"), SCT_JWK,
			"an RSA key has n and e");
	verdict(parse("{\"kty\":\"OKP\",\"crv\":\"Ed25519\","
				  "\"x\":\"" OKP_X "=\"}"), SCT_JWK, "padding is refused");
	verdict(parse("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":"
				  "\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURp\"}"),
			SCT_JWK, "stray bits are refused");
	verdict(parse("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":7}"), SCT_JWK,
			"a coordinate is a string");

	verdict(usable("{\"kty\":\"EC\",\"crv\":\"P-256\","
				   "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
				   "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a4\"}",
				   "ES256"), SCT_OK, "a point off the curve is read");
	verdict(sct_crypto_key_import(&jwk, &key), SCT_KEY,
			"a point off the curve is not loaded");
}

/* RFC 9449 4.3 (7): on presence alone */
static void
private_members(void)
{
	static const char *const members[] = {
		"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"
	};
	static const char *const values[] = {"\"AA\"", "\"\"", "null", "[]"};

	for (size_t i = 0; i < lengthof(members); i++)
	{
		bool		refused = true;

		for (size_t j = 0; j < lengthof(values); j++)
		{
			char		text[256];

			snprintf(text, sizeof(text), "{" OKP ",\"%s\":%s}", members[i],
					 values[j]);
			if (usable(text, "EdDSA") != SCT_PRIVATE_KEY)
				refused = false;
		}
		ok(refused, "a key with \"%s\" is private, whatever its value",
		   members[i]);
	}
	verdict(usable("{" OKP ",\"\\u0064\":\"AA\"}", "EdDSA"), SCT_PRIVATE_KEY,
			"an escaped name hides nothing");
	verdict(usable("{" OKP ",\"D\":1,\"dd\":1,\"\":1}", "EdDSA"), SCT_OK,
			"names of private members are case-sensitive and whole");
	verdict(usable("{" OKP ",\"x-d\":{\"d\":\"AA\"}}", "EdDSA"), SCT_OK,
			"a member of a member is none of the key");
}

/* RFC 7517 4.2 to 4.4 */
static void
purpose(void)
{
	verdict(usable("{" OKP ",\"use\":\"sig\",\"alg\":\"EdDSA\","
				   "\"key_ops\":[\"verify\"]}", "EdDSA"), SCT_OK,
			"use, alg and key_ops may say what we do");
	verdict(usable("{" OKP ",\"use\":\"enc\"}", "EdDSA"), SCT_KEY_USE,
			"use enc is refused");
	verdict(usable("{" OKP ",\"use\":\"SIG\"}", "EdDSA"), SCT_KEY_USE,
			"use is case-sensitive");
	verdict(usable("{" OKP ",\"use\":null}", "EdDSA"), SCT_KEY_USE,
			"use is a string");
	verdict(usable("{" OKP ",\"use\":[\"sig\"]}", "EdDSA"), SCT_KEY_USE,
			"use is no array");
	verdict(usable("{" OKP ",\"alg\":\"ES256\"}", "EdDSA"), SCT_KEY_USE,
			"alg of another algorithm is refused");
	verdict(usable("{" OKP ",\"alg\":\"Ed25519\"}", "EdDSA"), SCT_KEY_USE,
			"alg is the name in the header, not another for the same");
	verdict(usable("{" OKP ",\"alg\":7}", "EdDSA"), SCT_KEY_USE,
			"alg is a string");
	verdict(usable("{" OKP ",\"key_ops\":[\"sign\"]}", "EdDSA"), SCT_KEY_USE,
			"key_ops without verify is refused");
	verdict(usable("{" OKP ",\"key_ops\":[\"sign\",\"verify\"]}", "EdDSA"),
			SCT_OK, "key_ops may name more than verify");
	verdict(usable("{" OKP ",\"key_ops\":[]}", "EdDSA"), SCT_KEY_USE,
			"empty key_ops are refused");
	verdict(usable("{" OKP ",\"key_ops\":\"verify\"}", "EdDSA"), SCT_KEY_USE,
			"key_ops are an array");
	verdict(usable("{" OKP ",\"key_ops\":[\"verify\",\"verify\"]}", "EdDSA"),
			SCT_KEY_USE, "key_ops name nothing twice");
	verdict(usable("{" OKP ",\"key_ops\":[\"verify\",7]}", "EdDSA"),
			SCT_KEY_USE, "key_ops are strings");
	verdict(usable("{" OKP ",\"key_ops\":[[\"verify\"]]}", "EdDSA"),
			SCT_KEY_USE, "key_ops are not nested");
	verdict(usable("{" OKP ",\"key_ops\":[\"sign\"],\"other\":[\"verify\"]}",
				   "EdDSA"), SCT_KEY_USE, "another array is not key_ops");
}

/* An RSA key whose modulus has these bits, all of them one. */
static SctReason
rsa(int bits, uint8 last, const uint8 *exponent, size_t exponent_len)
{
	uint8		n[SCT_JWK_FIRST_MAX + 1];
	char		n_text[SCT_BASE64URL_ENCODED_LEN(sizeof(n)) + 1] = {0};
	char		e_text[64] = {0};
	char		text[2048];
	int			len = (bits + 7) / 8;

	memset(n, 0xff, sizeof(n));
	n[0] = (uint8) (0xff >> (len * 8 - bits));
	n[len - 1] = last;
	sct_base64url_encode(n, len, n_text);
	sct_base64url_encode(exponent, exponent_len, e_text);
	snprintf(text, sizeof(text), "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"}",
			 n_text, e_text);
	return usable(text, "PS256");
}

static void
rsa_bounds(void)
{
	static const uint8 f4[] = {1, 0, 1};
	static const uint8 three[] = {3};
	static const uint8 one[] = {1};
	static const uint8 below_f4[] = {0xff, 0xff};
	static const uint8 even[] = {1, 0, 2};
	static const uint8 widest[] = {0xff, 0xff, 0xff, 0xff};
	static const uint8 too_wide[] = {1, 0, 0, 0, 1};
	static const uint8 leading_zero[] = {0, 1, 0, 1};
	static const uint8 zero[] = {0};

	verdict(rsa(2048, 0xff, f4, 3), SCT_OK, "2048 bits are enough");
	verdict(rsa(2047, 0xff, f4, 3), SCT_KEY, "2047 bits are not");
	verdict(rsa(2049, 0xff, f4, 3), SCT_OK, "2049 bits are no problem");
	verdict(rsa(1024, 0xff, f4, 3), SCT_KEY, "1024 bits are not enough");
	verdict(rsa(4096, 0xff, f4, 3), SCT_OK, "4096 bits are the most");
	verdict(rsa(4097, 0xff, f4, 3), SCT_KEY, "4097 bits are too many");
	verdict(rsa(8192, 0xff, f4, 3), SCT_KEY, "8192 bits are read, not used");
	verdict(rsa(8193, 0xff, f4, 3), SCT_JWK, "8193 bits are not even read");
	verdict(rsa(2048, 0xfe, f4, 3), SCT_KEY, "an even modulus is refused");
	verdict(rsa(2048, 0xff, three, 1), SCT_KEY, "e = 3 is refused");
	verdict(rsa(2048, 0xff, one, 1), SCT_KEY, "e = 1 is refused");
	verdict(rsa(2048, 0xff, below_f4, 2), SCT_KEY, "e = 65535 is refused");
	verdict(rsa(2048, 0xff, even, 3), SCT_KEY, "e = 65538 is refused");
	verdict(rsa(2048, 0xff, widest, 4), SCT_OK, "e = 2^32 - 1 is the most");
	verdict(rsa(2048, 0xff, too_wide, 5), SCT_KEY, "e = 2^32 + 1 is refused");
	verdict(rsa(2048, 0xff, leading_zero, 4), SCT_JWK,
			"an integer has no leading zero");
	verdict(rsa(2048, 0xff, zero, 1), SCT_JWK, "e = 0 is no integer of ours");
	verdict(rsa(2048, 0xff, zero, 0), SCT_JWK, "an empty e is no integer");
}

/* An OKP key of these bytes. */
static SctReason
okp(const char *crv, const uint8 *point, size_t len)
{
	char		x[SCT_BASE64URL_ENCODED_LEN(57) + 1] = {0};
	char		text[256];

	sct_base64url_encode(point, len, x);
	snprintf(text, sizeof(text),
			 "{\"kty\":\"OKP\",\"crv\":\"%s\",\"x\":\"%s\"}", crv, x);
	return usable(text, "EdDSA");
}

/*
 * Is the point with little-endian y = low + fill (all bytes between) and this
 * highest byte refused, with and without its sign?
 */
static void
ed25519_point(uint8 low, uint8 fill, uint8 high, SctReason expected,
			  const char *claim)
{
	uint8		point[32];
	bool		same;

	memset(point, fill, sizeof(point));
	point[0] = low;
	point[31] = high;
	same = okp("Ed25519", point, sizeof(point)) == expected;
	point[31] |= 0x80;
	same = same && okp("Ed25519", point, sizeof(point)) == expected;
	ok(same, "Ed25519: %s", claim);
}

static void
ed448_point(uint8 low, uint8 fill, uint8 middle, SctReason expected,
			const char *claim)
{
	uint8		point[57];
	bool		same;

	memset(point, fill, sizeof(point));
	point[0] = low;
	point[28] = middle;
	point[56] = 0;
	same = okp("Ed448", point, sizeof(point)) == expected;
	point[56] = 0x80;
	same = same && okp("Ed448", point, sizeof(point)) == expected;
	ok(same, "Ed448: %s", claim);
}

static void
edwards_points(void)
{
	uint8		order8[32] = {
		0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
		0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
		0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05
	};
	uint8		stray[57] = {3};

	verdict(usable("{" OKP "}", "EdDSA"), SCT_OK, "Ed25519: RFC 8037 A.2");
	ed25519_point(0, 0, 0, SCT_KEY, "y = 0 is of order 4");
	ed25519_point(1, 0, 0, SCT_KEY, "y = 1 is the identity");
	ed25519_point(2, 0, 0, SCT_OK, "y = 2 is a number like others");
	ed25519_point(0xec, 0xff, 0x7f, SCT_KEY, "y = p - 1 is of order 2");
	ed25519_point(0xeb, 0xff, 0x7f, SCT_OK, "y = p - 2 is the largest");
	ed25519_point(0xed, 0xff, 0x7f, SCT_KEY, "y = p is 0 in other words");
	ed25519_point(0xee, 0xff, 0x7f, SCT_KEY, "y = p + 1 is 1 in other words");
	ed25519_point(0xff, 0xff, 0x7f, SCT_KEY, "y = 2^255 - 1 is not reduced");
	ed25519_point(0xff, 0xff, 0x7e, SCT_OK, "y just below 2^255 - 2^248 is");
	verdict(okp("Ed25519", order8, 32), SCT_KEY,
			"Ed25519: a point of order 8 is refused");
	order8[31] |= 0x80;
	verdict(okp("Ed25519", order8, 32), SCT_KEY,
			"Ed25519: its negative is refused");

	/* p - y */
	order8[31] &= 0x7f;
	for (int i = 0, borrow = 0; i < 32; i++)
	{
		int			byte = (i == 0 ? 0xed : i == 31 ? 0x7f : 0xff) -
			order8[i] - borrow;

		borrow = byte < 0;
		order8[i] = (uint8) byte;
	}
	verdict(okp("Ed25519", order8, 32), SCT_KEY,
			"Ed25519: the other point of order 8 is refused");
	verdict(okp("Ed25519", order8, 31), SCT_JWK, "Ed25519: 31 bytes");

	ed448_point(0, 0, 0, SCT_KEY, "y = 0 is of order 4");
	ed448_point(1, 0, 0, SCT_KEY, "y = 1 is the identity");
	ed448_point(2, 0, 0, SCT_OK, "y = 2 is a number like others");
	ed448_point(0xfe, 0xff, 0xfe, SCT_KEY, "y = p - 1 is of order 2");
	ed448_point(0xfd, 0xff, 0xfe, SCT_OK, "y = p - 2 is the largest");
	ed448_point(0xff, 0xff, 0xfe, SCT_KEY, "y = p is 0 in other words");
	ed448_point(0x00, 0xff, 0xff, SCT_KEY, "y above p is not reduced");
	ed448_point(0xff, 0xff, 0xff, SCT_KEY, "y = 2^448 - 1 is not reduced");
	stray[56] = 1;
	verdict(okp("Ed448", stray, 57), SCT_KEY,
			"Ed448: the last byte is nothing but the sign");
	stray[56] = 0;
	verdict(okp("Ed448", stray, 56), SCT_JWK, "Ed448: 56 bytes");
}

int
main(void)
{
	form();
	private_members();
	purpose();
	rsa_bounds();
	edwards_points();
	return done();
}
