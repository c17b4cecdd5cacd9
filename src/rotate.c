/*
 * rotate.c
 *		sctoken.rotate(): the use of a refresh token.
 *
 * The order is the contract: what can fail without touching the token fails first,
 * so that a wrong client, key or scope neither consumes a token nor revokes a
 * family.  Everything from the lock on sees the latest state, and there is one
 * UPDATE that can make a token the current one.
 */
#include "sctoken.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"

#include "argument.h"
#include "audit.h"
#include "grant.h"
#include "lock.h"
#include "presented.h"
#include "query.h"
#include "revoke_bulk.h"
#include "scope.h"
#include "stats.h"
#include "transaction.h"

/* Arguments, as in the SQL script */
enum
{
	ARG_REFRESH_TOKEN,
	ARG_CLIENT_ID,
	ARG_SCOPE,
	ARG_AUDIENCE,
	ARG_CNF,
	ARG_DPOP_PROOF,
	ARG_HTM,
	ARG_HTU,
	ARG_CERTIFICATE,
	ARG_CONTEXT
};

/* One call */
typedef struct Use
{
	/* arguments */
	text	   *presented;		/* NULL: none */
	text	   *client_id;
	text	   *scope;			/* NULL: all */
	ArrayType  *audience;		/* NULL: all */
	Presented	with;			/* what was presented with the token */
	Jsonb	   *context;

	/* found on the way */
	bool		genuine;		/* token and secret are filled */
	SctToken	token;
	ServerSecret secret;		/* the one that token was made under */
	uint8		hash[SCT_SHA256_LEN];	/* of the token's secret */
	pg_uuid_t	family_id;
	Policy		policy;
	TimestampTz now;
	Family		family;
	Grant		grant;			/* outcome and reason; the rest on success */
} Use;

PG_FUNCTION_INFO_V1(sctoken_rotate);

static void
read_arguments(FunctionCallInfo fcinfo, Use *use)
{
	use->client_id = sct_argument_text(fcinfo, ARG_CLIENT_ID, "client_id",
											 true, ARGUMENT_MAX_ID);
	if (!PG_ARGISNULL(ARG_REFRESH_TOKEN))
		use->presented = PG_GETARG_TEXT_PP(ARG_REFRESH_TOKEN);
	if (!PG_ARGISNULL(ARG_SCOPE))
		use->scope = PG_GETARG_TEXT_PP(ARG_SCOPE);
	if (!PG_ARGISNULL(ARG_AUDIENCE))
		use->audience = PG_GETARG_ARRAYTYPE_P(ARG_AUDIENCE);
	use->context = sct_argument_jsonb(fcinfo, ARG_CONTEXT, "context");
	sct_presented_read(&use->with, fcinfo, ARG_CNF, ARG_DPOP_PROOF, false);
}

static bool
fail(Use *use, Outcome outcome, const char *reason)
{
	use->grant.outcome = outcome;
	use->grant.reason = reason;
	return false;
}

static void
event_fill(const Use *use, Event *event, const char *kind, const char *reason)
{
	event->kind = kind;
	event->family_id = &use->family_id;
	event->at = use->now;
	event->generation = use->token.generation;
	event->client_id = use->client_id;
	event->subject = use->family.subject;
	event->reason = reason;
	event->why = NULL;
	event->context = use->context;

	/* that of a bound family is in its row */
	event->cnf = use->family.binding == NULL ? use->with.cnf : NULL;
	event->distance = -1;
}

/* A refusal that an auditor wants to know of. */
static bool
fail_recorded(Use *use, Outcome outcome, const char *kind, const char *reason)
{
	Event		event;

	event_fill(use, &event, kind,
			   strcmp(kind, "refused") == 0 ? sct_grant_outcome_word(outcome) : NULL);
	event.why = reason;
	event.cnf = use->with.cnf;
	sct_audit_refusal(&event);
	return fail(use, outcome, reason);
}

