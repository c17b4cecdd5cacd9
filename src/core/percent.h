/*
 * percent.h
 *		The characters of percent-encoding (RFC 3986 2.1 and 2.3).
 */
#ifndef SCT_PERCENT_H
#define SCT_PERCENT_H

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

/* Is it one that every encoder leaves as it is? */
static inline bool
sct_is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c >= '0' && c <= '9') ||
		c == '-' || c == '.' || c == '_' || c == '~';
}

#endif							/* SCT_PERCENT_H */
