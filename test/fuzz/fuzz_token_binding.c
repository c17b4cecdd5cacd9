/*
 * fuzz_token_binding.c
 *		Token Binding messages: any bytes, and messages whose signatures are good
 *		but for what the input says.
 */
#include "fuzz.h"

#include "../unit/signer.h"

#include "../../src/core/token_binding.h"

#define MAX_MESSAGE	65540
#define MAX_BINDINGS	10		/* more than are taken */
#define MAX_ID		512

/* In the order of SctTbKeyParameters, and a second EC key. */
static Signer signers[SCT_TB_KEY_PARAMETERS + 1];

/* What stands before each signature: key_parameters, key_length, key */
static uint8 ids[SCT_TB_KEY_PARAMETERS + 1][MAX_ID];
static size_t id_lens[SCT_TB_KEY_PARAMETERS + 1];

static uint8 message[MAX_MESSAGE];

static size_t
put_vector(uint8 *at, int width, const uint8 *data, size_t len)
{
	for (int i = 0; i < width; i++)
		at[i] = (uint8) (len >> (8 * (width - 1 - i)));
	if (len > 0)
		memmove(at + width, data, len);
	return width + len;
}

/* The number of a key in its fewest bytes, or in so many */
static size_t
number_of(const Signer *signer, const char *param, int width, uint8 *bytes)
{
	BIGNUM	   *number = NULL;
	int			len;

	signer_needs(EVP_PKEY_get_bn_param(signer->key, param, &number) == 1);
	len = BN_bn2binpad(number, bytes, width > 0 ? width : BN_num_bytes(number));
	BN_free(number);
	return (size_t) len;
}

static void
make_id(int i)
{
	uint8		key[MAX_ID];
	uint8		number[MAX_ID];
	size_t		len = 0;

	if (signers[i].alg == SCT_ALG_ES256)
	{
		len = number_of(&signers[i], OSSL_PKEY_PARAM_EC_PUB_X, 32, number);
		len += number_of(&signers[i], OSSL_PKEY_PARAM_EC_PUB_Y, 32, number + len);
		len = put_vector(key, 1, number, len);
	}
	else
	{
		len = put_vector(key, 2, number,
						 number_of(&signers[i], OSSL_PKEY_PARAM_RSA_N, 0, number));
		len += put_vector(key + len, 1, number,
						  number_of(&signers[i], OSSL_PKEY_PARAM_RSA_E, 0, number));
	}
	ids[i][0] = (uint8) Min(i, SCT_TB_ECDSAP256);
	id_lens[i] = 1 + put_vector(ids[i] + 1, 2, key, len);
}

int
LLVMFuzzerInitialize(int *argc pg_attribute_unused(),
					 char ***argv pg_attribute_unused())
{
	static const SctAlg algs[] = {
		SCT_ALG_RS256, SCT_ALG_PS256, SCT_ALG_ES256, SCT_ALG_ES256
	};

	without_randomness();
	for (size_t i = 0; i < lengthof(algs); i++)
	{
		signer_make(&signers[i], algs[i]);
		make_id((int) i);
	}
	return 0;
}

/* Appends a binding as the input says; its length. */
static size_t
put_binding(Input *input, const uint8 *ekm, uint8 *dst)
{
	uint8		how = take_byte(input);
	int			key = how & 3;
	uint8		data[2 + SCT_TB_EKM_LEN];
	uint8		signature[SIGNER_MAX_SIGNATURE];
	size_t		signature_len;
	size_t		len = 0;

	dst[len++] = (how & 4) != 0 ? take_byte(input) : (how & 8) != 0;
	memcpy(dst + len, ids[key], id_lens[key]);
	if ((how & 16) != 0)
	{
		/* other key parameters, or another byte of the key */
		size_t		at = take_byte(input) % id_lens[key];

		dst[len + at] = take_byte(input);
	}
	data[0] = dst[0];
	data[1] = dst[len];
	memcpy(data + 2, ekm, SCT_TB_EKM_LEN);
	len += id_lens[key];

	signature_len = signer_sign(&signers[key], data, sizeof(data), signature);
	if ((how & 32) != 0)
		signature[take_byte(input) % signature_len] = take_byte(input);
	if ((how & 64) != 0)
		signature_len = take_byte(input) % signature_len;
	len += put_vector(dst + len, 2, signature, signature_len);

	if ((how & 128) != 0)
	{
		Input		extensions = take(input, take_byte(input));

		len += put_vector(dst + len, 2, extensions.at, extensions.len);
	}
	else
		len += put_vector(dst + len, 2, NULL, 0);
	return len;
}

