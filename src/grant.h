/*
 * grant.h
 *		sctoken.grant_result: the answer of issue and rotate.
 */
#ifndef SCT_GRANT_H
#define SCT_GRANT_H

#include "fmgr.h"

#include "binding.h"
#include "family.h"

/* X(symbol, word, OAuth error code; NULL: success) */
#define GRANT_OUTCOMES(X) \
	X(OUTCOME_ISSUED, "issued", NULL) \
	X(OUTCOME_ROTATED, "rotated", NULL) \
	X(OUTCOME_KEPT, "kept", NULL) \
	X(OUTCOME_REPLAYED, "replayed", NULL) \
	X(OUTCOME_REUSE_DETECTED, "reuse_detected", "invalid_grant") \
	X(OUTCOME_REVOKED, "revoked", "invalid_grant") \
	X(OUTCOME_EXPIRED, "expired", "invalid_grant") \
	X(OUTCOME_UNKNOWN_TOKEN, "unknown_token", "invalid_grant") \
	X(OUTCOME_CLIENT_MISMATCH, "client_mismatch", "invalid_grant") \
	X(OUTCOME_CLIENT_DISABLED, "client_disabled", "unauthorized_client") \
	X(OUTCOME_BINDING_MISMATCH, "binding_mismatch", "invalid_grant") \
	X(OUTCOME_BINDING_REQUIRED, "binding_required", "invalid_request") \
	X(OUTCOME_PROOF_INVALID, "proof_invalid", "invalid_dpop_proof") \
	X(OUTCOME_NONCE_REQUIRED, "nonce_required", "use_dpop_nonce") \
	X(OUTCOME_SCOPE_EXCEEDED, "scope_exceeded", "invalid_scope") \
	X(OUTCOME_AUDIENCE_EXCEEDED, "audience_exceeded", "invalid_target") \
	X(OUTCOME_BUSY, "busy", "temporarily_unavailable")

typedef enum Outcome
{
#define X(symbol, word, error) symbol,
	GRANT_OUTCOMES(X)
#undef X
} Outcome;

/* What a successful call gives, besides what the family says. */
typedef struct Grant
{
	Outcome		outcome;
	const char *reason;			/* NULL: none */
	text	   *refresh_token;
	int64		generation;		/* of refresh_token */
	text	   *scope;			/* NULL: none */
	ArrayType  *audience;		/* NULL: none */
	Jsonb	   *cnf;			/* NULL: none */
	TimestampTz expires_at;
	TimestampTz family_expires_at;
	text	   *next_nonce;		/* NULL: none; on failure too */
} Grant;

/* The rows; palloc'd in the context that is current. */
extern Datum sct_grant_success(FunctionCallInfo fcinfo, const Grant *grant,
							   const Family *family);

/* Of grant only outcome, reason and next_nonce; token NULL: not a genuine one. */
extern Datum sct_grant_failure(FunctionCallInfo fcinfo, const Grant *grant,
							   const SctToken *token);

extern const char *sct_grant_outcome_word(Outcome outcome);

#endif							/* SCT_GRANT_H */
