/*
 * jws.h
 *		Compact JWS (RFC 7515) and the signature algorithms of JOSE (RFC 7518 3,
 *		RFC 8037, RFC 9864).
 *
 * There is no "none" and no HMAC here, so that no header can ask for one.
 */
#ifndef SCT_JWS_H
#define SCT_JWS_H

#include "jwk.h"

typedef enum SctAlg
{
	SCT_ALG_ES256,
	SCT_ALG_ES384,
	SCT_ALG_ES512,
	SCT_ALG_PS256,
	SCT_ALG_PS384,
	SCT_ALG_PS512,
	SCT_ALG_RS256,
	SCT_ALG_RS384,
	SCT_ALG_RS512,
	SCT_ALG_EDDSA,				/* RFC 8037: Ed25519 or Ed448, as the key is */
	SCT_ALG_ED25519,			/* RFC 9864 */
	SCT_ALG_ED448				/* RFC 9864 */
} SctAlg;

#define SCT_ALG_COUNT	(SCT_ALG_ED448 + 1)

/* A set of algorithms. */
typedef uint32 SctAlgSet;

#define SCT_ALG_BIT(alg)	((SctAlgSet) 1 << (alg))

/* The JOSE name. */
extern const char *sct_alg_name(SctAlg alg);

/* Case-sensitive; false for a name that is not in SctAlg. */
extern bool sct_alg_lookup(const char *name, size_t len, SctAlg *alg);

/* Does the algorithm go with a key of this type? */
extern bool sct_alg_fits(SctAlg alg, SctKeyType type);

/* Where the three parts of a compact JWS stand in its text, still encoded. */
typedef struct SctJwsParts
{
	const char *header;
	size_t		header_len;
	const char *payload;
	size_t		payload_len;
	const char *signature;
	size_t		signature_len;
	size_t		signed_len;		/* header "." payload, from the start of the text */
} SctJwsParts;

/*
 * SCT_MALFORMED unless the text is three parts between two dots, of which only the
 * payload may be empty; what the parts hold is not looked at.
 */
extern SctReason sct_jws_split(const char *text, size_t len, SctJwsParts *parts);

/*
 * Reads alg from a parsed header, and refuses what we do not understand: SCT_ALG
 * unless alg is a name in SctAlg, SCT_CRIT when crit or b64 is present
 * (RFC 7515 4.1.11, RFC 7797 7).
 */
extern SctReason sct_jws_header(const SctJson *header, SctAlg *alg);

#endif							/* SCT_JWS_H */
