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
#include "utils/timestamp.h"

#include "lock.h"
#include "stats.h"
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
	LOCK_MAINTENANCE = 0x5C06,
	LOCK_SESSION = 0x5C07,
	LOCK_GRANT = 0x5C08,
	LOCK_CLIENT = 0x5C09,
	LOCK_BINDING = 0x5C10		/* and BindingMember */
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
	MemoryContextSwitchTo(caller_context);
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

bool
sct_lock_bounded(void (*work) (const void *arg), const void *arg)
{
	int			timeout = sct_lock_timeout;
	bool		done;

	if (LockTimeout > 0)
		timeout = Min(timeout, LockTimeout);
	done = sct_lock_attempt(work, arg, Max(timeout, 1));
	if (!done)
		sct_stats_count(STATS_LOCK_TIMEOUTS);
	return done;
}

static void
lock_wait(const void *arg)
{
	const LockRequest *request = arg;

	(void) LockAcquire(&request->tag, request->mode, false, false);
}

/* A lock that is not free; its wait is counted. */
static bool
lock_wait_bounded(const LockRequest *request)
{
	TimestampTz start = GetCurrentTimestamp();
	bool		acquired;

	if (sct_lock_timeout == 0)
	{
		sct_stats_count(STATS_LOCK_TIMEOUTS);
		return false;
	}
	sct_stats_count(STATS_LOCK_WAITS);
	acquired = sct_lock_bounded(lock_wait, request);
	sct_stats_add(STATS_LOCK_WAIT_MICROSECONDS,
				  Max(GetCurrentTimestamp() - start, 0));
	return acquired;
}

static bool
lock_acquire(LockClass class, uint64 key, LOCKMODE mode, bool wait)
{
	LockRequest request;

	request.mode = mode;
	SET_LOCKTAG_ADVISORY(request.tag, MyDatabaseId, (uint32) (key >> 32),
						 (uint32) key, class);

	/* nearly always free: no subtransaction then */
	if (LockAcquire(&request.tag, mode, false, true) == LOCKACQUIRE_NOT_AVAIL &&
		!(wait && lock_wait_bounded(&request)))
		return false;

	/* a prepared transaction would hold it when the session is gone */
	sct_transaction_locked();
	return true;
}

static bool
lock_bytes(LockClass class, const void *bytes, size_t len, LOCKMODE mode)
{
	return lock_acquire(class,
						DatumGetUInt64(hash_any_extended(bytes, (int) len, 0)),
						mode, true);
}

static bool
lock_text(LockClass class, const text *name, LOCKMODE mode)
{
	return lock_bytes(class, VARDATA_ANY(name), VARSIZE_ANY_EXHDR(name), mode);
}

bool
sct_lock_family(const pg_uuid_t *family_id)
{
	return lock_bytes(LOCK_FAMILY, family_id->data, UUID_LEN, ExclusiveLock);
}

bool
sct_lock_subject(const text *subject, LOCKMODE mode)
{
	return lock_text(LOCK_SUBJECT, subject, mode);
}

bool
sct_lock_session(const text *session_id, LOCKMODE mode)
{
	return lock_text(LOCK_SESSION, session_id, mode);
}

bool
sct_lock_grant(const text *grant_id, LOCKMODE mode)
{
	return lock_text(LOCK_GRANT, grant_id, mode);
}

bool
sct_lock_client(const text *client_id, LOCKMODE mode)
{
	return lock_text(LOCK_CLIENT, client_id, mode);
}

bool
sct_lock_binding(const Binding *binding, LOCKMODE mode)
{
	for (int i = 0; i < BINDING_MEMBERS; i++)
	{
		if (binding->has[i] &&
			!lock_bytes(LOCK_BINDING + i, binding->thumbprint[i],
						SCT_THUMBPRINT_LEN, mode))
			return false;
	}
	return true;
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

void
sct_lock_require(bool acquired)
{
	if (!acquired)
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("the token family is in use by another transaction"),
				 errhint("Nothing has changed; call again.")));
}