static size_t
make_message(Input *input, const uint8 *ekm)
{
	size_t		len = 2;

	for (int i = 0; i < MAX_BINDINGS && input->len > 0; i++)
		len += put_binding(input, ekm, message + len);
	message[0] = (uint8) ((len - 2) >> 8);
	message[1] = (uint8) (len - 2);
	return len;
}

/* Is it the hash of a key that was made here? */
static bool
is_ours(const char *tbh)
{
	char		own[SCT_THUMBPRINT_LEN];

	for (size_t i = 0; i < lengthof(ids); i++)
	{
		must(sct_token_binding_hash(ids[i], id_lens[i], own) == SCT_OK,
			 "a key has a hash");
		if (memcmp(own, tbh, SCT_THUMBPRINT_LEN) == 0)
			return true;
	}
	return false;
}

static void
check_message(const uint8 *bytes, size_t len, const uint8 *ekm, int key_parameters)
{
	uint8	   *copy = exact(bytes, len);
	uint8	   *ekm_copy = exact(ekm, SCT_TB_EKM_LEN);
	SctTokenBindings result;
	SctTokenBindings again;
	SctReason	reason;

	reason = sct_token_binding_verify(copy, len, ekm_copy, key_parameters, &result);
	must(sct_token_binding_verify(copy, len, ekm_copy, key_parameters, &again) == reason,
		 "a verdict is the same each time");
	switch (reason)
	{
		case SCT_OK:
			must(is_ours(result.provided_tbh), "only who holds a key provides it");
			must(!result.has_referred || is_ours(result.referred_tbh),
				 "or refers to it");
			must(memcmp(result.provided_tbh, again.provided_tbh, SCT_THUMBPRINT_LEN) == 0 &&
				 result.has_referred == again.has_referred,
				 "and the same key each time");
			ekm_copy[choice(copy, len) % SCT_TB_EKM_LEN] ^= 1;
			must(sct_token_binding_verify(copy, len, ekm_copy, key_parameters,
										  &again) == SCT_PROVIDED_SIGNATURE,
				 "a message is for one connection");
			break;
		case SCT_NOT_NEGOTIATED:
		case SCT_MALFORMED:
		case SCT_PROVIDED_COUNT:
		case SCT_REFERRED_COUNT:
		case SCT_KEY_PARAMETERS:
		case SCT_PROVIDED_SIGNATURE:
		case SCT_OTHER_SIGNATURE:
			break;
		default:
			must(false, "a message passes, or is refused for what it is");
	}
	free(ekm_copy);
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	Input		input = input_of(data, size);
	uint8		how = take_byte(&input);
	int			key_parameters = (int) (how & 7) - 1;
	uint8		ekm[SCT_TB_EKM_LEN];
	uint8	   *copy;
	char		tbh[SCT_THUMBPRINT_LEN];

	memset(ekm, how, sizeof(ekm));
	if ((how & 8) != 0)
		check_message(message, make_message(&input, ekm), ekm, key_parameters);
	else
	{
		copy = exact(input.at, input.len);
		must(sct_token_binding_hash(copy, input.len, tbh) == SCT_OK ||
			 sct_token_binding_hash(copy, input.len, tbh) == SCT_MALFORMED,
			 "an ID has its form or has not");
		free(copy);
		check_message(input.at, input.len, ekm, key_parameters);
	}
	return done_with_input();
}
