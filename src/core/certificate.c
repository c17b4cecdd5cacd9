/*
 * certificate.c
 *		X.509 certificates in DER, see certificate.h.
 */
#include "../compat.h"

#include "certificate.h"

#define TAG_BIT_STRING	0x03
#define TAG_SEQUENCE	0x30

/*
 * Reads the header of an element with that tag at der[*at]; *at moves behind
 * it. The contents end at *end, which is not beyond len (X.690 8.1.3, 10.1).
 */
static bool
der_header(const uint8 *der, size_t len, uint8 tag, size_t *at, size_t *end)
{
	size_t		length;

	if (len - *at < 2 || der[*at] != tag)
		return false;
	length = der[*at + 1];
	*at += 2;
	if (length >= 0x80)
	{
		size_t		count = length & 0x7f;

		/* 0x80 is the indefinite form of BER */
		if (count < 1 || count > 4 || len - *at < count || der[*at] == 0)
			return false;
		length = 0;
		for (size_t i = 0; i < count; i++)
			length = length << 8 | der[(*at)++];
		if (length < 0x80)
			return false;
	}
	if (length > len - *at)
		return false;
	*end = *at + length;
	return true;
}

bool
sct_certificate_outline(const uint8 *der, size_t len)
{
	static const uint8 parts[] = {TAG_SEQUENCE, TAG_SEQUENCE, TAG_BIT_STRING};
	size_t		at = 0;
	size_t		end;

	if (!der_header(der, len, TAG_SEQUENCE, &at, &end) || end != len)
		return false;
	for (size_t i = 0; i < lengthof(parts); i++)
	{
		if (!der_header(der, len, parts[i], &at, &end))
			return false;

		/* no signature leaves bits of its last byte unused */
		if (parts[i] == TAG_BIT_STRING && (at == end || der[at] != 0))
			return false;
		at = end;
	}
	return at == len;
}
