/*
 * revoke.c
 *		sctoken.revoke() and sctoken.revoke_family(): the end of a family.
 */
#include "sctoken.h"

#include "miscadmin.h"
#include "utils/builtins.h"

#include "argument.h"
#include "audit.h"
#include "family.h"
#include "lock.h"
#include "query.h"

PG_FUNCTION_INFO_V1(sctoken_revoke);
PG_FUNCTION_INFO_V1(sctoken_revoke_family);

/* Revokes a family that was read under its lock, if nobody did so before. */
static void
revoke_locked(const Family *family, const char *reason)
{
	Event		event = {.kind = "revoked", .distance = -1};

	if (family->revoked)
		return;
	event.family_id = &family->id;
	event.at = GetCurrentTimestamp();
	event.generation = family->generation;
	event.client_id = family->client_id;
	event.subject = family->subject;
	event.reason = reason;

	/* a bulk revocation takes no family's lock, and may have come first */
	if (sct_family_revoke(&family->id, event.at, reason))
		sct_audit_event(&event);
}

/*
 * May this token revoke its family?  Any generation of it may, for the MAC vouches
 * for it; where the MAC key is known to others, only a token whose secret the
 * family knows.
 */
static bool
may_revoke(const Family *family, const SctToken *token, const ServerSecret *secret)
{
	uint8		hash[SCT_SHA256_LEN];

	if (!secret->compromised)
		return true;
	sct_token_hash(token, hash);
	return sct_crypto_equal(hash, family->secret_hash, SCT_SHA256_LEN) ||
		(family->has_previous_hash &&
		 sct_crypto_equal(hash, family->previous_hash, TOKEN_PREVIOUS_HASH_LEN));
}

Datum
sctoken_revoke(PG_FUNCTION_ARGS)
{
	text	   *client_id;
	char	   *reason;
	QueryScope	scope;
	SctToken	token;
	ServerSecret secret;
	pg_uuid_t	family_id;
	Family		family;
	bool		result = false;

	PreventCommandIfReadOnly("sctoken.revoke()");
	PreventCommandDuringRecovery("sctoken.revoke()");
	client_id = sct_argument_text(fcinfo, 1, "client_id", true, ARGUMENT_MAX_ID);
	reason = text_to_cstring(sct_argument_text(fcinfo, 2, "reason", true,
													 ARGUMENT_MAX_REASON));
	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(false);

	sct_query_begin(&scope);
	if (sct_token_authenticate(PG_GETARG_TEXT_PP(0), &token, &secret) == NULL)
	{
		memcpy(family_id.data, token.family_id, UUID_LEN);
		sct_lock_require(sct_lock_family(&family_id));
		result = sct_family_read(&family_id, &family) &&
			sct_text_equal(family.client_id, client_id) &&
			may_revoke(&family, &token, &secret);
		if (result)
			revoke_locked(&family, reason);
		sct_crypto_cleanse(&token, sizeof(token));
		sct_crypto_cleanse(&secret, sizeof(secret));
	}
	sct_query_end(&scope);
	PG_RETURN_BOOL(result);
}

Datum
sctoken_revoke_family(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *family_id;
	char	   *reason;
	QueryScope	scope;
	Family		family;
	bool		result;

	PreventCommandIfReadOnly("sctoken.revoke_family()");
	PreventCommandDuringRecovery("sctoken.revoke_family()");
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", "family_id")));
	family_id = PG_GETARG_UUID_P(0);
	reason = text_to_cstring(sct_argument_text(fcinfo, 1, "reason", true,
													 ARGUMENT_MAX_REASON));

	sct_query_begin(&scope);
	sct_lock_require(sct_lock_family(family_id));
	result = sct_family_read(family_id, &family);
	if (result)
		revoke_locked(&family, reason);
	sct_query_end(&scope);
	PG_RETURN_BOOL(result);
}
