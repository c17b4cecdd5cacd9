/*
 * lock.h
 *		The locks that make one call win.
 *
 * Advisory locks of the transaction in a class of our own, which SQL cannot
 * reach: nobody outside can block a family, and they never meet the keys of an
 * application.  The order is family, secrets, subject, and never another.  That of
 * a proof stands anywhere: only the same proof, presented twice, meets it.
 */
#ifndef SCT_LOCK_H
#define SCT_LOCK_H

#include "storage/lock.h"
#include "utils/uuid.h"

/*
 * Each waits for sctoken.lock_timeout at most, and is false when that was not
 * enough; nothing has changed then.  Held until the transaction ends.
 */
extern bool sct_lock_family(const pg_uuid_t *family_id);
extern bool sct_lock_subject(const text *subject, LOCKMODE mode);

/* Made and rotated by one session at a time. */
extern bool sct_lock_secrets(void);

/* One proof, by its digest of 32 bytes. */
extern bool sct_lock_replay(const uint8 *digest);

/* What replay.c keeps of its stores; without wait it is had at once or not. */
extern bool sct_lock_replay_state(bool wait);

/* Maintenance by one session at a time; does not wait. */
extern bool sct_lock_maintenance(void);

/*
 * Does what needs a lock, and is false, everything undone, when one was not to be
 * had within timeout milliseconds (at least 1).  Any other error is passed on.
 * Its locks are the transaction's.
 */
extern bool sct_lock_attempt(void (*work) (const void *arg), const void *arg,
							 int timeout);

#endif							/* SCT_LOCK_H */
