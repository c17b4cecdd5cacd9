/*
 * base64url.h
 *		base64url without padding (RFC 7515 2, RFC 4648 5) and base64 with it
 *		(RFC 4648 4), canonical forms only.
 *
 * PostgreSQL's and OpenSSL's decoders skip white space, take padding and ignore
 * stray bits.  Each of these gives one value several spellings, so that a hash of
 * the text no longer identifies the value.  Here every value has one spelling.
 */
#ifndef SCT_BASE64URL_H
#define SCT_BASE64URL_H

#include "reason.h"

/* Characters that encode len bytes, and the most bytes that len characters give. */
#define SCT_BASE64URL_ENCODED_LEN(len)	(((size_t) (len) * 4 + 2) / 3)
#define SCT_BASE64URL_DECODED_LEN(len)	((size_t) (len) * 3 / 4)

/*
 * Writes exactly SCT_BASE64URL_ENCODED_LEN(len) characters to dst, no NUL.
 */
extern void sct_base64url_encode(const uint8 *src, size_t len, char *dst);

/*
 * Decodes len characters to dst, which has room for
 * SCT_BASE64URL_DECODED_LEN(len) bytes; *dst_len is how many were written.
 * SCT_BASE64URL for a character outside the alphabet (padding and white space
 * included), an impossible length, or non-zero bits after the last byte.
 * The empty string is valid and gives no bytes.
 */
extern SctReason sct_base64url_decode(const char *src, size_t len,
									  uint8 *dst, size_t *dst_len);

/*
 * The same for base64, and false instead of SCT_BASE64URL.  The padding must be
 * there, and without it the rules are those above.  dst may be where src is: no
 * character is read after a byte has been written over it.
 */
extern bool sct_base64_decode(const char *src, size_t len,
							  uint8 *dst, size_t *dst_len);

#endif							/* SCT_BASE64URL_H */