/*
 * A genuine token of a family that is not there.  maintain() deletes families that
 * have expired; one that is too young for that was lost with its login, by a
 * failover or a rollback, or deleted by hand.
 */
static bool
fail_without_family(Use *use)
{
	if (use->now < sct_family_id_time(&use->family_id) + use->policy.absolute_ttl)
		return fail_recorded(use, OUTCOME_UNKNOWN_TOKEN, "orphan", "family");
	return fail(use, OUTCOME_UNKNOWN_TOKEN, "family");
}

/* Could the successor of a token be asked for again? */
static bool
retry_possible(const Policy *policy, bool bound)
{
	return policy->max_retries > 0 &&
		(policy->retry_window > 0 ||
		 (policy->retry_until_confirmed &&
		  (bound || policy->client_type == CLIENT_CONFIDENTIAL)));
}

static TimestampTz
family_expiry(const Use *use)
{
	return Min(use->family.expires_at,
			   use->family.created_at + use->policy.absolute_ttl);
}

/* Fills what every success says; rotated_at is that of the token returned. */
static bool
succeed(Use *use, Outcome outcome, const char *reason, text *refresh_token,
		int64 generation, TimestampTz rotated_at)
{
	Grant	   *grant = &use->grant;

	grant->outcome = outcome;
	grant->reason = reason;
	grant->refresh_token = refresh_token;
	grant->generation = generation;
	grant->scope = use->scope != NULL ? use->scope : use->family.scope;
	grant->audience = use->audience != NULL ? use->audience : use->family.audience;
	grant->cnf = use->with.cnf;
	grant->family_expires_at = family_expiry(use);
	grant->expires_at = Min(grant->family_expires_at,
							rotated_at + use->policy.idle_ttl);
	return true;
}

/*
 * Makes the successor and lets it take the place of the presented token, if the
 * family still is as bound and the step expect it.  False when it is not.
 */
static bool
advance(Use *use, Jsonb *binding, bool with_retry)
{
	FamilyStep	step;
	SctToken	successor;
	ServerSecret secret;
	uint8		salt[TOKEN_SALT_LEN];
	Event		event;
	bool		done;

	if (!sct_secret_current(&secret))
		return fail(use, OUTCOME_BUSY, "lock");
	if (with_retry)
	{
		if (!pg_strong_random(salt, sizeof(salt)))
			ereport(ERROR,
					(errcode(ERRCODE_INTERNAL_ERROR),
					 errmsg("could not generate random bytes")));
		sct_token_succeed(&use->token, salt, &secret, &successor);
	}
	else
	{
		successor = use->token;
		successor.key_id = secret.id;
		successor.generation++;
		sct_token_random(&successor);
	}

	step.id = use->family_id;
	step.now = use->now;
	step.generation = use->token.generation;
	memcpy(step.secret_hash, use->hash, SCT_SHA256_LEN);
	step.client_id = use->client_id;
	step.binding = binding;
	step.rotated_after = use->now - use->policy.idle_ttl;
	step.created_after = Max(use->policy.not_before,
							 use->now - use->policy.absolute_ttl);
	step.key_id = secret.id;
	sct_token_hash(&successor, step.new_hash);
	step.salt = with_retry ? salt : NULL;
	done = sct_family_advance(&step, &use->family);
	if (done)
	{
		event_fill(use, &event, "rotated", NULL);
		event.generation = successor.generation;
		sct_audit_rotation(&event);
		succeed(use, OUTCOME_ROTATED, NULL, sct_token_mint(&successor, &secret),
				successor.generation, use->now);
	}
	sct_crypto_cleanse(&successor, sizeof(successor));
	sct_crypto_cleanse(&secret, sizeof(secret));
	return done;
}

/*
 * The common case in one statement: the current token, nothing asked for that
 * must be compared with the row first.  False when the row must be looked at.
 */
