/*
 * token.c
 *		The text of a refresh token, see token.h.
 */
#include "../compat.h"

#include "base64url.h"
#include "crypto.h"
#include "token.h"

#define PREFIX			"sct_"
#define PREFIX_LEN		4
#define CHECKSUM_LEN	6

/* Where things stand in the bytes of a token */
#define AT_VERSION		0
#define AT_KEY_ID		1
#define AT_FAMILY		2
#define AT_GENERATION	(AT_FAMILY + SCT_TOKEN_FAMILY_LEN)
#define GENERATION_LEN	6
#define AT_SECRET		(AT_GENERATION + GENERATION_LEN)
#define AT_MAC			(AT_SECRET + SCT_TOKEN_SECRET_LEN)
#define MAC_LEN			16
#define BYTES			(AT_MAC + MAC_LEN)
#define BODY_LEN		SCT_BASE64URL_ENCODED_LEN(BYTES)

StaticAssertDecl(PREFIX_LEN + BODY_LEN + CHECKSUM_LEN == SCT_TOKEN_LEN,
				 "length of a token's text");

/*
 * CRC-32 (IEEE 802.3).  PostgreSQL's table of it is in the server only, zlib is
 * no dependency of ours, and 100 characters need no table.
 */
static uint32
crc32(const char *text, size_t len)
{
	uint32		crc = 0xFFFFFFFF;

	for (size_t i = 0; i < len; i++)
	{
		crc ^= (uint8) text[i];
		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (0xEDB88320 & (0 - (crc & 1)));
	}
	return ~crc;
}

static void
checksum_write(const char *text, size_t len, char *dst)
{
	static const char digits[] =
		"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	uint32		crc = crc32(text, len);

	for (int i = CHECKSUM_LEN - 1; i >= 0; i--)
	{
		dst[i] = digits[crc % 62];
		crc /= 62;
	}
}

SctReason
sct_token_parse(const char *text, size_t len, SctToken *token)
{
	uint8		bytes[BYTES];
	size_t		bytes_len;
	char		checksum[CHECKSUM_LEN];

	if (len != SCT_TOKEN_LEN || memcmp(text, PREFIX, PREFIX_LEN) != 0)
		return SCT_TOKEN_FORMAT;
	checksum_write(text, PREFIX_LEN + BODY_LEN, checksum);
	if (memcmp(text + PREFIX_LEN + BODY_LEN, checksum, CHECKSUM_LEN) != 0)
		return SCT_TOKEN_CHECKSUM;
	if (sct_base64url_decode(text + PREFIX_LEN, BODY_LEN,
							 bytes, &bytes_len) != SCT_OK ||
		bytes_len != BYTES || bytes[AT_VERSION] != SCT_TOKEN_VERSION)
		return SCT_TOKEN_FORMAT;

	token->key_id = bytes[AT_KEY_ID];
	memcpy(token->family_id, bytes + AT_FAMILY, SCT_TOKEN_FAMILY_LEN);
	token->generation = 0;
	for (int i = 0; i < GENERATION_LEN; i++)
		token->generation = token->generation << 8 | bytes[AT_GENERATION + i];
	memcpy(token->secret, bytes + AT_SECRET, SCT_TOKEN_SECRET_LEN);
	sct_crypto_cleanse(bytes, sizeof(bytes));
	return SCT_OK;
}

SctReason
sct_token_verify(const char *text, const uint8 *mac_key)
{
	uint8		bytes[BYTES];
	size_t		bytes_len;
	uint8		mac[SCT_SHA256_LEN];
	SctReason	reason;

	reason = sct_base64url_decode(text + PREFIX_LEN, BODY_LEN, bytes, &bytes_len);
	if (reason == SCT_OK)
		reason = sct_crypto_hmac(mac_key, bytes, AT_MAC, mac);
	if (reason == SCT_OK && !sct_crypto_equal(bytes + AT_MAC, mac, MAC_LEN))
		reason = SCT_TOKEN_MAC;
	sct_crypto_cleanse(bytes, sizeof(bytes));
	return reason;
}

SctReason
sct_token_build(const SctToken *token, const uint8 *mac_key, char *text)
{
	uint8		bytes[BYTES];
	uint8		mac[SCT_SHA256_LEN];
	SctReason	reason;

	bytes[AT_VERSION] = SCT_TOKEN_VERSION;
	bytes[AT_KEY_ID] = token->key_id;
	memcpy(bytes + AT_FAMILY, token->family_id, SCT_TOKEN_FAMILY_LEN);
	for (int i = 0; i < GENERATION_LEN; i++)
		bytes[AT_GENERATION + i] =
			(uint8) (token->generation >> (8 * (GENERATION_LEN - 1 - i)));
	memcpy(bytes + AT_SECRET, token->secret, SCT_TOKEN_SECRET_LEN);
	reason = sct_crypto_hmac(mac_key, bytes, AT_MAC, mac);
	if (reason == SCT_OK)
	{
		memcpy(bytes + AT_MAC, mac, MAC_LEN);
		memcpy(text, PREFIX, PREFIX_LEN);
		sct_base64url_encode(bytes, BYTES, text + PREFIX_LEN);
		checksum_write(text, PREFIX_LEN + BODY_LEN,
					   text + PREFIX_LEN + BODY_LEN);
	}
	sct_crypto_cleanse(bytes, sizeof(bytes));
	return reason;
}
