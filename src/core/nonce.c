/*
 * nonce.c
 *		Nonces for DPoP proofs that need no table, see nonce.h.
 */
#include "../compat.h"

#include "base64url.h"
#include "nonce.h"

/* Keeps the MAC apart from whatever else a key of the server may sign. */
#define DOMAIN			"sctoken nonce"
#define DOMAIN_LEN		(sizeof(DOMAIN) - 1)

/* Where things stand in the bytes of a nonce */
#define AT_FORM			0
#define AT_KEY_ID		1
#define AT_STEP			2
#define STEP_LEN		8
#define AT_MAC			(AT_STEP + STEP_LEN)
#define BYTES			(AT_MAC + SCT_NONCE_MAC_LEN)

#define NUMBER_LEN		4		/* of the settings, and of a length */

StaticAssertDecl(SCT_BASE64URL_ENCODED_LEN(BYTES) == SCT_NONCE_LEN,
				 "length of a nonce's text");

static void
write_int(uint64 value, int len, uint8 *dst)
{
	for (int i = len - 1; i >= 0; i--)
	{
		dst[i] = (uint8) value;
		value >>= 8;
	}
}

/* form, key id and step, which the MAC covers */
static void
write_head(const SctNonce *nonce, uint8 *head)
{
	head[AT_FORM] = nonce->form;
	head[AT_KEY_ID] = nonce->key_id;
	write_int((uint64) nonce->step, STEP_LEN, head + AT_STEP);
}

/* Writes SCT_SHA256_LEN bytes, of which a nonce has the first. */
static SctReason
compute_mac(const SctNonce *nonce, const uint8 *key, const SctNonceScope *scope,
			const SctNonceClock *clock, uint8 *mac)
{
	uint8		data[DOMAIN_LEN + AT_MAC + 3 * NUMBER_LEN +
					 SCT_DPOP_MAX_SERVER + SCT_THUMBPRINT_LEN];
	uint8	   *p = data;

	if (scope->server_len == 0 || scope->server_len > SCT_DPOP_MAX_SERVER)
		return SCT_NONCE;
	memcpy(p, DOMAIN, DOMAIN_LEN);
	p += DOMAIN_LEN;
	write_head(nonce, p);
	p += AT_MAC;
	write_int((uint64) clock->step_length, NUMBER_LEN, p);
	p += NUMBER_LEN;
	write_int((uint64) clock->steps, NUMBER_LEN, p);
	p += NUMBER_LEN;
	write_int(scope->server_len, NUMBER_LEN, p);
	p += NUMBER_LEN;
	memcpy(p, scope->server, scope->server_len);
	p += scope->server_len;
	if (nonce->form == SCT_NONCE_BOUND)
	{
		memcpy(p, scope->jkt, SCT_THUMBPRINT_LEN);
		p += SCT_THUMBPRINT_LEN;
	}
	return sct_crypto_hmac(key, data, (size_t) (p - data), mac);
}

SctReason
sct_nonce_parse(const char *text, size_t len, SctNonce *nonce)
{
	uint8		bytes[BYTES];
	size_t		bytes_len;

	/* 46 characters that decode are 34 bytes */
	if (len != SCT_NONCE_LEN ||
		sct_base64url_decode(text, len, bytes, &bytes_len) != SCT_OK ||
		(bytes[AT_FORM] != SCT_NONCE_UNBOUND &&
		 bytes[AT_FORM] != SCT_NONCE_BOUND) ||
		bytes[AT_STEP] > 0x7f)
		return SCT_NONCE;

	nonce->form = bytes[AT_FORM];
	nonce->key_id = bytes[AT_KEY_ID];
	nonce->step = 0;
	for (int i = 0; i < STEP_LEN; i++)
		nonce->step = nonce->step << 8 | bytes[AT_STEP + i];
	memcpy(nonce->mac, bytes + AT_MAC, SCT_NONCE_MAC_LEN);
	return SCT_OK;
}

SctReason
sct_nonce_verify(const SctNonce *nonce, const uint8 *key,
				 const SctNonceScope *scope, const SctNonceClock *clock)
{
	uint8		mac[SCT_SHA256_LEN];
	SctReason	reason;

	if (nonce->form == SCT_NONCE_BOUND && scope->jkt == NULL)
		return SCT_NONCE;
	reason = compute_mac(nonce, key, scope, clock, mac);
	if (reason == SCT_OK &&
		!sct_crypto_equal(nonce->mac, mac, SCT_NONCE_MAC_LEN))
		reason = SCT_NONCE;
	return reason;
}

SctReason
sct_nonce_current(const SctNonce *nonce, const SctNonceClock *clock,
				  SctNonceLife *life)
{
	int64		current;
	int64		begin;

	/* no nonce was made before 1970 */
	if (clock->now < 0)
		return SCT_NONCE;

	/* nothing is computed from a step before it is known to be near the clock */
	current = clock->now / clock->step_length;
	if (nonce->step > current + 1 || nonce->step < current - clock->steps)
		return SCT_NONCE;

	begin = nonce->step * clock->step_length;
	life->end = begin + (clock->steps + 1) * clock->step_length;

	/* within its own step a new nonce would be the same one */
	life->renew = nonce->step < current &&
		(clock->now - begin) * 2 >= life->end - begin;
	return SCT_OK;
}

SctReason
sct_nonce_build(uint8 key_id, const uint8 *key, const SctNonceScope *scope,
				const SctNonceClock *clock, char *text)
{
	SctNonce	nonce;
	uint8		mac[SCT_SHA256_LEN];
	uint8		bytes[BYTES];
	SctReason	reason;

	nonce.form = scope->jkt != NULL ? SCT_NONCE_BOUND : SCT_NONCE_UNBOUND;
	nonce.key_id = key_id;
	nonce.step = clock->now < 0 ? 0 : clock->now / clock->step_length;
	reason = compute_mac(&nonce, key, scope, clock, mac);
	if (reason != SCT_OK)
		return reason;
	write_head(&nonce, bytes);
	memcpy(bytes + AT_MAC, mac, SCT_NONCE_MAC_LEN);
	sct_base64url_encode(bytes, BYTES, text);
	return SCT_OK;
}
