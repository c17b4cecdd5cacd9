/*
 * audit.c
 *		Events of token families, see audit.h.
 */
#include "sctoken.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#include "audit.h"
#include "query.h"

/* Refusals that one backend records in a minute at most */
#define REFUSALS_PER_MINUTE	60

static PreparedQuery insert_query = {
	.sql = "INSERT INTO sctoken.event"
	" (family_id, at, kind, generation, client_id, subject, reason, detail)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
	.nargs = 8,
	.argtypes = {UUIDOID, TIMESTAMPTZOID, TEXTOID, INT8OID, TEXTOID, TEXTOID, TEXTOID, JSONBOID}
};

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
push_numeric(JsonbParseState **state, const char *name, Numeric number)
{
	JsonbValue	value;

	push_key(state, name);
	value.type = jbvNumeric;
	value.val.numeric = number;
	(void) pushJsonbValue(state, WJB_VALUE, &value);
}

/* A member that has any JSON value; none when it is NULL. */
static void
push_jsonb(JsonbParseState **state, const char *name, Jsonb *member)
{
	JsonbValue	value;

	if (member == NULL)
		return;
	push_key(state, name);
	if (JB_ROOT_IS_SCALAR(member))
		JsonbExtractScalar(&member->root, &value);
	else
	{
		value.type = jbvBinary;
		value.val.binary.data = &member->root;
		value.val.binary.len = VARSIZE_ANY_EXHDR(member);
	}
	(void) pushJsonbValue(state, WJB_VALUE, &value);
}

/* The detail column; NULL when there is nothing to tell. */
static Jsonb *
event_detail(const Event *event)
{
	JsonbParseState *state = NULL;
	JsonbValue	value;
	JsonbValue *object;

	if (event->context == NULL && event->cnf == NULL && event->why == NULL &&
		event->distance < 0)
		return NULL;
	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	if (event->distance >= 0)
	{
		push_numeric(&state, "distance", int64_to_numeric(event->distance));
		/* seconds */
		push_numeric(&state, "age", int64_div_fast_to_numeric(event->age, 6));
		push_key(&state, "retryable");
		value.type = jbvBool;
		value.val.boolean = event->retryable;
		(void) pushJsonbValue(&state, WJB_VALUE, &value);
	}
	if (event->why != NULL)
	{
		push_key(&state, "why");
		value.type = jbvString;
		value.val.string.val = unconstify(char *, event->why);
		value.val.string.len = (int) strlen(event->why);
		(void) pushJsonbValue(&state, WJB_VALUE, &value);
	}
	push_jsonb(&state, "cnf", event->cnf);
	push_jsonb(&state, "context", event->context);
	object = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(object);
}

void
sct_audit_event(const Event *event)
{
	Jsonb	   *detail = event_detail(event);
	Datum		values[8];
	char		nulls[] = "        ";

	values[0] = UUIDPGetDatum(event->family_id);
	values[1] = TimestampTzGetDatum(event->at);
	values[2] = CStringGetTextDatum(event->kind);
	values[3] = Int64GetDatum(event->generation);
	values[4] = PointerGetDatum(event->client_id);
	values[5] = PointerGetDatum(event->subject);
	values[6] = (Datum) 0;
	values[7] = PointerGetDatum(detail);
	if (event->reason != NULL)
		values[6] = CStringGetTextDatum(event->reason);
	else
		nulls[6] = 'n';
	if (detail == NULL)
		nulls[7] = 'n';
	(void) sct_query_run(&insert_query, values, nulls);
}

void
sct_audit_rotation(const Event *event)
{
	if (sct_audit_level == AUDIT_ALL)
		sct_audit_event(event);
}

void
sct_audit_refusal(const Event *event)
{
	static TimestampTz minute_began = 0;
	static int	recorded = 0;

	if (event->at - minute_began >= USECS_PER_MINUTE || event->at < minute_began)
	{
		minute_began = event->at;
		recorded = 0;
	}
	if (recorded >= REFUSALS_PER_MINUTE)
		return;
	recorded++;
	sct_audit_event(event);
}
