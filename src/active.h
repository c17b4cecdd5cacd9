/*
 * active.h
 *		Whether a family still lives.
 */
#ifndef SCT_ACTIVE_H
#define SCT_ACTIVE_H

#include "family.h"

/*
 * Is the family neither revoked nor expired, and does the policy of its client
 * let it live?  Looks at revoked, client_id, created_at, rotated_at and
 * expires_at.  Fills *expires_at: when it ends if it is not used, the earlier of
 * idle and absolute expiry.  Between sct_query_begin() and sct_query_end().
 */
extern bool sct_family_is_active(const Family *family, TimestampTz now,
								 TimestampTz *expires_at);

#endif							/* SCT_ACTIVE_H */
