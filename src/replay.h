/*
 * replay.h
 *		Accepted proofs, remembered until they expire by themselves.
 */
#ifndef SCT_REPLAY_H
#define SCT_REPLAY_H

#include "core/crypto.h"
#include "datatype/timestamp.h"

/* sctoken.replay_store */
typedef enum ReplayStore
{
	REPLAY_LOGGED,
	REPLAY_UNLOGGED
} ReplayStore;

typedef struct ReplayRecord
{
	uint8		digest[SCT_SHA256_LEN];	/* sct_dpop_digest() */
	TimestampTz made_at;		/* no later than when it could first be accepted, and
								 * the future skew */
	TimestampTz iat;
	TimestampTz nonce_expires_at;	/* end of the nonce that it carries, or the latest
									 * that may be; DT_NOBEGIN: it carries none */
	TimestampTz now;			/* the earlier of the call's clock and the wall clock */
	TimestampTz wall_clock;		/* as it was when now was */
} ReplayRecord;

/*
 * Remembers a proof that passed every other check.  SCT_OK: it was not known, and
 * is accepted if the caller commits.  SCT_REPLAYED: it was accepted before.
 * SCT_HORIZON: made before the moment from which this store remembers.  SCT_BUSY:
 * it could not be told; nothing was accepted.  Between sct_query_begin() and
 * sct_query_end().
 */
extern SctReason sct_replay_record(const ReplayRecord *record);

#endif							/* SCT_REPLAY_H */
