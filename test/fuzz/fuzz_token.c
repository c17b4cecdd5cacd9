/*
 * fuzz_token.c
 *		Refresh tokens and the encodings under them: each has one spelling, and
 *		the key alone makes what passes.
 */
#include "fuzz.h"

#include "../../src/core/base64url.h"
#include "../../src/core/crypto.h"
#include "../../src/core/token.h"

#define BODY_AT		4			/* behind "sct_" */
#define BYTES		72
#define MAC_LEN		16

static const uint8 mac_key[SCT_SHA256_LEN] = "the key of the server's tokens";
static const uint8 other_key[SCT_SHA256_LEN] = "the key of another server";

/* A text that may be a token */
static void
check_text(const char *text, size_t len)
{
	char	   *copy = exact(text, len);
	SctToken	token;
	SctToken	again;
	char		built[SCT_TOKEN_LEN];
	SctReason	reason = sct_token_parse(copy, len, &token);

	must(reason == SCT_OK || reason == SCT_TOKEN_FORMAT ||
		 reason == SCT_TOKEN_CHECKSUM, "a token has its form or has not");
	must(sct_token_parse(copy, len, &again) == reason,
		 "a verdict is the same each time");
	if (reason == SCT_OK)
	{
		bool		genuine = sct_token_verify(copy, mac_key) == SCT_OK;

		must(len == SCT_TOKEN_LEN, "a token has one length");
		must(token.generation >= 0 && token.generation <= SCT_TOKEN_MAX_GENERATION,
			 "a generation has 48 bits");
		must(sct_token_build(&token, mac_key, built) == SCT_OK,
			 "what was read can be written");
		must(memcmp(built, copy, BODY_AT + SCT_BASE64URL_ENCODED_LEN(BYTES - MAC_LEN) - 1) == 0,
			 "and is the same but for the MAC");
		must(genuine == (memcmp(built, copy, SCT_TOKEN_LEN) == 0),
			 "what the key made is what passes");
		must(!genuine || sct_token_verify(copy, other_key) == SCT_TOKEN_MAC,
			 "another key did not make it");
	}
	free(copy);
}

/* A token made of these bytes, by the server's key or by another */
static void
check_bytes(Input input)
{
	SctToken	token;
	char		built[SCT_TOKEN_LEN];
	uint8		change = take_byte(&input);
	char	   *copy;

	token.key_id = take_byte(&input);
	token.generation = (int64) take_number(&input, 6);
	for (int i = 0; i < SCT_TOKEN_FAMILY_LEN; i++)
		token.family_id[i] = take_byte(&input);
	for (int i = 0; i < SCT_TOKEN_SECRET_LEN; i++)
		token.secret[i] = take_byte(&input);
	must(sct_token_build(&token, (change & 1) != 0 ? mac_key : other_key,
						 built) == SCT_OK, "any token can be written");
	copy = exact(built, SCT_TOKEN_LEN);
	must(sct_token_verify(copy, mac_key) ==
		 ((change & 1) != 0 ? SCT_OK : SCT_TOKEN_MAC),
		 "a token passes for the key that made it");
	free(copy);
	check_text(built, SCT_TOKEN_LEN);

	/* one bit of it */
	built[choice(built, SCT_TOKEN_LEN) % SCT_TOKEN_LEN] ^= (char) (1 << (change >> 5));
	copy = exact(built, SCT_TOKEN_LEN);
	must(sct_token_parse(copy, SCT_TOKEN_LEN, &token) != SCT_OK,
		 "one bit that was changed is found out");
	free(copy);
}

/* base64url and base64: what can be decoded has no other spelling. */
static void
check_encodings(const char *text, size_t len)
{
	char	   *copy = exact(text, len);
	uint8	   *bytes = malloc(SCT_BASE64URL_DECODED_LEN(len));
	char	   *again = malloc(SCT_BASE64URL_ENCODED_LEN(len));
	size_t		bytes_len;

	if (sct_base64url_decode(copy, len, bytes, &bytes_len) == SCT_OK)
	{
		must(SCT_BASE64URL_ENCODED_LEN(bytes_len) == len,
			 "base64url has the length of what it stands for");
		sct_base64url_encode(bytes, bytes_len, again);
		must(memcmp(again, copy, len) == 0, "base64url has one spelling");
	}
	if (sct_base64_decode(copy, len, bytes, &bytes_len))
	{
		must(len % 4 == 0 && (bytes_len + 2) / 3 * 4 == len,
			 "base64 has the length of what it stands for");
		sct_base64url_encode(bytes, bytes_len, again);
		for (size_t i = 0; i < SCT_BASE64URL_ENCODED_LEN(bytes_len); i++)
			must(again[i] == (copy[i] == '+' ? '-' : copy[i] == '/' ? '_' : copy[i]),
				 "base64 has one spelling");
	}
	free(again);
	free(bytes);

	/* any bytes have a spelling */
	again = malloc(SCT_BASE64URL_ENCODED_LEN(len));
	bytes = malloc(len);
	sct_base64url_encode((const uint8 *) copy, len, again);
	must(sct_base64url_decode(again, SCT_BASE64URL_ENCODED_LEN(len),
							  bytes, &bytes_len) == SCT_OK &&
		 bytes_len == len && memcmp(bytes, copy, len) == 0,
		 "what was encoded can be decoded");
	free(bytes);
	free(again);
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	Input		input = input_of(data, size);

	check_encodings((const char *) input.at, input.len);
	check_text((const char *) input.at, input.len);
	check_bytes(input);
	return done_with_input();
}
