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
	LOCK_REPLAY_STATE = 0x5C05
} LockClass;

/*
 * Waits in a subtransaction, so that the error which ends the wait can be caught;
 * its lock passes to the transaction around it.
 */
static bool
lock_wait(const LOCKTAG *tag, LOCKMODE mode)
{
	MemoryContext caller_context = CurrentMemoryContext;
	ResourceOwner caller_owner = CurrentResourceOwner;
	volatile bool acquired = false;
	int			timeout = sct_lock_timeout;
	char		setting[16];

	if (LockTimeout > 0)
		timeout = Min(timeout, LockTimeout);
	snprintf(setting, sizeof(setting), "%d", timeout);

	BeginInternalSubTransaction(NULL);
	PG_TRY();
	{
		int			nest_level = NewGUCNestLevel();

		set_config_option("lock_timeout", setting, PGC_USERSET, PGC_S_SESSION,
						  GUC_ACTION_SAVE, true, 0, false);
		(void) LockAcquire(tag, mode, false, false);
		AtEOXact_GUC(true, nest_level);
		ReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(caller_context);
		CurrentResourceOwner = caller_owner;
		acquired = true;
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
	return acquired;
}

static bool
lock_acquire(LockClass class, uint64 key, LOCKMODE mode, bool wait)
{
	LOCKTAG		tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (key >> 32), (uint32) key,
						 class);

	/* nearly always free: no subtransaction then */
	if (LockAcquire(&tag, mode, false, true) == LOCKACQUIRE_NOT_AVAIL &&
		!(wait && sct_lock_timeout > 0 && lock_wait(&tag, mode)))
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
