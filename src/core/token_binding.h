/*
 * token_binding.h
 *		Token Binding messages (RFC 8471, over HTTP RFC 8473): keys that a client
 *		proves to hold on one TLS connection.  Legacy, see doc/token_binding.md.
 */
#ifndef SCT_TOKEN_BINDING_H
#define SCT_TOKEN_BINDING_H

#include "crypto.h"

#define SCT_TBH_LEN				43	/* base64url of a SHA-256 */
#define SCT_TB_EKM_LEN			32	/* exported keying material (RFC 8471 3.3) */
#define SCT_TB_MAX_LEN			65537	/* bytes of a message */
#define SCT_TB_MAX_BINDINGS		8

/* TokenBindingKeyParameters (RFC 8471 3); others are unknown here. */
typedef enum SctTbKeyParameters
{
	SCT_TB_RSA2048_PKCS1_5,
	SCT_TB_RSA2048_PSS,
	SCT_TB_ECDSAP256
} SctTbKeyParameters;

#define SCT_TB_KEY_PARAMETERS	(SCT_TB_ECDSAP256 + 1)

/* The keys that a message proved, by the hashes of their Token Binding IDs. */
typedef struct SctTokenBindings
{
	char		provided_tbh[SCT_TBH_LEN];
	bool		has_referred;
	char		referred_tbh[SCT_TBH_LEN];
} SctTokenBindings;

/*
 * Verifies a message against the connection that it came over: ekm is its
 * exported keying material of SCT_TB_EKM_LEN bytes, key_parameters what was
 * negotiated on it; what is not in SctTbKeyParameters, such as -1, counts as
 * nothing, and ekm is not read.  In this order (RFC 8471 4.2, RFC 8473 2):
 * SCT_NOT_NEGOTIATED; SCT_MALFORMED, also for more than SCT_TB_MAX_BINDINGS;
 * SCT_PROVIDED_COUNT unless one binding is provided; SCT_REFERRED_COUNT when more
 * than one is referred; SCT_KEY_PARAMETERS when those of the provided one are not
 * the negotiated ones; SCT_PROVIDED_SIGNATURE, SCT_OTHER_SIGNATURE when a
 * signature is wrong or its key unsafe, whatever the type of the binding.
 * SCT_ALG_UNAVAILABLE as in crypto.h.
 *
 * A binding of any other type is verified and then ignored.  One with unknown key
 * parameters cannot be verified and is ignored; as referred, it is not in *result,
 * since nothing may be bound to it (RFC 8473 5.4).  *result is filled for SCT_OK
 * only.
 *
 * Nothing is remembered: a verdict belongs to one connection.
 */
extern SctReason sct_token_binding_verify(const uint8 *message, size_t len,
										  const uint8 *ekm, int key_parameters,
										  SctTokenBindings *result);

/*
 * tbh of a TokenBindingID: base64url of its SHA-256, SCT_TBH_LEN characters
 * (draft-ietf-oauth-token-binding-08 3).  SCT_MALFORMED unless its length is that
 * of one ID; the key inside is not looked at.
 */
extern SctReason sct_token_binding_hash(const uint8 *id, size_t len, char *tbh);

#endif							/* SCT_TOKEN_BINDING_H */
