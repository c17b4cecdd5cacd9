/*
 * nonce.h
 *		Nonces for DPoP proofs (RFC 9449 8, 9) that need no table: the server
 *		reads its own clock out of them.
 *
 *		base64url(form 1 | key id 1 | step 8 | MAC 24)
 *
 * step is the number of the step of the clock (counted from 1970) in which the
 * nonce was made, most significant byte first as all numbers here.  MAC is
 * HMAC-SHA256, cut to 24 bytes, over "sctoken nonce", form, key id, step, the
 * length of a step (4 bytes) and how many more it holds (4 bytes), the length of
 * the server's name (4 bytes), the name, and for SCT_NONCE_BOUND the 43 characters
 * of the thumbprint.  So a nonce of one server is none for another, it cannot be
 * foreseen, and no change of the settings makes one that has ended live again.
 */
#ifndef SCT_NONCE_H
#define SCT_NONCE_H

#include "dpop_proof.h"

#define SCT_NONCE_LEN			46	/* characters */
#define SCT_NONCE_MAC_LEN		24

/* For whom a nonce is: the first byte, which is the version too. */
#define SCT_NONCE_UNBOUND		1	/* for every key */
#define SCT_NONCE_BOUND			2	/* for the key of one thumbprint */

typedef struct SctNonce
{
	uint8		form;
	uint8		key_id;			/* server_secret.id */
	int64		step;			/* not negative */
	uint8		mac[SCT_NONCE_MAC_LEN];
} SctNonce;

/* What a nonce holds for. */
typedef struct SctNonceScope
{
	const char *server;
	size_t		server_len;		/* 1 to SCT_DPOP_MAX_SERVER */
	const char *jkt;			/* 43 characters; NULL: unknown, or every key */
} SctNonceScope;

/* The clock and the settings.  Seconds; now counts from 1970-01-01 UTC. */
typedef struct SctNonceClock
{
	int64		now;
	int64		step_length;	/* at least 1 */
	int64		steps;			/* how many steps before the current one pass */
} SctNonceClock;

/* What is left of a nonce that holds. */
typedef struct SctNonceLife
{
	bool		renew;			/* more than half is over: hand out a new one */
	int64		end;			/* the first second in which it no longer holds */
} SctNonceLife;

/*
 * Reads the form alone.  SCT_NONCE, as for whatever else is wrong with a nonce: a
 * client is told no more than to use another one.
 */
extern SctReason sct_nonce_parse(const char *text, size_t len, SctNonce *nonce);

/*
 * Was it made with this key (32 bytes), for this scope, under these settings?  An
 * unbound nonce holds for every key, a bound one for that of scope->jkt alone.
 * SCT_NONCE when not.  The MAC is compared in constant time.
 */
extern SctReason sct_nonce_verify(const SctNonce *nonce, const uint8 *key,
								  const SctNonceScope *scope,
								  const SctNonceClock *clock);

/*
 * Does it hold now?  A nonce of the next step does, for that is what a node whose
 * clock is ahead hands out.  Otherwise SCT_NONCE.
 */
extern SctReason sct_nonce_current(const SctNonce *nonce,
								   const SctNonceClock *clock,
								   SctNonceLife *life);

/*
 * Writes the nonce of the current step, SCT_NONCE_LEN characters, no NUL; bound
 * when scope->jkt is not NULL.
 */
extern SctReason sct_nonce_build(uint8 key_id, const uint8 *key,
								 const SctNonceScope *scope,
								 const SctNonceClock *clock, char *text);

#endif							/* SCT_NONCE_H */
