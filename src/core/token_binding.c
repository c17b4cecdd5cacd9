/*
 * token_binding.c
 *		Token Binding messages, see token_binding.h.
 *
 * Nothing outlives a call: no verdict and no key is cached.  A verdict that was
 * remembered without the connection's keying material would let a header that was
 * seen on one connection pass on any other.
 */
#include "../compat.h"

#include "token_binding.h"

/* TokenBindingType (RFC 8471 3.1); others are ignored. */
#define TYPE_PROVIDED	0
#define TYPE_REFERRED	1

#define RSA_MODULUS_LEN	256
#define EC_WIDTH		32

/* In the order of SctTbKeyParameters. */
static const SctAlg algs[SCT_TB_KEY_PARAMETERS] = {
	SCT_ALG_RS256, SCT_ALG_PS256, SCT_ALG_ES256
};

/* A piece of a message */
typedef struct Bytes
{
	const uint8 *at;
	size_t		len;
} Bytes;

typedef struct TokenBinding
{
	uint8		type;
	uint8		key_parameters;
	Bytes		id;				/* key_parameters, key_length and key */
	Bytes		key;
	Bytes		signature;
} TokenBinding;

/* Takes a byte from the front. */
static bool
take_byte(Bytes *bytes, uint8 *value)
{
	if (bytes->len < 1)
		return false;
	*value = *bytes->at++;
	bytes->len--;
	return true;
}

/* Takes a vector, before which stands its length in width bytes (RFC 5246 4.3). */
static bool
take_vector(Bytes *bytes, int width, Bytes *vector)
{
	size_t		len = 0;

	for (int i = 0; i < width; i++)
	{
		uint8		byte;

		if (!take_byte(bytes, &byte))
			return false;
		len = len << 8 | byte;
	}
	if (len > bytes->len)
		return false;
	vector->at = bytes->at;
	vector->len = len;
	bytes->at += len;
	bytes->len -= len;
	return true;
}

static bool
take_id(Bytes *bytes, TokenBinding *binding)
{
	binding->id.at = bytes->at;
	if (!take_byte(bytes, &binding->key_parameters) ||
		!take_vector(bytes, 2, &binding->key))
		return false;
	binding->id.len = bytes->at - binding->id.at;
	return true;
}

/* Extensions must have their form; none is known, so all are ignored. */
static bool
take_binding(Bytes *bytes, TokenBinding *binding)
{
	Bytes		extensions;
	Bytes		data;
	uint8		type;

	if (!take_byte(bytes, &binding->type) || !take_id(bytes, binding) ||
		!take_vector(bytes, 2, &binding->signature) ||
		!take_vector(bytes, 2, &extensions))
		return false;
	while (extensions.len > 0)
	{
		if (!take_byte(&extensions, &type) || !take_vector(&extensions, 2, &data))
			return false;
	}
	return true;
}

/* Splits a message into one to SCT_TB_MAX_BINDINGS bindings that fill it. */
static bool
parse_message(Bytes message, TokenBinding *bindings, int *count)
{
	Bytes		list;

	if (!take_vector(&message, 2, &list) || message.len > 0)
		return false;
	for (*count = 0; list.len > 0; (*count)++)
	{
		if (*count == SCT_TB_MAX_BINDINGS ||
			!take_binding(&list, &bindings[*count]))
			return false;
	}
	return *count > 0;
}

/* The one binding of a type, or NULL; how many there are. */
static int
find_type(const TokenBinding *bindings, int count, uint8 type,
		  const TokenBinding **found)
{
	int			matches = 0;

	*found = NULL;
	for (int i = 0; i < count; i++)
	{
		if (bindings[i].type == type)
		{
			*found = &bindings[i];
			matches++;
		}
	}
	return matches;
}

static bool
is_known(const TokenBinding *binding)
{
	return binding->key_parameters < SCT_TB_KEY_PARAMETERS;
}

/* Modulus and exponent, without leading zeros (RFC 8471 3.2) */
static bool
read_rsa_key(Bytes key, SctJwk *jwk)
{
	Bytes		modulus;
	Bytes		exponent;

	if (!take_vector(&key, 2, &modulus) || !take_vector(&key, 1, &exponent) ||
		key.len > 0)
		return false;
	if (modulus.len != RSA_MODULUS_LEN || modulus.at[0] == 0 ||
		exponent.len < 1 || exponent.len > SCT_JWK_SECOND_MAX ||
		exponent.at[0] == 0)
		return false;
	jwk->type = SCT_KEY_RSA;
	jwk->first_len = modulus.len;
	memcpy(jwk->first, modulus.at, modulus.len);
	jwk->second_len = exponent.len;
	memcpy(jwk->second, exponent.at, exponent.len);
	return true;
}

