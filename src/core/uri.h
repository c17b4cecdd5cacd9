/*
 * uri.h
 *		http and https URIs, compared as RFC 9449 4.3 (9) asks.
 */
#ifndef SCT_URI_H
#define SCT_URI_H

#include "reason.h"

#define SCT_URI_MAX_LEN	8192	/* bytes */

/*
 * Normalises an absolute http or https URI as RFC 3986 6.2.2 and 6.2.3 say,
 * without its query and fragment: scheme and host in lower case, percent
 * triplets in upper case and decoded where they stand for an unreserved
 * character, dot segments removed, default and empty port dropped, an empty path
 * made "/".  Works on the escaped text; decodes nothing else and guesses nothing.
 *
 * dst has room for len + 1 bytes; *dst_len is what was written (no NUL).
 * SCT_URI when the text is not such a URI: another scheme, no authority,
 * userinfo, a character outside RFC 3986, a broken triplet or IP literal, a port
 * that is no number from 0 to 65535, more than SCT_URI_MAX_LEN bytes.
 * Idempotent: normalising a normalised URI gives it back.
 */
extern SctReason sct_uri_normalize(const char *uri, size_t len,
								   char *dst, size_t *dst_len);

#endif							/* SCT_URI_H */
