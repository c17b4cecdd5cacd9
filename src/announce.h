/*
 * announce.h
 *		NOTIFY on channel sctoken_revoked (sctoken.notify).
 *
 * Sent when the transaction commits.  Any role may listen, so a payload says
 * nothing that is worth hiding.
 */
#ifndef SCT_ANNOUNCE_H
#define SCT_ANNOUNCE_H

#include "utils/uuid.h"

/* This family was revoked: the payload is its id. */
extern void sct_announce_family(const pg_uuid_t *family_id);

/*
 * Any number of families were revoked by one call: the payload is its name, and
 * there is no more than one message.
 */
extern void sct_announce_call(const char *call);

#endif							/* SCT_ANNOUNCE_H */
