/*
 * lock.c
 *		The locks that make one call win, see lock.h.
 */
#include "sctoken.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "miscadmin.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/resowner.h"

#include "lock.h"
#include "transaction.h"

/*
 * Fourth field of the lock tag.  pg_advisory_lock() uses 1 (one bigint) and 2
 * (two integers).
 */
typedef enum LockClass
{
	LOCK_FAMILY = 0x5C01,
	LOCK_SUBJECT = 0x5C02,
	LOCK_SECRETS = 0x5C03,
	LOCK_REPLAY = 0x5C04,
	LOCK_REPLAY_STATE = 0x5C05,
	LOCK_MAINTENANCE = 0x5C06
} LockClass;

/* What lock_wait() waits for */
typedef struct LockRequest
{
	LOCKTAG		tag;
	LOCKMODE	mode;
} LockRequest;

/*
 * In a subtransaction, so that the error which ends the wait can be caught; its
 * locks pass to the transaction around it.
 */
bool
sct_lock_attempt(void (*work) (const void *arg), const void *arg, int timeout)
{
	MemoryContext caller_context = CurrentMemoryContext;
	ResourceOwner caller_owner = CurrentResourceOwner;
	volatile bool done = false;
	char		setting[16];

	snprintf(setting, sizeof(setting), "%d", timeout);

	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		int			nest_level = NewGUCNestLevel();

		set_config_option("lock_timeout", setting, PGC_USERSET, PGC_S_SESSION,
						  GUC_ACTION_SAVE, true, 0, false);
		work(arg);
		AtEOXact_GUC(true, nest_level);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller_context);
		CurrentResourceOwner = caller_owner;
		done = true;
	}
	PG_CATCH();
	{
		ErrorData  *error;

		MemoryContextSwitchTo(caller_context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller_context);
		CurrentResourceOwner = caller_owner;

		/* a cancelled query or a deadlock is not ours to answer */
		if (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE)
			ReThrowError(error);
		FreeErrorData(error);
	}
	PG_END_TRY();
	return done;
}

static void
lock_wait(const void *arg)
{
	const LockRequest *request = arg;

	(void) LockAcquire(&request->tag, request->mode, false, false);
}

static bool
lock_acquire(LockClass class, uint64 key, LOCKMODE mode, bool wait)
{
	LockRequest request;
	int			timeout = sct_lock_timeout;

	request.mode = mode;
	SET_LOCKTAG_ADVISORY(request.tag, MyDatabaseId, (uint32) (key >> 32),
						 (uint32) key, class);

	if (LockTimeout > 0)
		timeout = Min(timeout, LockTimeout);

	/* nearly always free: no subtransaction then */
	if (LockAcquire(&request.tag, mode, false, true) == LOCKACQUIRE_NOT_AVAIL &&
		!(wait && timeout > 0 && sct_lock_attempt(lock_wait, &request, timeout)))
		return false;

	/* a prepared transaction would hold it when the session is gone */
	sct_transaction_locked();
	return true;
}

bool
sct_lock_family(const pg_uuid_t *family_id)
{
	return lock_acquire(LOCK_FAMILY,
						DatumGetUInt64(hash_any_extended(family_id->data,
														 UUID_LEN, 0)),
						ExclusiveLock, true);
}

bool
sct_lock_subject(const text *subject, LOCKMODE mode)
{
	return lock_acquire(LOCK_SUBJECT,
						DatumGetUInt64(hash_any_extended((const unsigned char *) VARDATA_ANY(subject),
														 (int) VARSIZE_ANY_EXHDR(subject), 0)),
						mode, true);
}

bool
sct_lock_secrets(void)
{
	return lock_acquire(LOCK_SECRETS, 0, ExclusiveLock, true);
}

bool
sct_lock_replay(const uint8 *digest)
{
	uint64		key;

	/* a SHA-256: any of its bytes will do */
	memcpy(&key, digest, sizeof(key));
	return lock_acquire(LOCK_REPLAY, key, ExclusiveLock, true);
}

bool
sct_lock_replay_state(bool wait)
{
	return lock_acquire(LOCK_REPLAY_STATE, 0, ExclusiveLock, wait);
}

bool
sct_lock_maintenance(void)
{
	return lock_acquire(LOCK_MAINTENANCE, 0, ExclusiveLock, false);
}
