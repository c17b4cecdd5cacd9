/*
 * reason.h
 *		Every verdict that a function of src/core can give, by name.
 *
 * A function of the core never throws: it returns SCT_OK or the one reason why
 * it did not succeed.  The word of a reason is public: it stands in the "reason"
 * column of sctoken.dpop_result, sctoken.grant_result and what
 * sctoken.token_binding_verify() gives, and never changes.
 */
#ifndef SCT_REASON_H
#define SCT_REASON_H

/*
 * X(symbol, word, OAuth error code that an AS or RS answers with), by what was
 * judged.  sctoken.stats counts the reasons of proofs and certificates.
 */

/* A DPoP proof */
#define SCT_PROOF_REASONS(X) \
	/* the proof as a compact JWS (RFC 7515 7.1) and its JSON */ \
	X(SCT_MISSING, "missing", "invalid_dpop_proof") \
	X(SCT_TOO_LONG, "too_long", "invalid_dpop_proof") \
	X(SCT_MALFORMED, "malformed", "invalid_dpop_proof") \
	X(SCT_BASE64URL, "base64url", "invalid_dpop_proof") \
	X(SCT_JSON, "json", "invalid_dpop_proof") \
	X(SCT_JSON_DUPLICATE, "json_duplicate", "invalid_dpop_proof") \
	X(SCT_JSON_LIMIT, "json_limit", "invalid_dpop_proof") \
	/* its header (RFC 9449 4.2, RFC 7515 4) */ \
	X(SCT_TYP, "typ", "invalid_dpop_proof") \
	X(SCT_ALG, "alg", "invalid_dpop_proof") \
	X(SCT_ALG_UNAVAILABLE, "alg_unavailable", "invalid_dpop_proof") \
	X(SCT_CRIT, "crit", "invalid_dpop_proof") \
	X(SCT_JWK, "jwk", "invalid_dpop_proof") \
	X(SCT_PRIVATE_KEY, "private_key", "invalid_dpop_proof") \
	X(SCT_KEY_USE, "key_use", "invalid_dpop_proof") \
	X(SCT_KEY, "key", "invalid_dpop_proof") \
	X(SCT_SIGNATURE, "signature", "invalid_dpop_proof") \
	/* its claims (RFC 9449 4.3) */ \
	X(SCT_HTM, "htm", "invalid_dpop_proof") \
	X(SCT_HTU, "htu", "invalid_dpop_proof") \
	X(SCT_IAT, "iat", "invalid_dpop_proof") \
	X(SCT_IAT_PAST, "iat_past", "invalid_dpop_proof") \
	X(SCT_IAT_FUTURE, "iat_future", "invalid_dpop_proof") \
	X(SCT_EXP, "exp", "invalid_dpop_proof") \
	X(SCT_NBF, "nbf", "invalid_dpop_proof") \
	X(SCT_JTI, "jti", "invalid_dpop_proof") \
	X(SCT_ATH, "ath", "invalid_dpop_proof") \
	X(SCT_ATH_UNEXPECTED, "ath_unexpected", "invalid_dpop_proof") \
	X(SCT_NONCE_TYPE, "nonce_type", "invalid_dpop_proof") \
	X(SCT_NONCE_SYNTAX, "nonce_syntax", "invalid_dpop_proof") \
	X(SCT_NONCE, "nonce", "use_dpop_nonce") \
	X(SCT_NONCE_REQUIRED, "nonce_required", "use_dpop_nonce") \
	X(SCT_REPLAYED, "replayed", "invalid_dpop_proof") \
	X(SCT_HORIZON, "horizon", "invalid_dpop_proof") \
	X(SCT_BUSY, "busy", "temporarily_unavailable") \
	X(SCT_HEADER_COUNT, "header_count", "invalid_dpop_proof") \
	/* what the proof is held against */ \
	X(SCT_ACCESS_TOKEN, "access_token", "invalid_token") \
	X(SCT_JKT, "jkt", "invalid_token")

