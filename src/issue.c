/*
 * issue.c
 *		sctoken.issue(): the start of a token family.
 */
#include "sctoken.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"

#include "argument.h"
#include "audit.h"
#include "grant.h"
#include "interval.h"
#include "lock.h"
#include "presented.h"
#include "query.h"
#include "revoke_bulk.h"
#include "shard.h"

/* Arguments, as in the SQL script */
enum
{
	ARG_CLIENT_ID,
	ARG_SUBJECT,
	ARG_SCOPE,
	ARG_AUDIENCE,
	ARG_CNF,
	ARG_SESSION_ID,
	ARG_GRANT_ID,
	ARG_DETAILS,
	ARG_DPOP_PROOF,
	ARG_HTM,
	ARG_HTU,
	ARG_CERTIFICATE,
	ARG_CONTEXT
};

PG_FUNCTION_INFO_V1(sctoken_issue);

/*
 * A UUIDv7 (RFC 9562 5.7) for a new family.  Bits 66 to 79 are zero: 6 for a
 * version of the id's own layout, 8 for a home, should families ever live in more
 * than one region.  60 random bits in each millisecond are left, of which the last
 * count up until the id is one of this database's.
 */
static void
family_id_make(TimestampTz now, pg_uuid_t *id)
{
	uint64		ms = (uint64) (now / 1000 + UNIX_EPOCH_SECONDS * 1000);

	if (!pg_strong_random(id->data, UUID_LEN))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random bytes")));
	for (int i = 0; i < 6; i++)
		id->data[i] = (uint8) (ms >> (40 - 8 * i));
	id->data[6] = 0x70 | (id->data[6] & 0x0f);
	id->data[8] = 0x80;
	id->data[9] = 0;
	while (!sct_shard_is_here(id))
		for (int i = UUID_LEN - 1; i > 9 && ++id->data[i] == 0; i--)
			;
}

/* Reads and checks the arguments that make the row. */
static void
read_arguments(FunctionCallInfo fcinfo, Family *family, Presented *presented)
{
	memset(family, 0, sizeof(Family));
	family->client_id = sct_argument_text(fcinfo, ARG_CLIENT_ID, "client_id",
												true, ARGUMENT_MAX_ID);
	family->subject = sct_argument_text(fcinfo, ARG_SUBJECT, "subject",
											  true, ARGUMENT_MAX_ID);
	family->session_id = sct_argument_text(fcinfo, ARG_SESSION_ID, "session_id",
												 false, ARGUMENT_MAX_ID);
	family->grant_id = sct_argument_text(fcinfo, ARG_GRANT_ID, "grant_id",
											   false, ARGUMENT_MAX_ID);
	if (VARSIZE_ANY_EXHDR(family->client_id) == 1 &&
		*VARDATA_ANY(family->client_id) == '*')
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must not be '*'", "client_id")));
	family->scope = sct_argument_scope(fcinfo, ARG_SCOPE);
	family->audience = sct_argument_audience(fcinfo, ARG_AUDIENCE);
	family->details = sct_argument_jsonb(fcinfo, ARG_DETAILS, "details");
	sct_presented_read(presented, fcinfo, ARG_CNF, ARG_DPOP_PROOF, true);
}

/* Makes the first token of the family and writes the row and the event. */
static void
family_begin(FunctionCallInfo fcinfo, Family *family, const Policy *policy,
			 const ServerSecret *secret, Grant *grant)
{
	SctToken	token;
	Event		event = {.kind = "issued", .distance = -1};

	family->created_at = family->rotated_at = GetCurrentTimestamp();
	family->expires_at = family->created_at + policy->absolute_ttl;
	family->generation = 1;
	family->key_id = secret->id;
	family_id_make(family->created_at, &family->id);

	token.key_id = secret->id;
	memcpy(token.family_id, family->id.data, UUID_LEN);
	token.generation = 1;
	sct_token_random(&token);
	sct_token_hash(&token, family->secret_hash);
	sct_family_insert(family);

	grant->outcome = OUTCOME_ISSUED;
	grant->refresh_token = sct_token_mint(&token, secret);
	grant->generation = 1;
	grant->scope = family->scope;
	grant->audience = family->audience;
	grant->family_expires_at = family->expires_at;
	grant->expires_at = Min(family->expires_at,
							family->created_at + policy->idle_ttl);
	sct_crypto_cleanse(&token, sizeof(token));

	event.family_id = &family->id;
	event.at = family->created_at;
	event.generation = 1;
	event.client_id = family->client_id;
	event.subject = family->subject;
	event.cnf = family->binding == NULL ? grant->cnf : NULL;
	event.context = sct_argument_jsonb(fcinfo, ARG_CONTEXT, "context");
	sct_audit_event(&event);
}

static bool
fail(Grant *grant, Outcome outcome, const char *reason)
{
	grant->outcome = outcome;
	grant->reason = reason;
	return false;
}

