/*
 * transaction.c
 *		What a transaction that used sctoken must do when it ends.
 *
 * The marks stay when a savepoint is rolled back: they only make the end of the
 * transaction stricter.
 */
#include "sctoken.h"

#include "access/xact.h"
#include "utils/guc.h"

#include "transaction.h"

static bool locked = false;
static bool revoked = false;

void
sct_transaction_locked(void)
{
	locked = true;
}

void
sct_transaction_revoked(void)
{
	revoked = true;
}

static void
transaction_callback(XactEvent event, void *arg pg_attribute_unused())
{
	switch (event)
	{
		case XACT_EVENT_PRE_PREPARE:
			/* its locks would outlive the session and block the family */
			if (locked)
				ereport(ERROR,
						(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						 errmsg("cannot PREPARE a transaction that has used refresh tokens")));
			break;

		case XACT_EVENT_PRE_COMMIT:
			if (!revoked)
				break;

			/*
			 * A revocation that a crash forgets would let a stolen token live
			 * again.  At least "on": the standbys that synchronous_standby_names
			 * lists must have it too.  The setting is put back by the commit.
			 */
			if (synchronous_commit < SYNCHRONOUS_COMMIT_REMOTE_FLUSH)
				set_config_option("synchronous_commit", "on",
								  PGC_USERSET, PGC_S_SESSION,
								  GUC_ACTION_LOCAL, true, 0, false);
			ForceSyncCommit();
			break;

		case XACT_EVENT_COMMIT:
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PREPARE:	/* which itself waits for the disk */
			locked = false;
			revoked = false;
			break;

		default:
			break;
	}
}

void
sct_transaction_init(void)
{
	RegisterXactCallback(transaction_callback, NULL);
}
