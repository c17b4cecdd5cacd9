/*
 * token.h
 *		The text of a refresh token (doc/tokens.md).
 *
 *		"sct_" base64url(version 1 | key id 1 | family id 16 | generation 6 |
 *		secret 32 | MAC 16) checksum
 *
 * MAC is HMAC-SHA256 over all bytes before it, cut to 16.  checksum is the CRC-32
 * (IEEE 802.3) of all characters before it as six base62 digits 0-9A-Za-z, most
 * significant first, so that secret scanners tell a token from a look-alike.
 */
#ifndef SCT_TOKEN_H
#define SCT_TOKEN_H

#include "reason.h"

#define SCT_TOKEN_VERSION		1
#define SCT_TOKEN_LEN			106		/* characters */
#define SCT_TOKEN_FAMILY_LEN	16
#define SCT_TOKEN_SECRET_LEN	32
#define SCT_TOKEN_MAX_GENERATION	INT64CONST(0xFFFFFFFFFFFF)

typedef struct SctToken
{
	uint8		key_id;			/* server_secret.id of the MAC key */
	uint8		family_id[SCT_TOKEN_FAMILY_LEN];
	int64		generation;
	uint8		secret[SCT_TOKEN_SECRET_LEN];
} SctToken;

/*
 * Reads form, version and checksum, not the MAC.  SCT_TOKEN_FORMAT or
 * SCT_TOKEN_CHECKSUM.
 */
extern SctReason sct_token_parse(const char *text, size_t len, SctToken *token);

/*
 * Is the MAC of a text that sct_token_parse() took the one that mac_key (32
 * bytes) gives?  SCT_TOKEN_MAC when not.  Compared in constant time.
 */
extern SctReason sct_token_verify(const char *text, const uint8 *mac_key);

/* Writes SCT_TOKEN_LEN characters, no NUL. */
extern SctReason sct_token_build(const SctToken *token, const uint8 *mac_key,
								 char *text);

#endif							/* SCT_TOKEN_H */
