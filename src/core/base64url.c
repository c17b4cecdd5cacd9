/*
 * base64url.c
 *		base64url and base64 in their canonical forms, see base64url.h.
 *
 * Nothing here reads or writes more than the lengths in base64url.h say, and
 * decoding then encoding gives back the same text.
 */
#include "../compat.h"

#include "base64url.h"

static const char alphabet[] =
"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* The value of a character of base64url, or -1. */
static const int8 base64url_values[256] = {
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 62, -1, -1,
	52, 53, 54, 55, 56, 57, 58, 59, 60, 61, -1, -1, -1, -1, -1, -1,
	-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
	15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, -1, -1, -1, -1, 63,
	-1, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
	41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, -1, -1, -1, -1, -1,
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1
};

/* The same of base64 (RFC 4648 4). */
static const int8 base64_values[256] = {
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 62, -1, -1, -1, 63,
	52, 53, 54, 55, 56, 57, 58, 59, 60, 61, -1, -1, -1, -1, -1, -1,
	-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14,
	15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, -1, -1, -1, -1, -1,
	-1, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40,
	41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, -1, -1, -1, -1, -1,
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
	-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1
};

void
sct_base64url_encode(const uint8 *src, size_t len, char *dst)
{
	uint32		bits = 0;
	int			held = 0;		/* bits that wait for a character */

	for (size_t i = 0; i < len; i++)
	{
		bits = (bits << 8 | src[i]) & 0xFFFF;
		held += 8;
		while (held >= 6)
		{
			held -= 6;
			*dst++ = alphabet[(bits >> held) & 0x3F];
		}
	}
	if (held > 0)
		*dst = alphabet[(bits << (6 - held)) & 0x3F];
}

/* Decodes text without padding; false where it is not the one spelling. */
static bool
decode(const int8 *values, const char *src, size_t len,
	   uint8 *dst, size_t *dst_len)
{
	uint8	   *start = dst;
	uint32		bits = 0;
	int			held = 0;		/* bits that wait for a byte */

	*dst_len = 0;

	/* one character left over holds less than a byte */
	if (len % 4 == 1)
		return false;
	for (size_t i = 0; i < len; i++)
	{
		int8		value = values[(uint8) src[i]];

		if (value < 0)
			return false;
		bits = (bits << 6 | (uint32) value) & 0xFFFF;
		held += 6;
		if (held >= 8)
		{
			held -= 8;
			*dst++ = (uint8) (bits >> held);
		}
	}

	/*
	 * What is left over must be zero (RFC 4648 3.5), or several texts would
	 * stand for one value.
	 */
	if ((bits & ((1U << held) - 1)) != 0)
		return false;
	*dst_len = dst - start;
	return true;
}

SctReason
sct_base64url_decode(const char *src, size_t len, uint8 *dst, size_t *dst_len)
{
	return decode(base64url_values, src, len, dst, dst_len) ?
		SCT_OK : SCT_BASE64URL;
}

bool
sct_base64_decode(const char *src, size_t len, uint8 *dst, size_t *dst_len)
{
	*dst_len = 0;
	if (len % 4 != 0)
		return false;

	/* more than these two stay, and are no characters */
	for (int i = 0; i < 2 && len > 0 && src[len - 1] == '='; i++)
		len--;
	return decode(base64_values, src, len, dst, dst_len);
}