static bool
rotate_at_once(Use *use)
{
	bool		bound = !sct_binding_is_empty(&use->with.binding);

	if (use->policy.rotation != ROTATION_ALWAYS || use->with.proof != NULL ||
		use->scope != NULL || use->audience != NULL ||
		!sct_binding_satisfies(&use->with.binding, use->policy.required_binding))
		return false;

	/* whether a retry is possible may depend on a binding that is not read yet */
	if (bound &&
		retry_possible(&use->policy, true) != retry_possible(&use->policy, false))
		return false;
	return advance(use, use->with.cnf, retry_possible(&use->policy, bound));
}

/* Everything that can fail without the token being used. */
static bool
check_preconditions(Use *use)
{
	const Family *family = &use->family;

	if (!sct_text_equal(family->client_id, use->client_id))
		return fail_recorded(use, OUTCOME_CLIENT_MISMATCH, "refused", "client");
	if (!sct_binding_satisfies(&use->with.binding, use->policy.required_binding))
		return fail(use, OUTCOME_BINDING_REQUIRED,
					sct_binding_is_empty(&use->with.binding) ?
					"nothing_presented" : "insufficient");
	if (family->binding != NULL &&
		!sct_binding_matches(family->binding, &use->with.binding))
		return fail_recorded(use, OUTCOME_BINDING_MISMATCH, "refused",
							 sct_binding_is_empty(&use->with.binding) ?
							 "nothing_presented" : "different");
	if (use->scope != NULL && !sct_scope_is_subset(use->scope, family->scope))
		return fail(use, OUTCOME_SCOPE_EXCEEDED, "scope");
	if (use->audience != NULL &&
		!sct_audience_is_subset(use->audience, family->audience))
		return fail(use, OUTCOME_AUDIENCE_EXCEEDED, "audience");
	if (family->revoked)
		return fail(use, OUTCOME_REVOKED, "family");
	if (family->created_at <= use->policy.not_before)
		return fail(use, OUTCOME_REVOKED, "not_before");
	if (use->now >= family_expiry(use))
		return fail(use, OUTCOME_EXPIRED, "absolute");
	if (use->now >= family->rotated_at + use->policy.idle_ttl)
		return fail(use, OUTCOME_EXPIRED, "idle");
	return true;
}

/*
 * The row refused to change under its lock: a bulk revocation takes no family's
 * lock, and came first.
 */
static bool
fail_overtaken(Use *use)
{
	if (!sct_family_read(&use->family_id, &use->family))
		return fail_without_family(use);
	if (check_preconditions(use))
		elog(ERROR, "token family changed under its lock");
	return false;
}

/* Does policy keep the token instead of rotating it? */
static bool
is_kept(const Use *use)
{
	switch (use->policy.rotation)
	{
		case ROTATION_ALWAYS:
			return false;
		case ROTATION_NEVER:
			return true;
		case ROTATION_BOUND_NEVER:
			/* bound to a key, or by client authentication and a key in use */
			return use->family.binding != NULL ||
				(use->policy.client_type == CLIENT_CONFIDENTIAL &&
				 use->with.cnf != NULL);
	}
	return false;
}

/*
 * The current token stays.  Its row is written only now and then: to close the
 * retry of its predecessor, and to note that it is not idle.
 */
static bool
keep(Use *use)
{
	TimestampTz rotated_at = use->family.rotated_at;
	Event		event;

	if (use->now - rotated_at >= use->policy.idle_ttl / 100)
		rotated_at = use->now;
	if ((rotated_at != use->family.rotated_at || use->family.has_salt) &&
		!sct_family_keep(&use->family_id, rotated_at))
		return fail_overtaken(use);
	event_fill(use, &event, "kept", NULL);
	sct_audit_rotation(&event);
	return succeed(use, OUTCOME_KEPT, NULL, use->presented,
				   use->token.generation, rotated_at);
}

