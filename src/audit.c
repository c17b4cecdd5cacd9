/*
 * audit.c
 *		Events of token families, see audit.h.
 */
#include "sctoken.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "audit.h"
#include "json_object.h"
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

/* The detail column; NULL when there is nothing to tell. */
static Jsonb *
event_detail(const Event *event)
{
	JsonObject	object;

	if (event->context == NULL && event->cnf == NULL && event->why == NULL &&
		event->distance < 0)
		return NULL;
	sct_json_object_begin(&object);
	if (event->distance >= 0)
	{
		sct_json_object_integer(&object, "distance", event->distance);
		sct_json_object_seconds(&object, "age", event->age);
		sct_json_object_bool(&object, "retryable", event->retryable);
	}
	if (event->why != NULL)
		sct_json_object_string(&object, "why", event->why, strlen(event->why));
	sct_json_object_jsonb(&object, "cnf", event->cnf);
	sct_json_object_jsonb(&object, "context", event->context);
	return sct_json_object_end(&object);
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
	if (event->subject == NULL)
		nulls[5] = 'n';
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
