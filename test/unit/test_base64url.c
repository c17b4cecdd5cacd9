/*
 * test_base64url.c
 *		One value, one spelling (RFC 7515 2, RFC 4648 5).
 */
#include "unit.h"

#include "../../src/core/base64url.h"

/* Decodes into a buffer whose end is watched. */
static SctReason
decode(const char *text, size_t len, uint8 *bytes, size_t *bytes_len)
{
	size_t		room = SCT_BASE64URL_DECODED_LEN(len);
	SctReason	reason;

	bytes[room] = 0xA5;
	reason = sct_base64url_decode(text, len, bytes, bytes_len);
	if (bytes[room] != 0xA5)
		note("wrote past the room that the header promises");
	if (bytes[room] != 0xA5)
		unit_failed++;
	return reason;
}

/* Does text decode to value, and value encode to text? */
static void
same(const char *value, const char *text)
{
	uint8		bytes[64];
	char		encoded[64] = {0};
	size_t		len;
	bool		forth;
	bool		back;

	forth = decode(text, strlen(text), bytes, &len) == SCT_OK &&
		len == strlen(value) && memcmp(bytes, value, len) == 0;
	sct_base64url_encode((const uint8 *) value, strlen(value), encoded);
	back = strcmp(encoded, text) == 0 &&
		SCT_BASE64URL_ENCODED_LEN(strlen(value)) == strlen(text);
	ok(forth && back, "RFC 4648 10: \"%s\" is \"%s\"", value, text);
}

static void
refused(const char *text, size_t len, const char *claim)
{
	uint8		bytes[64];
	size_t		bytes_len = 99;

	ok(decode(text, len, bytes, &bytes_len) == SCT_BASE64URL,
	   "%s", claim);
}

/* Every byte as the last of four characters: 64 pass. */
static void
alphabet_is_closed(void)
{
	const char *alphabet =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	bool		exact = true;

	for (int place = 0; place < 4; place++)
	{
		for (int c = 0; c < 256; c++)
		{
			char		text[4] = {'A', 'A', 'A', 'A'};
			uint8		bytes[8];
			size_t		len;
			bool		known = c != 0 && strchr(alphabet, c) != NULL;

			text[place] = (char) c;
			if ((decode(text, 4, bytes, &len) == SCT_OK) != known)
				exact = false;
		}
	}
	ok(exact, "64 of 256 bytes are characters, in each of the four places");
}

/* Of all last characters, those whose unused bits are zero. */
static void
stray_bits(void)
{
	int			two = 0;
	int			three = 0;

	for (int c = 0; c < 256; c++)
	{
		char		text[3] = {'A', 'A', (char) c};
		uint8		bytes[8];
		size_t		len;

		if (decode(text, 3, bytes, &len) == SCT_OK)
			three++;
		text[1] = (char) c;
		if (decode(text, 2, bytes, &len) == SCT_OK)
			two++;
	}
	ok(two == 4, "4 of 64 characters may end a text of two");
	ok(three == 16, "16 of 64 characters may end a text of three");
}

static void
round_trip(void)
{
	bool		exact = true;
	uint32		seed = 12345;

	for (int len = 0; len <= 300; len++)
	{
		uint8		value[300];
		uint8		bytes[512];
		char		text[512];
		size_t		text_len = SCT_BASE64URL_ENCODED_LEN(len);
		size_t		bytes_len;

		for (int i = 0; i < len; i++)
		{
			seed = seed * 1103515245 + 12345;
			value[i] = (uint8) (seed >> 16);
		}
		memset(text, '!', sizeof(text));
		sct_base64url_encode(value, len, text);
		if (text[text_len] != '!' ||
			decode(text, text_len, bytes, &bytes_len) != SCT_OK ||
			bytes_len != (size_t) len || memcmp(bytes, value, len) != 0)
			exact = false;
	}
	ok(exact, "0 to 300 bytes come back, and nothing is written beyond");
}

int
main(void)
{
	uint8		bytes[64];
	size_t		len = 99;

	same("", "");
	same("f", "Zg");
	same("fo", "Zm8");
	same("foo", "Zm9v");
	same("foob", "Zm9vYg");
	same("fooba", "Zm9vYmE");
	same("foobar", "Zm9vYmFy");
	same("\xfb\xff\xbf", "-_-_");
	ok(decode("", 0, bytes, &len) == SCT_OK && len == 0,
	   "the empty text is no bytes");

	refused("Zg==", 4, "padding is refused");
	refused("Zg=", 3, "half a padding is refused");
	refused("Zm8=", 4, "one padding character is refused");
	refused("=", 1, "padding alone is refused");
	refused("+/+/", 4, "the standard alphabet is refused");
	refused("Zm9v\n", 5, "a newline at the end is refused");
	refused("Zm\r\n9v", 6, "a line break inside is refused");
	refused(" Zm9v", 5, "a space in front is refused");
	refused("Zm9vZ g", 7, "a space inside is refused");
	refused("Zm\0v", 4, "a NUL is refused");
	refused("Zm9\xc3", 4, "a byte above ASCII is refused");
	refused("Zm.v", 4, "a dot is refused");
	refused("A", 1, "one character alone is refused");
	refused("AAAAA", 5, "five characters are refused");
	refused("Zh", 2, "stray bits after one byte are refused");
	refused("Zm9", 3, "stray bits after two bytes are refused");
	alphabet_is_closed();
	stray_bits();
	round_trip();
	return done();
}
