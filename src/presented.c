/*
 * presented.c
 *		What a client presents besides its token, see presented.h.
 */
#include "sctoken.h"

#include "utils/builtins.h"

#include "core/crypto.h"
#include "certificate.h"
#include "nonce.h"
#include "presented.h"

/* The authorization server's name in nonces and replay records. */
#define SERVER_NAME		"as"

void
sct_presented_read(Presented *presented, FunctionCallInfo fcinfo,
				   int cnf_argno, int proof_argno, bool strict)
{
	int			htm_argno = proof_argno + 1;
	int			htu_argno = proof_argno + 2;
	int			certificate_argno = proof_argno + 3;

	memset(presented, 0, sizeof(Presented));
	if (!PG_ARGISNULL(certificate_argno))
	{
		presented->x5t = palloc(SCT_THUMBPRINT_LEN);
		sct_certificate_argument(PG_GETARG_BYTEA_PP(certificate_argno),
								 "certificate", presented->x5t);
	}
	sct_binding_parse(PG_ARGISNULL(cnf_argno) ? NULL : PG_GETARG_JSONB_P(cnf_argno),
					  strict, &presented->binding);
	presented->cnf = sct_binding_to_cnf(&presented->binding);
	if (PG_ARGISNULL(proof_argno))
		return;
	presented->proof = palloc(sizeof(DpopCheck));
	sct_dpop_call_begin(&presented->proof->call, PG_GETARG_TEXT_PP(proof_argno),
						PG_ARGISNULL(htm_argno) ? NULL : PG_GETARG_TEXT_PP(htm_argno),
						PG_ARGISNULL(htu_argno) ? NULL : PG_GETARG_TEXT_PP(htu_argno),
						NULL, NULL);
	presented->proof->server = SERVER_NAME;
	presented->proof->server_len = strlen(SERVER_NAME);
}

static bool
proof_failed(SctReason verdict, Outcome *outcome, const char **reason)
{
	if (verdict == SCT_OK)
		return false;
	*reason = sct_reason_word(verdict);
	if (verdict == SCT_NONCE_REQUIRED || verdict == SCT_NONCE)
		*outcome = OUTCOME_NONCE_REQUIRED;
	else if (verdict == SCT_BUSY)
		*outcome = OUTCOME_BUSY;
	else
		*outcome = OUTCOME_PROOF_INVALID;
	return true;
}

/*
 * Adds what was presented itself to what the caller says it has verified.  False
 * when the two disagree.
 */
static bool
add_member(Presented *presented, BindingMember member, const char *thumbprint,
		   Outcome *outcome, const char **reason)
{
	Binding    *binding = &presented->binding;

	if (binding->has[member] &&
		!sct_crypto_equal(binding->thumbprint[member], thumbprint,
						  SCT_THUMBPRINT_LEN))
	{
		*outcome = OUTCOME_BINDING_MISMATCH;
		*reason = "disagree";
		return false;
	}
	binding->has[member] = true;
	memcpy(binding->thumbprint[member], thumbprint, SCT_THUMBPRINT_LEN);
	return true;
}

static bool
examine_proof(Presented *presented, const Policy *policy,
			  Outcome *outcome, const char **reason)
{
	SctReason	verdict;

	presented->proof->require_nonce = policy->has_require_nonce ?
		policy->require_nonce : sct_nonce_is_required();
	verdict = sct_dpop_check_examine(presented->proof);
	presented->next_nonce = presented->proof->next_nonce;
	if (verdict != SCT_OK)
		sct_dpop_call_count(&presented->proof->call, verdict);
	return !proof_failed(verdict, outcome, reason) &&
		add_member(presented, BINDING_JKT, presented->proof->call.proof->jkt,
				   outcome, reason);
}

bool
sct_presented_examine(Presented *presented, const Policy *policy,
					  Outcome *outcome, const char **reason)
{
	if (presented->x5t != NULL &&
		!add_member(presented, BINDING_X5T_S256, presented->x5t, outcome, reason))
		return false;
	if (presented->proof != NULL &&
		!examine_proof(presented, policy, outcome, reason))
		return false;
	if (presented->x5t != NULL || presented->proof != NULL)
		presented->cnf = sct_binding_to_cnf(&presented->binding);
	return true;
}

bool
sct_presented_record(Presented *presented, Outcome *outcome, const char **reason)
{
	SctReason	verdict;

	if (presented->proof == NULL)
		return true;
	verdict = sct_dpop_check_record(presented->proof);
	sct_dpop_call_count(&presented->proof->call, verdict);
	return !proof_failed(verdict, outcome, reason);
}
