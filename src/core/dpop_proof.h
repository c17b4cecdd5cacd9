/*
 * dpop_proof.h
 *		A DPoP proof checked against one request (RFC 9449 4.3), all but the
 *		checks that need state: nonce and replay.
 */
#ifndef SCT_DPOP_PROOF_H
#define SCT_DPOP_PROOF_H

#include "thumbprint.h"
#include "uri.h"

#define SCT_DPOP_MAX_LEN		8192	/* characters of a proof */
#define SCT_DPOP_MAX_JTI		256		/* bytes */
#define SCT_DPOP_MAX_HTM		64		/* bytes */
#define SCT_DPOP_MAX_SERVER		256		/* bytes of a server's name */
#define SCT_DPOP_MAX_NONCE		256		/* characters */

/* Times in microseconds since 1970-01-01 UTC, lengths of time in microseconds. */
typedef struct SctDpopRequest
{
	const char *htm;			/* the method of the request */
	size_t		htm_len;
	const char *htu;			/* its URI, from sct_uri_normalize() */
	size_t		htu_len;
	const char *ath;			/* 43 characters, or NULL: no access token */
	const char *jkt;			/* thumbprint the key must have, or NULL */
	size_t		jkt_len;
	SctAlgSet	algs;			/* accepted algorithms */
	int64		now;
	int64		max_age;
	int64		future_skew;
	bool		require_nonce;	/* answer a malformed nonce with a challenge */
	bool		any_time;		/* iat, exp, nbf need only be numbers: a nonce bounds
								 * the age of the proof, the client's clock is bad */
} SctDpopRequest;

/*
 * What a proof says.  Pointers go into space.  After a refusal alg and iat are
 * set when has_alg and has_iat say so, unverified, and key_found when has_key
 * does; the rest must not be read.
 */
typedef struct SctDpopProof
{
	bool		has_alg;
	SctAlg		alg;
	bool		has_iat;
	int64		iat;
	bool		has_key;		/* the signature was looked at */
	bool		key_found;		/* in the key cache */
	SctJwk		jwk;
	char		jkt[SCT_THUMBPRINT_LEN];
	const char *jti;
	size_t		jti_len;
	const char *nonce;			/* NULL when the claim is absent */
	size_t		nonce_len;
	const char *ath;			/* NULL when the claim is absent */
	size_t		ath_len;
	const char *claims;			/* the payload's JSON text */
	size_t		claims_len;

	/* work space */
	SctJson		json;
	uint8		signature[SCT_DPOP_MAX_LEN];
	char		header[SCT_DPOP_MAX_LEN];
	char		payload[SCT_DPOP_MAX_LEN];
	char		header_space[SCT_JSON_SPACE(SCT_DPOP_MAX_LEN)];
	char		payload_space[SCT_JSON_SPACE(SCT_DPOP_MAX_LEN)];
} SctDpopProof;

/*
 * Checks a proof (len bytes of it) in the order: form, header, key, claims,
 * signature, binding; cheap before dear, so that no refusal costs more than an
 * acceptance.  proof NULL is SCT_MISSING.
 */
extern SctReason sct_dpop_verify(const char *proof, size_t len,
								 const SctDpopRequest *request,
								 SctDpopProof *result);

/*
 * The thumbprint of the key that a proof names, into SCT_THUMBPRINT_LEN characters:
 * nothing of it is verified.  proof is work space.
 */
extern SctReason sct_dpop_key(const char *text, size_t len, SctDpopProof *proof,
							  char *jkt);

/*
 * What a proof is remembered by, so that it is accepted once: SHA-256 over
 * server, jkt, htm, normalized htu and jti, each with its length before it
 * (RFC 9449 11.1).  Not the text or the signature, which others can vary.  After
 * sct_dpop_verify() said SCT_OK; 32 bytes.
 */
extern SctReason sct_dpop_digest(const char *server, size_t server_len,
								 const SctDpopRequest *request,
								 const SctDpopProof *proof, uint8 *digest);

/*
 * ath of an access token: base64url of its SHA-256 (RFC 9449 4.2), into 43
 * characters.  SCT_ACCESS_TOKEN unless it is 1 to 65536 characters %x20-7E
 * (RFC 6749 A.12).
 */
extern SctReason sct_dpop_ath(const char *access_token, size_t len, char *ath);

#endif							/* SCT_DPOP_PROOF_H */