/* A client certificate (RFC 8705); SCT_MISSING is one of its reasons too */
#define SCT_CERTIFICATE_REASONS(X) \
	X(SCT_CERTIFICATE, "certificate", "invalid_client") \
	X(SCT_NAME_SYNTAX, "name_syntax", "invalid_client_metadata") \
	X(SCT_NAME, "name", "invalid_client") \
	X(SCT_DISABLED, "disabled", "invalid_client") \
	X(SCT_NOT_REGISTERED, "not_registered", "invalid_client") \
	X(SCT_REGISTRATION_DATES, "registration_dates", "invalid_client") \
	X(SCT_LEAF_IS_CA, "leaf_is_ca", "invalid_client") \
	X(SCT_ISSUER, "issuer", "invalid_client") \
	X(SCT_NOT_A_CA, "not_a_ca", "invalid_client") \
	X(SCT_PATH_LENGTH, "path_length", "invalid_client") \
	X(SCT_CHAIN_SIGNATURE, "chain_signature", "invalid_client") \
	X(SCT_EXPIRED, "expired", "invalid_client") \
	X(SCT_NOT_YET_VALID, "not_yet_valid", "invalid_client") \
	X(SCT_PURPOSE, "purpose", "invalid_client") \
	X(SCT_WEAK, "weak", "invalid_client") \
	X(SCT_NAME_CONSTRAINTS, "name_constraints", "invalid_client") \
	X(SCT_CRITICAL_EXTENSION, "critical_extension", "invalid_client") \
	X(SCT_REVOKED, "revoked", "invalid_client") \
	X(SCT_CRL_MISSING, "crl_missing", "invalid_client") \
	X(SCT_CRL_EXPIRED, "crl_expired", "invalid_client") \
	X(SCT_CHAIN, "chain", "invalid_client")

#define SCT_REASONS(X) \
	X(SCT_OK, NULL, NULL) \
	SCT_PROOF_REASONS(X) \
	SCT_CERTIFICATE_REASONS(X) \
	/* a refresh token as text (doc/tokens.md) */ \
	X(SCT_TOKEN_FORMAT, "format", "invalid_grant") \
	X(SCT_TOKEN_CHECKSUM, "checksum", "invalid_grant") \
	X(SCT_TOKEN_MAC, "mac", "invalid_grant") \
	/* keys that a client registers */ \
	X(SCT_X5C, "x5c", "invalid_client_metadata") \
	X(SCT_X5C_KEY, "x5c_key", "invalid_client_metadata") \
	/* a Token Binding message (RFC 8471 4.2, RFC 8473 2) */ \
	X(SCT_NOT_NEGOTIATED, "not_negotiated", "invalid_request") \
	X(SCT_PROVIDED_COUNT, "provided_count", "invalid_request") \
	X(SCT_REFERRED_COUNT, "referred_count", "invalid_request") \
	X(SCT_KEY_PARAMETERS, "key_parameters", "invalid_request") \
	X(SCT_PROVIDED_SIGNATURE, "provided_signature", "invalid_request") \
	X(SCT_OTHER_SIGNATURE, "other_signature", "invalid_request") \
	/* other inputs */ \
	X(SCT_URI, "uri", "invalid_request") \
	/* libcrypto failed where no input can make it fail: out of memory */ \
	X(SCT_INTERNAL, "internal", "server_error")

typedef enum SctReason
{
#define X(symbol, word, error) symbol,
	SCT_REASONS(X)
#undef X
} SctReason;

/* The public word of a reason; NULL for SCT_OK. */
extern const char *sct_reason_word(SctReason reason);

/* The OAuth error code (RFC 6749 5.2, RFC 6750 3.1, RFC 9449 5, 7.1, 8). */
extern const char *sct_reason_error(SctReason reason);

#endif							/* SCT_REASON_H */