/*
 * Keeps bulk revocations that could name the new family out until it can be seen.
 * False: busy.
 */
static bool
family_lock(const Family *family, const Binding *binding, const Policy *policy)
{
	/* where families are counted, logins come one after the other */
	if (!sct_lock_subject(family->subject,
						  policy->max_families > 0 ? ExclusiveLock : ShareLock))
		return false;
	if (family->session_id != NULL &&
		!sct_lock_session(family->session_id, ShareLock))
		return false;
	if (family->grant_id != NULL && !sct_lock_grant(family->grant_id, ShareLock))
		return false;
	return family->binding == NULL || sct_lock_binding(binding, ShareLock);
}

/* A family that is to have a place. */
typedef struct Admission
{
	const Family *family;
	const Policy *policy;
	Presented  *presented;
	Grant	   *grant;
	bool	   *recorded;
} Admission;

static void
record_and_make_room(const void *arg)
{
	const Admission *admission = arg;

	*admission->recorded = sct_presented_record(admission->presented,
												&admission->grant->outcome,
												&admission->grant->reason);
	if (*admission->recorded)
		sct_revoke_surplus(admission->family->subject, admission->family->client_id,
						   admission->policy, GetCurrentTimestamp());
}

/*
 * Records the proof, and makes room where families are counted: both or neither,
 * for the rows of other families may stay locked.
 */
static bool
family_admit(const Family *family, const Policy *policy, Presented *presented,
			 Grant *grant)
{
	bool		recorded = false;
	Admission	admission = {family, policy, presented, grant, &recorded};

	if (policy->max_families == 0)
		return sct_presented_record(presented, &grant->outcome, &grant->reason);
	if (!sct_lock_bounded(record_and_make_room, &admission))
		return fail(grant, OUTCOME_BUSY, "lock");
	return recorded;
}

/*
 * Does policy still let a family begin?  A stop that was committed while this call
 * waited holds; a family that not_before revokes must not be issued.  Nothing else
 * of a policy changes in mid-call: by max_families the subject's lock was taken.
 */
static bool
still_allowed(const Family *family)
{
	Policy		policy;

	AcceptInvalidationMessages();
	sct_policy_get(family->client_id, &policy);
	return policy.enabled && GetCurrentTimestamp() > policy.not_before;
}

/* True for success; grant says what happened. */
static bool
issue(FunctionCallInfo fcinfo, Family *family, Presented *presented, Grant *grant)
{
	Policy		policy;
	ServerSecret secret;
	bool		done;

	sct_policy_get(family->client_id, &policy);
	if (!policy.enabled)
		return fail(grant, OUTCOME_CLIENT_DISABLED, "disabled");
	if (!sct_presented_examine(presented, &policy, &grant->outcome, &grant->reason))
		return false;
	if (!sct_binding_satisfies(&presented->binding, policy.required_binding))
		return fail(grant, OUTCOME_BINDING_REQUIRED,
					sct_binding_is_empty(&presented->binding) ?
					"nothing_presented" : "insufficient");

	/*
	 * A confidential client authenticates, which constrains its refresh token
	 * already, so that it may change its key (RFC 9449 5).
	 */
	grant->cnf = presented->cnf;
	if (policy.client_type == CLIENT_PUBLIC)
		family->binding = grant->cnf;
	if (!sct_secret_current(&secret))
		return fail(grant, OUTCOME_BUSY, "lock");
	if (!family_lock(family, &presented->binding, &policy))
		done = fail(grant, OUTCOME_BUSY, "lock");
	else if (!still_allowed(family))
		done = fail(grant, OUTCOME_CLIENT_DISABLED, "disabled");
	else
		done = family_admit(family, &policy, presented, grant);
	if (done)
		family_begin(fcinfo, family, &policy, &secret, grant);
	sct_crypto_cleanse(&secret, sizeof(secret));
	return done;
}

Datum
sctoken_issue(PG_FUNCTION_ARGS)
{
	MemoryContext caller_context = CurrentMemoryContext;
	Family		family;
	Presented	presented;
	Grant		grant = {0};
	QueryScope	scope;
	bool		success;
	Datum		result;

	PreventCommandIfReadOnly("sctoken.issue()");
	PreventCommandDuringRecovery("sctoken.issue()");
	read_arguments(fcinfo, &family, &presented);

	sct_query_begin(&scope);
	success = issue(fcinfo, &family, &presented, &grant);

	/* the row outlives the SPI context, what it is made of does not */
	MemoryContextSwitchTo(caller_context);
	grant.next_nonce = presented.next_nonce;
	if (success)
		result = sct_grant_success(fcinfo, &grant, &family);
	else
		result = sct_grant_failure(fcinfo, &grant, NULL);
	sct_query_end(&scope);
	return result;
}