/* A token that was used already: whatever policy says must happen. */
static bool
reuse(Use *use, const char *reason)
{
	Event		event;
	bool		revoke = use->policy.on_reuse != REUSE_REFUSE;
	bool		all = use->policy.on_reuse == REUSE_REVOKE_SUBJECT_CLIENT;

	/* before anything else is written: "busy" changes nothing */
	if (all &&
		!(sct_lock_subject(use->family.subject, ExclusiveLock) &&
		  sct_revoke_subject_client(use->family.subject, use->client_id,
									&use->family_id)))
		return fail(use, OUTCOME_BUSY, "lock");

	/* whoever comes with the immediate predecessor may have meant a retry */
	if (use->token.generation == use->family.generation - 1)
		sct_stats_count(STATS_RETRIES_REFUSED);

	event_fill(use, &event, "reuse_detected", reason);
	event.distance = use->family.generation - use->token.generation;
	event.age = use->now - use->family.rotated_at;
	event.retryable = event.distance == 1 && use->family.has_salt;
	if (revoke && !all)
		(void) sct_family_revoke(&use->family_id, use->now, "reuse_detected");

	/* one that revokes comes once, one that is only refused again and again */
	if (revoke)
	{
		sct_audit_event(&event);
		sct_transaction_answered_reuse(&use->family_id);
	}
	else
		sct_audit_refusal(&event);
	return fail(use, OUTCOME_REUSE_DETECTED, reason);
}

/* The immediate predecessor of the current token: a retry, or reuse. */
static bool
retry(Use *use)
{
	const Family *family = &use->family;
	const Policy *policy = &use->policy;
	int64		age = use->now - family->rotated_at;
	SctToken	successor;
	ServerSecret secret;
	uint8		hash[SCT_SHA256_LEN];
	const char *why;
	Event		event;
	bool		done;

	if (!family->has_previous_hash ||
		!sct_crypto_equal(use->hash, family->previous_hash, TOKEN_PREVIOUS_HASH_LEN))
		return fail_recorded(use, OUTCOME_UNKNOWN_TOKEN, "orphan", "orphan");

	if (!family->has_salt)
		return reuse(use, "no_retry");
	if (family->retries >= policy->max_retries)
		return reuse(use, "max_retries");
	if (policy->retry_window > 0 && age < policy->retry_window)
		why = "retry_window";
	else if (policy->retry_until_confirmed &&
			 (family->binding != NULL || policy->client_type == CLIENT_CONFIDENTIAL))
		why = "unconfirmed";
	else
		return reuse(use, "retry_window_passed");

	/* under the secret that the successor was made with, byte by byte the same */
	if (!sct_secret_find((uint8) family->key_id, &secret))
		return fail_recorded(use, OUTCOME_UNKNOWN_TOKEN, "refused", "key_id");
	sct_token_succeed(&use->token, family->salt, &secret, &successor);
	sct_token_hash(&successor, hash);
	if (!sct_crypto_equal(hash, family->secret_hash, SCT_SHA256_LEN))
		done = fail_recorded(use, OUTCOME_UNKNOWN_TOKEN, "orphan", "orphan");
	else if (!sct_family_count_retry(&use->family_id))
		done = fail_overtaken(use);
	else
	{
		event_fill(use, &event, "replayed", why);
		event.distance = 1;
		event.age = age;
		event.retryable = true;
		sct_audit_event(&event);
		done = succeed(use, OUTCOME_REPLAYED, why,
					   sct_token_mint(&successor, &secret),
					   successor.generation, family->rotated_at);
	}
	sct_crypto_cleanse(&successor, sizeof(successor));
	sct_crypto_cleanse(&secret, sizeof(secret));
	return done;
}

