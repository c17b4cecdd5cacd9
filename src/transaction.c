/*
 * transaction.c
 *		What a transaction that used sctoken must do when it ends.
 *
 * The marks stay when a savepoint is rolled back: they only make the end of the
 * transaction stricter.
 *
 * A reuse that was answered but is rolled back leaves its family alive.  So what
 * was answered is kept by subtransaction, and what is rolled back is counted,
 * and reported once when the transaction ends.
 */
#include "sctoken.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/memutils.h"

#include "stats.h"
#include "transaction.h"

/* Answers of one subtransaction, and of those in it that have ended well */
typedef struct Answers
{
	SubTransactionId subid;
	uint64		count;
	pg_uuid_t	family_id;		/* of the first */
	struct Answers *outer;
} Answers;

static bool locked = false;
static bool revoked = false;

/* Innermost first; in TopTransactionContext */
static Answers *answers = NULL;

/* What was rolled back so far */
static uint64 lost = 0;
static pg_uuid_t lost_family_id;	/* of the first */
static bool reported = false;

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

void
sct_transaction_answered_reuse(const pg_uuid_t *family_id)
{
	SubTransactionId subid = GetCurrentSubTransactionId();

	if (answers == NULL || answers->subid != subid)
	{
		Answers    *inner = MemoryContextAlloc(TopTransactionContext,
											   sizeof(Answers));

		inner->subid = subid;
		inner->count = 0;
		inner->family_id = *family_id;
		inner->outer = answers;
		answers = inner;
	}
	answers->count++;
}

/* The innermost answers are rolled back. */
static void
answers_lose(void)
{
	if (lost == 0)
		lost_family_id = answers->family_id;
	lost += answers->count;
	sct_stats_add(STATS_REVOCATIONS_LOST, answers->count);
	answers = answers->outer;
}

/* The innermost answers become those of the subtransaction around them. */
static void
answers_hand_over(SubTransactionId parent)
{
	Answers    *outer = answers->outer;

	if (outer == NULL || outer->subid != parent)
		answers->subid = parent;
	else
	{
		outer->count += answers->count;
		answers = outer;
	}
}

/* Once in a transaction; the family's id is no secret, but nothing for clients. */
static void
lost_report(void)
{
	if (lost == 0 || reported)
		return;
	reported = true;
	ereport(WARNING,
			(errmsg("the revocation of a token family was rolled back"),
			 errdetail_log("Reuse was answered and rolled back %llu times in this transaction, first for family %s. A family lives until the used token comes again.",
						   (unsigned long long) lost,
						   DatumGetCString(DirectFunctionCall1(uuid_out,
															   UUIDPGetDatum(&lost_family_id)))),
			 errhint("Commit after sctoken.rotate(), whatever its outcome is.")));
}

/* What the next transaction begins with */
static void
transaction_forget(void)
{
	locked = false;
	revoked = false;
	answers = NULL;
	lost = 0;
	reported = false;
}

static void
subtransaction_callback(SubXactEvent event, SubTransactionId subid,
						SubTransactionId parent, void *arg pg_attribute_unused())
{
	if (answers == NULL || answers->subid != subid)
		return;
	if (event == SUBXACT_EVENT_COMMIT_SUB)
		answers_hand_over(parent);
	else if (event == SUBXACT_EVENT_ABORT_SUB)
		answers_lose();
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
						 errmsg("cannot PREPARE a transaction that has used refresh tokens or DPoP proofs"),
						 errhint("COMMIT it, before the client is answered.")));
			break;

		case XACT_EVENT_PRE_COMMIT:
			/* here, where an error would still do no harm */
			lost_report();
			if (!revoked)
				break;

			/*
			 * A revocation that a crash forgets would let a stolen token live
			 * again.  At least "on": the standbys that synchronous_standby_names
			 * lists must have it too.  The setting is put back by the commit.
			 */
			if (synchronous_commit < sct_revocation_synchronous_commit)
				set_config_option("synchronous_commit",
								  sct_revocation_synchronous_commit == SYNCHRONOUS_COMMIT_REMOTE_APPLY ?
								  "remote_apply" : "on",
								  PGC_USERSET, PGC_S_SESSION,
								  GUC_ACTION_LOCAL, true, 0, false);
			ForceSyncCommit();
			break;

		case XACT_EVENT_ABORT:
			while (answers != NULL)
				answers_lose();
			lost_report();
			transaction_forget();
			break;

		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PREPARE:	/* which itself waits for the disk */
			transaction_forget();
			break;

		default:
			break;
	}
}

void
sct_transaction_init(void)
{
	RegisterXactCallback(transaction_callback, NULL);
	RegisterSubXactCallback(subtransaction_callback, NULL);
}
