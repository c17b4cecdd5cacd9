/*
 * base64url.c
 *		base64url in its canonical form, see base64url.h.
 *
 * Nothing here reads or writes more than the lengths in base64url.h say, and
 * decoding then encoding gives back the same text.
 */
#include "../compat.h"

#include "base64url.h"

static const char alphabet[] =
"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* The value of a character, or -1. */
static const int8 values[256] = {
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

SctReason
sct_base64url_decode(const char *src, size_t len, uint8 *dst, size_t *dst_len)
{
	uint8	   *start = dst;
	uint32		bits = 0;
	int			held = 0;		/* bits that wait for a byte */

	*dst_len = 0;

	/* one character left over holds less than a byte */
	if (len % 4 == 1)
		return SCT_BASE64URL;
	for (size_t i = 0; i < len; i++)
	{
		int8		value = values[(uint8) src[i]];

		if (value < 0)
			return SCT_BASE64URL;
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
		return SCT_BASE64URL;
	*dst_len = dst - start;
	return SCT_OK;
}
