/*
 * lock.h
 *		The locks that make one call win.
 *
 * Advisory locks of the transaction in a class of our own, which SQL cannot
 * reach: nobody outside can block a family, and they never meet the keys of an
 * application.
 *
 * The order is client, family, secrets, subject, session, grant, binding, and only then
 * rows, several of them in the order of their ids; never another.  So no two
 * calls, each in a transaction of its own, can wait for each other.  The lock of a
 * proof stands anywhere: only the same proof, presented twice, meets it.
 *
 * Who makes a family hold of it what a bulk revocation can name (subject,
 * session, grant, binding) in ShareLock until his transaction ends; a bulk
 * revocation takes the one that it names in ExclusiveLock before it looks at the
 * rows.  So each login is either seen by it or comes after it.
 */
#ifndef SCT_LOCK_H
#define SCT_LOCK_H

#include "storage/lock.h"
#include "utils/uuid.h"

#include "binding.h"

/*
 * Each waits for sctoken.lock_timeout at most, and is false when that was not
 * enough; nothing has changed then.  Held until the transaction ends.
 */
extern bool sct_lock_family(const pg_uuid_t *family_id);
extern bool sct_lock_subject(const text *subject, LOCKMODE mode);
extern bool sct_lock_session(const text *session_id, LOCKMODE mode);
extern bool sct_lock_grant(const text *grant_id, LOCKMODE mode);

/* What a client has registered of certificates. */
extern bool sct_lock_client(const text *client_id, LOCKMODE mode);

/*
 * Each key and certificate that a family is, or is to be, bound to: one lock for
 * each member, in the order of BindingMember, so that two who need several of them
 * cannot wait for each other.
 */
extern bool sct_lock_binding(const Binding *binding, LOCKMODE mode);

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

/*
 * The same for what may wait for rows, each wait being bounded like those for the
 * locks above.
 */
extern bool sct_lock_bounded(void (*work) (const void *arg), const void *arg);

/* An error when a lock was not had, for calls that cannot answer "busy". */
extern void sct_lock_require(bool acquired);

#endif							/* SCT_LOCK_H */
