/*
 * test_base64url.c
 *		One value, one spelling: base64url (RFC 7515 2, RFC 4648 5) and base64 with
 *		padding (RFC 4648 4).
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

/* Decodes base64 into a buffer of just the room that the header asks for. */
static bool
base64_decode(const char *text, size_t len, uint8 *bytes, size_t *bytes_len)
{
	size_t		room = SCT_BASE64URL_DECODED_LEN(len);
	uint8	   *exact = malloc(room > 0 ? room : 1);
	bool		taken = sct_base64_decode(text, len, exact, bytes_len);

	if (taken)
		memcpy(bytes, exact, *bytes_len);
	free(exact);
	return taken;
}

static void
base64_same(const char *value, const char *text)
{
	uint8		bytes[64];
	size_t		len;

	ok(base64_decode(text, strlen(text), bytes, &len) &&
	   len == strlen(value) && memcmp(bytes, value, len) == 0,
	   "RFC 4648 10: \"%s\" in base64 is \"%s\"", text, value);
}

static void
base64_refused(const char *text, size_t len, const char *claim)
{
	uint8		bytes[64];
	size_t		bytes_len = 99;

	ok(!base64_decode(text, len, bytes, &bytes_len) && bytes_len == 0,
	   "base64: %s", claim);
}

/* Every value has just one of all texts of four characters at its end. */
static void
base64_is_canonical(void)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
	int			count[4] = {0};
	bool		exact = true;

	for (int c = 0; c < 256 * 256; c++)
	{
		char		text[4] = {'A', 'A', (char) (c >> 8), (char) c};
		bool		known = strchr(alphabet, text[2]) != NULL &&
			strchr(alphabet, text[3]) != NULL &&
			text[2] != '\0' && text[3] != '\0';
		uint8		bytes[3];
		size_t		len;

		if (base64_decode(text, 4, bytes, &len))
		{
			count[len]++;
			exact = exact && known;
		}
	}
	ok(exact, "base64: no character but those of its alphabet is taken");
	ok(count[0] == 0 && count[1] == 1 && count[2] == 16 && count[3] == 4096,
	   "base64: 1, 16 and 4096 texts that begin with AA, for as many values");
}

/* Characters become bytes where they stand. */
static void
base64_in_place(void)
{
	uint8		bytes[] = "Zm9vYmFyZm9vYmE=";
	size_t		len;

	ok(sct_base64_decode((char *) bytes, 16, bytes, &len) &&
	   len == 11 && memcmp(bytes, "foobarfooba", 11) == 0,
	   "base64: the bytes may stand where the characters were");
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

	base64_same("", "");
	base64_same("f", "Zg==");
	base64_same("fo", "Zm8=");
	base64_same("foo", "Zm9v");
	base64_same("foobar", "Zm9vYmFy");
	base64_same("\xfb\xff\xbf", "+/+/");
	base64_refused("Zg", 2, "missing padding is refused");
	base64_refused("Zg=", 3, "half a padding is refused");
	base64_refused("Zm9vZg", 6, "missing padding after whole groups is refused");
	base64_refused("=", 1, "padding alone is refused");
	base64_refused("====", 4, "nothing but padding is refused");
	base64_refused("A===", 4, "three padding characters are refused");
	base64_refused("Zm9v====", 8, "padding after a whole group is refused");
	base64_refused("Zg==Zg==", 8, "padding inside is refused");
	base64_refused("-_-_", 4, "the alphabet of base64url is refused");
	base64_refused("Zm9v\n", 5, "a newline at the end is refused");
	base64_refused("Zm 9v===", 8, "a space inside is refused");
	base64_refused("Zh==", 4, "stray bits after one byte are refused");
	base64_refused("Zm9=", 4, "stray bits after two bytes are refused");
	base64_is_canonical();
	base64_in_place();
	return done();
}
