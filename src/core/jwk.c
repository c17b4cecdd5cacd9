/*
 * jwk.c
 *		Public keys as JWK, see jwk.h.
 *
 * Each key has one accepted spelling: full-width coordinates, minimal integers,
 * canonical base64url.  That is what makes a thumbprint identify a key.
 */
#include "../compat.h"

#include "base64url.h"
#include "jwk.h"

typedef struct KeyKind
{
	SctKeyType	type;
	const char *kty;
	const char *crv;			/* NULL for RSA */
	size_t		width;			/* bytes of a coordinate */
} KeyKind;

/* In the order of SctKeyType. */
static const KeyKind key_kinds[] = {
	{SCT_KEY_P256, "EC", "P-256", 32},
	{SCT_KEY_P384, "EC", "P-384", 48},
	{SCT_KEY_P521, "EC", "P-521", 66},
	{SCT_KEY_ED25519, "OKP", "Ed25519", 32},
	{SCT_KEY_ED448, "OKP", "Ed448", 57},
	{SCT_KEY_RSA, "RSA", NULL, 0}
};

/*
 * Members of a private or symmetric key: RFC 7518 6.2.2, 6.3.2 and 6.4.1,
 * RFC 8037 2, and "priv" of the key type AKP.
 */
static const char *const private_members[] = {
	"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"
};

/*
 * The y coordinates (little-endian, sign bit cleared) of the points of small
 * order on edwards25519.  With such a key one signature fits every message, and
 * OpenSSL loads it without complaint.
 */
