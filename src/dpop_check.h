/*
 * dpop_check.h
 *		The whole check of a DPoP proof: verification, nonce, replay.
 *
 * In two steps, because the first writes nothing and the second must be the last
 * of all checks of a call: a proof that fails one is not used up.
 */
#ifndef SCT_DPOP_CHECK_H
#define SCT_DPOP_CHECK_H

#include "dpop.h"

typedef struct DpopCheck
{
	DpopCall	call;
	const char *server;			/* names the server in nonces and records */
	size_t		server_len;
	bool		require_nonce;

	/* filled by sct_dpop_check_examine() */
	text	   *next_nonce;		/* to be handed out; NULL: none */
	TimestampTz nonce_expires_at;	/* DT_NOBEGIN: no nonce counted */
} DpopCheck;

/*
 * Verifies the proof and its nonce; between sct_query_begin() and
 * sct_query_end(), writes nothing but the server's first secret.
 */
extern SctReason sct_dpop_check_examine(DpopCheck *check);

/* Remembers a proof that sct_dpop_check_examine() took; see replay.h. */
extern SctReason sct_dpop_check_record(DpopCheck *check);

#endif							/* SCT_DPOP_CHECK_H */
