/*
 * dpop.h
 *		A DPoP proof and the request that it came with, as SQL functions get them.
 */
#ifndef SCT_DPOP_H
#define SCT_DPOP_H

#include "fmgr.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

#include "core/dpop_proof.h"

#define DPOP_MAX_MAX_AGE		600 /* seconds */
#define DPOP_MAX_FUTURE_SKEW	60	/* seconds */

/* GUC hooks of sctoken.dpop_algs */
extern bool sct_dpop_check_algs(char **newval, void **extra, GucSource source);
extern void sct_dpop_assign_algs(const char *newval, void *extra);

typedef struct DpopCall
{
	text	   *text;			/* the proof; NULL: none */
	text	   *access_token;	/* NULL: none */
	TimestampTz wall_clock;
	TimestampTz at;				/* the clock to compare with */
	SctDpopRequest request;
	SctDpopProof *proof;		/* filled by sct_dpop_call_verify() */
	char		htu[SCT_URI_MAX_LEN + 1];
	char		ath[SCT_THUMBPRINT_LEN];
} DpopCall;

/*
 * Begins a call with the wall clock and the settings; NULL arguments are nulls.
 * Errors for what a caller must not pass as htm and htu.
 */
extern void sct_dpop_call_begin(DpopCall *call, text *proof, text *htm, text *htu,
								text *access_token, text *jkt);

/* Another clock; an error for one that no arithmetic is safe with. */
extern void sct_dpop_call_set_clock(DpopCall *call, TimestampTz at);

/* Everything but nonce and replay; touches no table. */
extern SctReason sct_dpop_call_verify(DpopCall *call);

/* Counts the verdict on a proof, in the end. */
extern void sct_dpop_call_count(const DpopCall *call, SctReason verdict);

/* iat of a proof that has one. */
extern TimestampTz sct_dpop_call_iat(const DpopCall *call);

/* The result row, in the context that is current; counts the verdict. */
extern Datum sct_dpop_result(FunctionCallInfo fcinfo, SctReason reason,
							 const DpopCall *call, text *next_nonce);

#endif							/* SCT_DPOP_H */