static const uint8 ed25519_small_order[][32] = {
	{0},
	{1},
	{0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
	{0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
		0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
	0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
	{0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b,
		0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
	0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a}
};

/* Decodes a string member; SCT_JWK when it is missing or longer than max bytes. */
static SctReason
jwk_decode(const SctJson *json, const SctJsonNode *node, const char *name,
		   size_t max, uint8 *dst, size_t *dst_len)
{
	const SctJsonNode *member = sct_json_member(json, node, name);

	if (member == NULL || member->type != SCT_JSON_STRING ||
		member->value_len > SCT_BASE64URL_ENCODED_LEN(max))
		return SCT_JWK;
	if (sct_base64url_decode(member->value, member->value_len,
							 dst, dst_len) != SCT_OK)
		return SCT_JWK;
	return SCT_OK;
}

/* A Base64urlUInt has no leading zero octet (RFC 7518 2), and ours is not zero. */
static bool
jwk_integer_is_minimal(const uint8 *value, size_t len)
{
	return len > 0 && value[0] != 0;
}

SctReason
sct_jwk_parse(const SctJson *json, const SctJsonNode *node, SctJwk *jwk)
{
	const SctJsonNode *kty;
	const SctJsonNode *crv;
	const KeyKind *kind = NULL;

	if (node == NULL || node->type != SCT_JSON_OBJECT)
		return SCT_JWK;
	kty = sct_json_member(json, node, "kty");
	crv = sct_json_member(json, node, "crv");
	for (size_t i = 0; i < lengthof(key_kinds); i++)
	{
		if (sct_json_string_is(kty, key_kinds[i].kty) &&
			(key_kinds[i].crv == NULL ||
			 sct_json_string_is(crv, key_kinds[i].crv)))
			kind = &key_kinds[i];
	}
	if (kind == NULL)
		return SCT_JWK;

	jwk->type = kind->type;
	jwk->second_len = 0;
	if (kind->type == SCT_KEY_RSA)
	{
		if (jwk_decode(json, node, "n", SCT_JWK_FIRST_MAX,
					   jwk->first, &jwk->first_len) != SCT_OK ||
			jwk_decode(json, node, "e", SCT_JWK_SECOND_MAX,
					   jwk->second, &jwk->second_len) != SCT_OK)
			return SCT_JWK;
		if (!jwk_integer_is_minimal(jwk->first, jwk->first_len) ||
			!jwk_integer_is_minimal(jwk->second, jwk->second_len))
			return SCT_JWK;
		return SCT_OK;
	}

	if (jwk_decode(json, node, "x", kind->width,
				   jwk->first, &jwk->first_len) != SCT_OK ||
		jwk->first_len != kind->width)
		return SCT_JWK;
	if (kind->type <= SCT_KEY_P521 &&
		(jwk_decode(json, node, "y", kind->width,
					jwk->second, &jwk->second_len) != SCT_OK ||
		 jwk->second_len != kind->width))
		return SCT_JWK;
	return SCT_OK;
}

/* Do use, key_ops and alg, where present, allow verifying with alg? */
static bool
jwk_allows_verify(const SctJson *json, const SctJsonNode *node,
				  const char *alg)
{
	const SctJsonNode *use = sct_json_member(json, node, "use");
	const SctJsonNode *key_alg = sct_json_member(json, node, "alg");
	const SctJsonNode *key_ops = sct_json_member(json, node, "key_ops");
	int			array;
	bool		verify = false;

	if (use != NULL && !sct_json_string_is(use, "sig"))
		return false;
	if (key_alg != NULL && !sct_json_string_is(key_alg, alg))
		return false;
	if (key_ops == NULL)
		return true;
	if (key_ops->type != SCT_JSON_ARRAY)
		return false;

	/* strings, none of them twice (RFC 7517 4.3), and "verify" among them */
	array = (int) (key_ops - json->nodes);
	for (int i = array + 1; i < json->count; i++)
	{
		const SctJsonNode *op = &json->nodes[i];

		if (op->parent != array)
			continue;
		if (op->type != SCT_JSON_STRING)
			return false;
		for (int j = array + 1; j < i; j++)
		{
			if (json->nodes[j].parent == array &&
				sct_json_string_is(&json->nodes[j], op->value))
				return false;
		}
		verify = verify || sct_json_string_is(op, "verify");
	}
	return verify;
}

static bool
rsa_is_safe(const SctJwk *jwk)
{
	size_t		bits = jwk->first_len * 8;
	uint64		e = 0;

	for (uint8 top = jwk->first[0]; (top & 0x80) == 0; top <<= 1)
		bits--;
	if (bits < 2048 || bits > 4096)
		return false;
	if ((jwk->first[jwk->first_len - 1] & 1) == 0)
		return false;

	/*
	 * RFC 7518 sets no bounds for e.  A small one made forgeries possible
	 * where padding was checked carelessly, a large one makes each
	 * verification up to 60 times as dear.
	 */
	if (jwk->second_len > 4)
		return false;
	for (size_t i = 0; i < jwk->second_len; i++)
		e = e << 8 | jwk->second[i];
	return e >= 65537 && (e & 1) == 1;
}

/* Is y (little-endian) below p = 2^255 - 19, and its point of large order? */
static bool
ed25519_is_safe(const uint8 *point)
{
	uint8		y[32];
	bool		below = false;

	memcpy(y, point, 32);
	y[31] &= 0x7f;
	for (size_t i = 0; i < lengthof(ed25519_small_order); i++)
	{
		if (memcmp(y, ed25519_small_order[i], 32) == 0)
			return false;
	}

	/* p is 7f ff .. ff ed, so y < p unless it is ff..ff above the low byte */
	below = y[31] != 0x7f || y[0] < 0xed;
	for (int i = 1; i < 31; i++)
		below = below || y[i] != 0xff;
	return below;
}

/* The same for p = 2^448 - 2^224 - 1, whose small-order y are 0, 1 and p - 1. */
static bool
ed448_is_safe(const uint8 *point)
{
	static const uint8 zero[56] = {0};
	uint8		p_minus_1[56];

	memset(p_minus_1, 0xff, 56);
	p_minus_1[0] = 0xfe;
	p_minus_1[28] = 0xfe;

	/* the last byte holds nothing but the sign */
	if ((point[56] & 0x7f) != 0)
		return false;
	if (point[0] <= 1 && memcmp(point + 1, zero, 55) == 0)
		return false;
	for (int i = 55; i >= 0; i--)
	{
		if (point[i] != p_minus_1[i])
			return point[i] < p_minus_1[i];
	}
	return false;
}

bool
sct_jwk_is_private(const SctJson *json, const SctJsonNode *node)
{
	for (size_t i = 0; i < lengthof(private_members); i++)
	{
		if (sct_json_member(json, node, private_members[i]) != NULL)
			return true;
	}
	return false;
}

SctReason
sct_jwk_usable(const SctJson *json, const SctJsonNode *node, const SctJwk *jwk,
			   const char *alg)
{
	if (sct_jwk_is_private(json, node))
		return SCT_PRIVATE_KEY;
	if (!jwk_allows_verify(json, node, alg))
		return SCT_KEY_USE;
	return sct_jwk_safe(jwk);
}

SctReason
sct_jwk_safe(const SctJwk *jwk)
{
	bool		safe = true;

	switch (jwk->type)
	{
		case SCT_KEY_RSA:
			safe = rsa_is_safe(jwk);
			break;
		case SCT_KEY_ED25519:
			safe = ed25519_is_safe(jwk->first);
			break;
		case SCT_KEY_ED448:
			safe = ed448_is_safe(jwk->first);
			break;
		case SCT_KEY_P256:
		case SCT_KEY_P384:
		case SCT_KEY_P521:
			/* sct_crypto_key_import() finds points off the curve */
			break;
	}
	return safe ? SCT_OK : SCT_KEY;
}

static char *
append_text(char *dst, const char *text)
{
	size_t		len = strlen(text);

	memcpy(dst, text, len);
	return dst + len;
}

static char *
append_value(char *dst, const uint8 *value, size_t len)
{
	sct_base64url_encode(value, len, dst);
	return dst + SCT_BASE64URL_ENCODED_LEN(len);
}

size_t
sct_jwk_canonical(const SctJwk *jwk, char *dst)
{
	const KeyKind *kind = &key_kinds[jwk->type];
	char	   *end = dst;

	if (jwk->type == SCT_KEY_RSA)
	{
		end = append_text(end, "{\"e\":\"");
		end = append_value(end, jwk->second, jwk->second_len);
		end = append_text(end, "\",\"kty\":\"RSA\",\"n\":\"");
		end = append_value(end, jwk->first, jwk->first_len);
		end = append_text(end, "\"}");
		return end - dst;
	}

	end = append_text(end, "{\"crv\":\"");
	end = append_text(end, kind->crv);
	end = append_text(end, "\",\"kty\":\"");
	end = append_text(end, kind->kty);
	end = append_text(end, "\",\"x\":\"");
	end = append_value(end, jwk->first, jwk->first_len);
	if (jwk->second_len > 0)
	{
		end = append_text(end, "\",\"y\":\"");
		end = append_value(end, jwk->second, jwk->second_len);
	}
	end = append_text(end, "\"}");
	return end - dst;
}
