/*
 * introspect.c
 *		sctoken.introspect(): what a refresh token is good for (RFC 7662).
 *
 * Takes no lock and writes nothing, so that it runs on a standby too.
 */
#include "sctoken.h"

#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/pg_lsn.h"

#include "active.h"
#include "interval.h"
#include "json_object.h"
#include "query.h"
#include "standby.h"

PG_FUNCTION_INFO_V1(sctoken_introspect);

/* NumericDate in whole seconds (RFC 7662 2.2), rounded down. */
static void
push_time(JsonObject *object, const char *name, TimestampTz at)
{
	sct_json_object_integer(object, name, at / USECS_PER_SEC + UNIX_EPOCH_SECONDS);
}

static Jsonb *
inactive(void)
{
	JsonObject	object;

	sct_json_object_begin(&object);
	sct_json_object_bool(&object, "active", false);
	return sct_json_object_end(&object);
}

static Jsonb *
active(const Family *family, TimestampTz expires_at)
{
	JsonObject	object;
	char	   *id = DatumGetCString(DirectFunctionCall1(uuid_out,
														 UUIDPGetDatum(&family->id)));

	sct_json_object_begin(&object);
	sct_json_object_bool(&object, "active", true);
	sct_json_object_text(&object, "client_id", family->client_id);
	sct_json_object_text(&object, "sub", family->subject);
	sct_json_object_text(&object, "scope", family->scope);
	sct_json_object_texts(&object, "aud", family->audience);
	push_time(&object, "iat", family->rotated_at);
	push_time(&object, "exp", expires_at);
	sct_json_object_jsonb(&object, "cnf", family->binding);
	sct_json_object_text(&object, "sid", family->session_id);
	sct_json_object_string(&object, "family_id", id, strlen(id));
	sct_json_object_integer(&object, "generation", family->generation);
	return sct_json_object_end(&object);
}

/* Is it the one live token of a living family?  Fills the two when it is. */
static bool
is_active(const text *presented, Family *family, TimestampTz *expires_at)
{
	SctToken	token;
	ServerSecret secret;
	uint8		hash[SCT_SHA256_LEN];
	pg_uuid_t	family_id;
	TimestampTz now = GetCurrentTimestamp();

	if (sct_token_authenticate(presented, &token, &secret) != NULL)
		return false;
	sct_crypto_cleanse(&secret, sizeof(secret));
	sct_token_hash(&token, hash);
	sct_crypto_cleanse(token.secret, sizeof(token.secret));
	memcpy(family_id.data, token.family_id, UUID_LEN);
	return sct_family_read(&family_id, family) &&
		family->generation == token.generation &&
		sct_crypto_equal(family->secret_hash, hash, SCT_SHA256_LEN) &&
		sct_family_is_active(family, now, expires_at);
}

Datum
sctoken_introspect(PG_FUNCTION_ARGS)
{
	MemoryContext caller_context = CurrentMemoryContext;
	QueryScope	scope;
	Family		family;
	TimestampTz expires_at;
	bool		alive;
	Jsonb	   *result;

	if (PG_ARGISNULL(0))
		PG_RETURN_JSONB_P(inactive());
	if (!PG_ARGISNULL(1) && sct_standby_lacks(PG_GETARG_LSN(1)))
		PG_RETURN_NULL();
	sct_query_begin(&scope);
	alive = is_active(PG_GETARG_TEXT_PP(0), &family, &expires_at);
	MemoryContextSwitchTo(caller_context);
	result = alive ? active(&family, expires_at) : inactive();
	sct_query_end(&scope);
	PG_RETURN_JSONB_P(result);
}
