/*
 * characters.h
 *		Classes of characters that several texts share: URIs (RFC 3986), headers,
 *		distinguished names (RFC 4514).
 */
#ifndef SCT_CHARACTERS_H
#define SCT_CHARACTERS_H

/* The value of a hexadecimal digit, or -1. */
static inline int
sct_hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return -1;
}

/* Is it one that percent-encoding leaves as it is (RFC 3986 2.3)? */
static inline bool
sct_is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c >= '0' && c <= '9') ||
		c == '-' || c == '.' || c == '_' || c == '~';
}

#endif							/* SCT_CHARACTERS_H */
