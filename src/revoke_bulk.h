/*
 * revoke_bulk.h
 *		The end of many families by one statement.
 *
 * To be called between sct_query_begin() and sct_query_end(), with the subject's
 * lock held in ExclusiveLock.
 */
#ifndef SCT_REVOKE_BULK_H
#define SCT_REVOKE_BULK_H

#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "policy.h"

/*
 * on_reuse = revoke_subject_client: all families of a subject with a client.
 * Each but the one that was reused, which has an event of its own, gets an event.
 * False, and nothing has changed, when a row stayed locked for
 * sctoken.lock_timeout.
 */
extern bool sct_revoke_subject_client(const text *subject, const text *client_id,
									  const pg_uuid_t *reused);

/*
 * max_families: the oldest families of a subject with a client that still live,
 * so that there is room for one more.  Within sct_lock_bounded().
 */
extern void sct_revoke_surplus(const text *subject, const text *client_id,
							   const Policy *policy, TimestampTz now);

#endif							/* SCT_REVOKE_BULK_H */
