/*
 * introspect.c
 *		sctoken.introspect(): what a refresh token is good for (RFC 7662).
 *
 * Takes no lock and writes nothing, so that it runs on a standby too.
 */
#include "sctoken.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/numeric.h"

#include "active.h"
#include "query.h"

PG_FUNCTION_INFO_V1(sctoken_introspect);

static void
push_key(JsonbParseState **state, const char *name)
{
	JsonbValue	key;

	key.type = jbvString;
	key.val.string.val = unconstify(char *, name);
	key.val.string.len = (int) strlen(name);
	(void) pushJsonbValue(state, WJB_KEY, &key);
}

static void
push_string(JsonbParseState **state, JsonbIteratorToken token,
			const char *text, size_t len)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, text);
	value.val.string.len = (int) len;
	(void) pushJsonbValue(state, token, &value);
}

/* A member of type string; none when text is NULL. */
static void
push_text(JsonbParseState **state, const char *name, const text *text)
{
	if (text == NULL)
		return;
	push_key(state, name);
	push_string(state, WJB_VALUE, VARDATA_ANY(text), VARSIZE_ANY_EXHDR(text));
}

static void
push_integer(JsonbParseState **state, const char *name, int64 number)
{
	JsonbValue	value;

	push_key(state, name);
	value.type = jbvNumeric;
	value.val.numeric = int64_to_numeric(number);
	(void) pushJsonbValue(state, WJB_VALUE, &value);
}

/* NumericDate in whole seconds (RFC 7662 2.2), rounded down. */
static void
push_time(JsonbParseState **state, const char *name, TimestampTz at)
{
	push_integer(state, name,
				 at / USECS_PER_SEC +
				 (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (int64) SECS_PER_DAY);
}

static Jsonb *
inactive(void)
{
	JsonbParseState *state = NULL;
	JsonbValue	value;

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_key(&state, "active");
	value.type = jbvBool;
	value.val.boolean = false;
	(void) pushJsonbValue(&state, WJB_VALUE, &value);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
}

static void
push_audience(JsonbParseState **state, ArrayType *audience)
{
	Datum	   *elements;
	int			count;

	if (audience == NULL)
		return;
	deconstruct_array(audience, TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, NULL, &count);
	push_key(state, "aud");
	(void) pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < count; i++)
		push_string(state, WJB_ELEM, VARDATA_ANY(DatumGetPointer(elements[i])),
					VARSIZE_ANY_EXHDR(DatumGetPointer(elements[i])));
	(void) pushJsonbValue(state, WJB_END_ARRAY, NULL);
}

static Jsonb *
active(const Family *family, TimestampTz expires_at)
{
	JsonbParseState *state = NULL;
	JsonbValue	value;
	char	   *id = DatumGetCString(DirectFunctionCall1(uuid_out,
														 UUIDPGetDatum(&family->id)));

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	push_key(&state, "active");
	value.type = jbvBool;
	value.val.boolean = true;
	(void) pushJsonbValue(&state, WJB_VALUE, &value);
	push_text(&state, "client_id", family->client_id);
	push_text(&state, "sub", family->subject);
	push_text(&state, "scope", family->scope);
	push_audience(&state, family->audience);
	push_time(&state, "iat", family->rotated_at);
	push_time(&state, "exp", expires_at);
	if (family->binding != NULL)
	{
		push_key(&state, "cnf");
		value.type = jbvBinary;
		value.val.binary.data = &family->binding->root;
		value.val.binary.len = VARSIZE_ANY_EXHDR(family->binding);
		(void) pushJsonbValue(&state, WJB_VALUE, &value);
	}
	push_text(&state, "sid", family->session_id);
	push_key(&state, "family_id");
	push_string(&state, WJB_VALUE, id, strlen(id));
	push_integer(&state, "generation", family->generation);
	return JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL));
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
	sct_query_begin(&scope);
	alive = is_active(PG_GETARG_TEXT_PP(0), &family, &expires_at);
	MemoryContextSwitchTo(caller_context);
	result = alive ? active(&family, expires_at) : inactive();
	sct_query_end(&scope);
	PG_RETURN_JSONB_P(result);
}
