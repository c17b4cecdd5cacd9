/*
 * test_token.c
 *		The text of a refresh token: one spelling, a checksum, a MAC.
 */
#include "unit.h"

#include "../../src/core/token.h"

static const uint8 mac_key[32] = {
	1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
	17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32
};
static const uint8 other_key[32] = {1};

static SctToken
example(int64 generation)
{
	SctToken	token = {0};

	token.key_id = 7;
	token.generation = generation;
	for (int i = 0; i < SCT_TOKEN_FAMILY_LEN; i++)
		token.family_id[i] = (uint8) (0xa0 + i);
	for (int i = 0; i < SCT_TOKEN_SECRET_LEN; i++)
		token.secret[i] = (uint8) i;
	return token;
}

static void
round_trip(int64 generation)
{
	SctToken	token = example(generation);
	SctToken	read = {0};
	char		text[SCT_TOKEN_LEN + 1] = {0};

	ok(sct_token_build(&token, mac_key, text) == SCT_OK &&
	   strlen(text) == SCT_TOKEN_LEN &&
	   sct_token_parse(text, SCT_TOKEN_LEN, &read) == SCT_OK &&
	   sct_token_verify(text, mac_key) == SCT_OK &&
	   read.key_id == token.key_id && read.generation == generation &&
	   memcmp(read.family_id, token.family_id, SCT_TOKEN_FAMILY_LEN) == 0 &&
	   memcmp(read.secret, token.secret, SCT_TOKEN_SECRET_LEN) == 0,
	   "a token of generation %lld comes back", (long long) generation);
}

/*
 * The text that another implementation (Python's hmac, base64 and zlib) makes
 * of the example of generation 1.
 */
static const char known[] =
"sct_AQegoaKjpKWmp6ipqqusra6vAAAAAAABAAECAwQFBgcICQoLD"
"A0ODxAREhMUFRYXGBkaGxwdHh8-ZaoS6Q6b93r8ocY4Bn0s16pt03";

int
main(void)
{
	SctToken	token = example(1);
	SctToken	read;
	char		text[SCT_TOKEN_LEN + 2] = {0};
	char		copy[SCT_TOKEN_LEN + 2];
	int			checksum_missed = 0;
	int			format_missed = 0;

	round_trip(0);
	round_trip(1);
	round_trip(INT64CONST(0x010203040506));
	round_trip(SCT_TOKEN_MAX_GENERATION);

	ok(sct_token_build(&token, mac_key, text) == SCT_OK &&
	   strcmp(text, known) == 0, "a token is spelled as doc/tokens.md says");
	ok(sct_token_verify(text, other_key) == SCT_TOKEN_MAC,
	   "another MAC key is found out");
	ok(sct_token_parse("", 0, &read) == SCT_TOKEN_FORMAT,
	   "the empty text is no token");
	ok(sct_token_parse(text, SCT_TOKEN_LEN - 1, &read) == SCT_TOKEN_FORMAT,
	   "a token is not shorter");
	text[SCT_TOKEN_LEN] = '\n';
	ok(sct_token_parse(text, SCT_TOKEN_LEN + 1, &read) == SCT_TOKEN_FORMAT,
	   "a token is not longer");

	/* CRC-32 finds every single changed byte */
	for (int i = 0; i < SCT_TOKEN_LEN; i++)
	{
		for (int change = 1; change < 256; change++)
		{
			SctReason	reason;

			memcpy(copy, text, SCT_TOKEN_LEN);
			copy[i] ^= (char) change;
			reason = sct_token_parse(copy, SCT_TOKEN_LEN, &read);
			if (i < 4 && reason != SCT_TOKEN_FORMAT)
				format_missed++;
			if (i >= 4 && reason != SCT_TOKEN_CHECKSUM)
				checksum_missed++;
		}
	}
	ok(format_missed == 0, "the prefix is sct_ and nothing else");
	ok(checksum_missed == 0, "one changed character is found out");

	/* a good checksum over a wrong version */
	ok(sct_token_parse("sct_AgegoaKjpKWmp6ipqqusra6vAAAAAAABAAECAwQFBgcICQoLD"
					   "A0ODxAREhMUFRYXGBkaGxwdHh8qI9FDZF6zRLBsycUhxfn43xq5m2",
					   SCT_TOKEN_LEN, &read) == SCT_TOKEN_FORMAT,
	   "another version is no token of ours");
	ok(sct_token_parse("sct_AQegoaKjpKWmp6ipqqusra6vAAAAAAABAAEC+wQFBgcICQoLD"
					   "A0ODxAREhMUFRYXGBkaGxwdHh8-ZaoS6Q6b93r8ocY4Bn0s3fkcoB",
					   SCT_TOKEN_LEN, &read) == SCT_TOKEN_FORMAT,
	   "the standard base64 alphabet is refused, checksum or not");
	return done();
}