/* What the generation of a genuine token means, all preconditions being met. */
static bool
use_generation(Use *use)
{
	const Family *family = &use->family;
	int64		distance = family->generation - use->token.generation;

	if (distance < 0)
		return fail_recorded(use, OUTCOME_UNKNOWN_TOKEN, "ahead", "ahead");
	if (distance == 0)
	{
		bool		bound = family->binding != NULL;

		if (!sct_crypto_equal(use->hash, family->secret_hash, SCT_SHA256_LEN))
			return fail_recorded(use, OUTCOME_UNKNOWN_TOKEN, "orphan", "orphan");
		if (is_kept(use))
			return keep(use);
		if (advance(use, family->binding, retry_possible(&use->policy, bound)))
			return true;
		return fail_overtaken(use);
	}
	if (distance == 1)
		return retry(use);

	/*
	 * Nothing but the MAC vouches for such a token.  Who stole the MAC key must
	 * not be able to log everybody out.
	 */
	if (use->secret.compromised)
		return fail_recorded(use, OUTCOME_UNKNOWN_TOKEN, "refused", "compromised");
	return reuse(use, "older_generation");
}

/* True for success; use->grant says what happened. */
static bool
use_token(Use *use)
{
	const char *reason;

	if (use->presented == NULL)
		return fail(use, OUTCOME_UNKNOWN_TOKEN, "missing");
	reason = sct_token_authenticate(use->presented, &use->token, &use->secret);
	if (reason != NULL)
		return fail(use, OUTCOME_UNKNOWN_TOKEN, reason);
	use->genuine = true;
	sct_token_hash(&use->token, use->hash);
	memcpy(use->family_id.data, use->token.family_id, UUID_LEN);

	sct_policy_get(use->client_id, &use->policy);
	if (!use->policy.enabled)
		return fail(use, OUTCOME_CLIENT_DISABLED, "disabled");
	if (!sct_presented_examine(&use->with, &use->policy,
							   &use->grant.outcome, &use->grant.reason))
		return false;

	if (!sct_lock_family(&use->family_id))
		return fail(use, OUTCOME_BUSY, "lock");

	/* what was committed while this call waited holds too */
	AcceptInvalidationMessages();
	sct_policy_get(use->client_id, &use->policy);
	if (!use->policy.enabled)
		return fail(use, OUTCOME_CLIENT_DISABLED, "disabled");
	if (!sct_secret_find(use->token.key_id, &use->secret))
		return fail(use, OUTCOME_UNKNOWN_TOKEN, "key_id");

	/* the wall clock, after the wait: a transaction may have begun long ago */
	use->now = GetCurrentTimestamp();
	if (rotate_at_once(use))
		return true;
	if (!sct_family_read(&use->family_id, &use->family))
		return fail_without_family(use);
	if (!check_preconditions(use))
		return false;

	/* what reuse may need: a call that is "busy" must not use up its proof */
	if (use->policy.on_reuse == REUSE_REVOKE_SUBJECT_CLIENT &&
		use->with.proof != NULL &&
		use->token.generation < use->family.generation &&
		!sct_lock_subject(use->family.subject, ExclusiveLock))
		return fail(use, OUTCOME_BUSY, "lock");
	return sct_presented_record(&use->with, &use->grant.outcome,
								&use->grant.reason) &&
		use_generation(use);
}

Datum
sctoken_rotate(PG_FUNCTION_ARGS)
{
	MemoryContext caller_context = CurrentMemoryContext;
	QueryScope	scope;
	Use			use = {0};
	bool		success;
	Datum		result;

	PreventCommandIfReadOnly("sctoken.rotate()");
	PreventCommandDuringRecovery("sctoken.rotate()");
	read_arguments(fcinfo, &use);

	sct_query_begin(&scope);
	success = use_token(&use);

	/* the row outlives the SPI context, what it is made of does not */
	MemoryContextSwitchTo(caller_context);
	use.grant.next_nonce = use.with.next_nonce;
	if (success)
		result = sct_grant_success(fcinfo, &use.grant, &use.family);
	else
		result = sct_grant_failure(fcinfo, &use.grant,
								   use.genuine ? &use.token : NULL);
	sct_crypto_cleanse(&use.token, sizeof(use.token));
	sct_crypto_cleanse(&use.secret, sizeof(use.secret));
	sct_query_end(&scope);
	return result;
}