/* X and Y of full width, without the 04 of other formats (RFC 8471 3.2) */
static bool
read_ec_key(Bytes key, SctJwk *jwk)
{
	Bytes		point;

	if (!take_vector(&key, 1, &point) || key.len > 0 ||
		point.len != 2 * EC_WIDTH)
		return false;
	jwk->type = SCT_KEY_P256;
	jwk->first_len = jwk->second_len = EC_WIDTH;
	memcpy(jwk->first, point.at, EC_WIDTH);
	memcpy(jwk->second, point.at + EC_WIDTH, EC_WIDTH);
	return true;
}

static bool
read_key(const TokenBinding *binding, SctJwk *jwk)
{
	return binding->key_parameters == SCT_TB_ECDSAP256 ?
		read_ec_key(binding->key, jwk) : read_rsa_key(binding->key, jwk);
}

/* Verifies a binding with known key parameters; refusal when it does not hold. */
static SctReason
binding_verify(const TokenBinding *binding, const uint8 *ekm, SctReason refusal)
{
	SctJwk		jwk;
	SctPublicKey *key;
	uint8		data[2 + SCT_TB_EKM_LEN];
	SctReason	reason;

	if (!read_key(binding, &jwk) || sct_jwk_safe(&jwk) != SCT_OK)
		return refusal;
	reason = sct_crypto_key_import(&jwk, &key);
	if (reason == SCT_OK)
	{
		data[0] = binding->type;
		data[1] = binding->key_parameters;
		memcpy(data + 2, ekm, SCT_TB_EKM_LEN);
		reason = sct_crypto_verify(key, algs[binding->key_parameters],
								   data, sizeof(data),
								   binding->signature.at, binding->signature.len);
		sct_crypto_key_free(key);
	}
	return reason == SCT_KEY || reason == SCT_SIGNATURE ? refusal : reason;
}

SctReason
sct_token_binding_verify(const uint8 *message, size_t len, const uint8 *ekm,
						 int key_parameters, SctTokenBindings *result)
{
	Bytes		bytes = {message, len};
	TokenBinding bindings[SCT_TB_MAX_BINDINGS];
	const TokenBinding *provided;
	const TokenBinding *referred;
	int			count;
	SctReason	reason;

	if (key_parameters < 0 || key_parameters >= SCT_TB_KEY_PARAMETERS)
		return SCT_NOT_NEGOTIATED;
	if (!parse_message(bytes, bindings, &count))
		return SCT_MALFORMED;
	if (find_type(bindings, count, TYPE_PROVIDED, &provided) != 1)
		return SCT_PROVIDED_COUNT;
	if (find_type(bindings, count, TYPE_REFERRED, &referred) > 1)
		return SCT_REFERRED_COUNT;
	if (provided->key_parameters != key_parameters)
		return SCT_KEY_PARAMETERS;

	reason = binding_verify(provided, ekm, SCT_PROVIDED_SIGNATURE);
	for (int i = 0; i < count && reason == SCT_OK; i++)
	{
		if (&bindings[i] != provided && is_known(&bindings[i]))
			reason = binding_verify(&bindings[i], ekm, SCT_OTHER_SIGNATURE);
	}
	if (reason != SCT_OK)
		return reason;

	if (referred != NULL && !is_known(referred))
		referred = NULL;
	result->has_referred = referred != NULL;
	reason = sct_thumbprint_bytes(provided->id.at, provided->id.len,
								  result->provided_tbh);
	if (reason == SCT_OK && referred != NULL)
		reason = sct_thumbprint_bytes(referred->id.at, referred->id.len,
									  result->referred_tbh);
	return reason;
}

SctReason
sct_token_binding_hash(const uint8 *id, size_t len, char *tbh)
{
	Bytes		bytes = {id, len};
	TokenBinding binding;

	if (!take_id(&bytes, &binding) || bytes.len > 0)
		return SCT_MALFORMED;
	return sct_thumbprint_bytes(binding.id.at, binding.id.len, tbh);
}
