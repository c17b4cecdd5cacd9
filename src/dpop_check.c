/*
 * dpop_check.c
 *		The whole check of a DPoP proof, see dpop_check.h.
 */
#include "sctoken.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "dpop_check.h"
#include "nonce.h"
#include "query.h"
#include "replay.h"

PG_FUNCTION_INFO_V1(sctoken_dpop_check);
PG_FUNCTION_INFO_V1(sctoken_dpop_check_headers);

/* The nonce of a proof that is good otherwise (RFC 9449 8 and 9). */
static SctReason
check_nonce(DpopCheck *check)
{
	const SctDpopProof *proof = check->call.proof;
	NonceVerdict verdict;

	check->nonce_expires_at = DT_NOBEGIN;
	if (!check->require_nonce)
		return SCT_OK;
	if (proof->nonce == NULL)
		return SCT_NONCE_REQUIRED;
	verdict = sct_nonce_check(proof->nonce, proof->nonce_len,
							  check->server, check->server_len,
							  proof->jkt, check->call.at);
	if (!verdict.valid)
		return SCT_NONCE;
	check->nonce_expires_at = verdict.expires_at;
	if (verdict.renew)
		check->next_nonce = sct_nonce_make(check->server, check->server_len, NULL,
										   check->call.at);
	return SCT_OK;
}

/* Is the age of the proof bounded by its nonce, and by nothing else? */
static bool
nonce_alone_bounds(const DpopCheck *check)
{
	return check->require_nonce && sct_dpop_freshness == FRESHNESS_NONCE;
}

SctReason
sct_dpop_check_examine(DpopCheck *check)
{
	SctReason	reason;

	check->next_nonce = NULL;
	check->call.request.require_nonce = check->require_nonce;
	check->call.request.any_time = nonce_alone_bounds(check);
	reason = sct_dpop_call_verify(&check->call);
	if (reason == SCT_OK)
		reason = check_nonce(check);

	/* the answer to a missing or stale nonce is a fresh one */
	if (reason == SCT_NONCE_REQUIRED || reason == SCT_NONCE)
		check->next_nonce = sct_nonce_make(check->server, check->server_len, NULL,
										   check->call.at);
	return reason;
}

SctReason
sct_dpop_check_record(DpopCheck *check)
{
	const DpopCall *call = &check->call;
	int64		nonce_life = (int64) (sct_dpop_nonce_steps + 2) *
		sct_dpop_nonce_step * USECS_PER_SEC;
	ReplayRecord record;

	if (sct_dpop_digest(check->server, check->server_len, &call->request,
						call->proof, record.digest) != SCT_OK)
		elog(ERROR, "libcrypto failed");

	/* a call may be given a clock that is ahead; records are not purged by it */
	record.now = Min(call->at, call->wall_clock);
	record.wall_clock = call->wall_clock;
	record.iat = sct_dpop_call_iat(call);
	record.made_at = record.iat;

	/* a nonce that was not looked at may be one that others accept it by */
	record.nonce_expires_at = check->nonce_expires_at;
	if (!check->require_nonce && call->proof->nonce != NULL)
		record.nonce_expires_at = record.now + nonce_life;

	/*
	 * Whatever iat says.  A nonce may come from a machine whose clock is ahead,
	 * and passes from one step before its own on.
	 */
	if (nonce_alone_bounds(check))
		record.made_at = check->nonce_expires_at - nonce_life;
	return sct_replay_record(&record);
}

static text *
text_argument(FunctionCallInfo fcinfo, int argno)
{
	return PG_ARGISNULL(argno) ? NULL : PG_GETARG_TEXT_PP(argno);
}

/*
 * Reads the arguments after the first, which dpop_check and dpop_check_headers
 * share.
 */
static void
check_begin(FunctionCallInfo fcinfo, DpopCheck *check, text *proof)
{
	text	   *server = text_argument(fcinfo, 5);

	sct_dpop_call_begin(&check->call, proof, text_argument(fcinfo, 1),
						text_argument(fcinfo, 2), text_argument(fcinfo, 3),
						text_argument(fcinfo, 4));
	if (server == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", "server")));
	check->server = VARDATA_ANY(server);
	check->server_len = VARSIZE_ANY_EXHDR(server);
	if (check->server_len == 0 || check->server_len > SCT_DPOP_MAX_SERVER)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must have 1 to %d bytes", "server",
						SCT_DPOP_MAX_SERVER)));
	check->require_nonce = PG_ARGISNULL(6) ?
		sct_nonce_is_required() : PG_GETARG_BOOL(6);
	if (!PG_ARGISNULL(7))
		sct_dpop_call_set_clock(&check->call, PG_GETARG_TIMESTAMPTZ(7));
}

static Datum
check_run(FunctionCallInfo fcinfo, DpopCheck *check)
{
	MemoryContext caller_context = CurrentMemoryContext;
	QueryScope	scope;
	SctReason	reason;
	Datum		result;

	sct_query_begin(&scope);
	reason = sct_dpop_check_examine(check);
	if (reason == SCT_OK)
		reason = sct_dpop_check_record(check);
	MemoryContextSwitchTo(caller_context);
	result = sct_dpop_result(fcinfo, reason, &check->call, check->next_nonce);
	sct_query_end(&scope);
	return result;
}

Datum
sctoken_dpop_check(PG_FUNCTION_ARGS)
{
	DpopCheck	check;

	PreventCommandIfReadOnly("sctoken.dpop_check()");
	PreventCommandDuringRecovery("sctoken.dpop_check()");
	check_begin(fcinfo, &check, text_argument(fcinfo, 0));
	return check_run(fcinfo, &check);
}

/*
 * RFC 9449 4.3 (1): not more than one header.  A proxy may have joined two with a
 * comma; a proof has none.
 */
Datum
sctoken_dpop_check_headers(PG_FUNCTION_ARGS)
{
	DpopCheck	check;
	Datum	   *values = NULL;
	bool	   *nulls = NULL;
	int			count = 0;
	text	   *proof = NULL;

	PreventCommandIfReadOnly("sctoken.dpop_check_headers()");
	PreventCommandDuringRecovery("sctoken.dpop_check_headers()");
	if (!PG_ARGISNULL(0))
		deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), TEXTOID, -1, false,
						  TYPALIGN_INT, &values, &nulls, &count);
	if (count == 1 && !nulls[0])
		proof = DatumGetTextPP(values[0]);
	check_begin(fcinfo, &check, proof);
	check.next_nonce = NULL;
	if (count > 1 ||
		(proof != NULL &&
		 memchr(VARDATA_ANY(proof), ',', VARSIZE_ANY_EXHDR(proof)) != NULL))
		return sct_dpop_result(fcinfo, SCT_HEADER_COUNT, &check.call, NULL);
	return check_run(fcinfo, &check);
}
