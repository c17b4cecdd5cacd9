/*
 * trigger.c
 *		Trigger functions for tables that are not ours: thumbprints, append-only
 *		tables, notifications.  Row-per-token tables are in single_use.c.
 *
 * Nothing here reads a table or changes another row than the one that fired,
 * and so it does not matter for whom it runs.
 */
#include "sctoken.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "commands/async.h"
#include "executor/spi.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#include "certificate.h"
#include "thumbprint.h"
#include "trigger.h"

/* NOTIFY takes less than 8000 bytes */
#define PAYLOAD_MAX_LEN	7999

PG_FUNCTION_INFO_V1(sctoken_bind_thumbprint);
PG_FUNCTION_INFO_V1(sctoken_guard_append_only);
PG_FUNCTION_INFO_V1(sctoken_notify_event);

TriggerData *
sct_trigger_data(FunctionCallInfo fcinfo, const char *function)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s.%s\" can only be called by a trigger",
						"sctoken", function)));
	return (TriggerData *) fcinfo->context;
}

void
sct_trigger_misfired(const TriggerData *data, const char *how)
{
	ereport(ERROR,
			(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
			 errmsg("trigger \"%s\" on table \"%s\" must be fired %s",
					data->tg_trigger->tgname,
					RelationGetRelationName(data->tg_relation), how)));
}

void
sct_trigger_count(const TriggerData *data, int least, int most)
{
	int			count = data->tg_trigger->tgnargs;

	if (count < least || count > most)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_OBJECT_DEFINITION),
				 errmsg("trigger \"%s\" on table \"%s\" has a wrong number of arguments",
						data->tg_trigger->tgname,
						RelationGetRelationName(data->tg_relation)),
				 least == most ?
				 errdetail("It has %d and needs %d.", count, least) :
				 errdetail("It has %d and needs at least %d.", count, least)));
}

/* The column of that name; InvalidAttrNumber when there is none. */
static AttrNumber
trigger_find(const TriggerData *data, const char *name)
{
	int			column = SPI_fnumber(RelationGetDescr(data->tg_relation), name);

	/* negative: a system column, or none */
	return (AttrNumber) Max(column, InvalidAttrNumber);
}

/* Error (42703): that argument names no column. */
pg_noreturn static void
trigger_no_column(const TriggerData *data, int arg)
{
	ereport(ERROR,
			(errcode(ERRCODE_UNDEFINED_COLUMN),
			 errmsg("argument %d (\"%s\") of trigger \"%s\" names no column of table \"%s\"",
					arg + 1, data->tg_trigger->tgargs[arg],
					data->tg_trigger->tgname,
					RelationGetRelationName(data->tg_relation))));
}

AttrNumber
sct_trigger_split(const TriggerData *data, int arg, const char *separator,
				  char **rest)
{
	char	   *text = data->tg_trigger->tgargs[arg];
	AttrNumber	column = trigger_find(data, text);
	char	   *at = text;

	*rest = NULL;
	while (column == InvalidAttrNumber && (at = strstr(at, separator)) != NULL)
	{
		column = trigger_find(data, pnstrdup(text, at - text));
		at += strlen(separator);
		*rest = at;
	}
	if (column == InvalidAttrNumber)
		trigger_no_column(data, arg);
	return column;
}

AttrNumber
sct_trigger_column(const TriggerData *data, int arg)
{
	AttrNumber	column = trigger_find(data, data->tg_trigger->tgargs[arg]);

	if (column == InvalidAttrNumber)
		trigger_no_column(data, arg);
	return column;
}

void
sct_trigger_bad_argument(const TriggerData *data, int arg, int sqlstate,
						 const char *wrong)
{
	ereport(ERROR,
			(errcode(sqlstate),
			 errmsg("argument %d (\"%s\") of trigger \"%s\" on table \"%s\" %s",
					arg + 1, data->tg_trigger->tgargs[arg],
					data->tg_trigger->tgname,
					RelationGetRelationName(data->tg_relation), wrong)));
}

void
sct_trigger_refuse_generated(const TriggerData *data, int arg, AttrNumber column)
{
	TupleDesc	tupdesc = RelationGetDescr(data->tg_relation);

	if (TupleDescAttr(tupdesc, column - 1)->attgenerated != '\0')
		sct_trigger_bad_argument(data, arg, ERRCODE_INVALID_OBJECT_DEFINITION,
								 "must not be a generated column");
}

/* x5t#S256 of a certificate; NULL when it is none. */
static text *
certificate_thumbprint(const bytea *certificate)
{
	char		thumbprint[SCT_THUMBPRINT_LEN];

	if (!sct_certificate_thumbprint(certificate, thumbprint))
		return NULL;
	return cstring_to_text_with_len(thumbprint, SCT_THUMBPRINT_LEN);
}

/*
 * What belongs into the target column for a value of the source column; NULL
 * when the value is malformed.
 */
static text *
source_thumbprint(Oid type, Datum value)
{
	switch (type)
	{
		case JSONOID:
		case TEXTOID:
		case VARCHAROID:
			return sct_thumbprint_jwk(DatumGetTextPP(value));

		case JSONBOID:
			{
				Jsonb	   *jsonb = DatumGetJsonbP(value);

				/* of two members of one name it has the last one only */
				return sct_thumbprint_jwk(cstring_to_text(JsonbToCString(NULL,
																		 &jsonb->root,
																		 VARSIZE(jsonb))));
			}

		case BYTEAOID:
			return certificate_thumbprint(DatumGetByteaPP(value));

		default:
			elog(ERROR, "unexpected type %u", type);
	}
}

Datum
sctoken_bind_thumbprint(PG_FUNCTION_ARGS)
{
	TriggerData *data = sct_trigger_data(fcinfo, "bind_thumbprint");
	TupleDesc	tupdesc;
	HeapTuple	tuple;
	AttrNumber	source;
	int			target;
	Form_pg_attribute target_attr;
	Oid			target_type;
	Oid			source_type;
	Datum		value;
	bool		isnull;

	if (!TRIGGER_FIRED_BEFORE(data->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(data->tg_event) ||
		TRIGGER_FIRED_BY_DELETE(data->tg_event))
		sct_trigger_misfired(data, "BEFORE INSERT OR UPDATE FOR EACH ROW");
	sct_trigger_count(data, 2, 2);
	source = sct_trigger_column(data, 0);
	target = sct_trigger_column(data, 1);
	sct_trigger_refuse_generated(data, 0, source);
	sct_trigger_refuse_generated(data, 1, (AttrNumber) target);
	if (source == target)
		sct_trigger_bad_argument(data, 1, ERRCODE_INVALID_OBJECT_DEFINITION,
								 "must be another column than argument 1");

	tupdesc = RelationGetDescr(data->tg_relation);
	target_attr = TupleDescAttr(tupdesc, target - 1);
	target_type = getBaseType(target_attr->atttypid);
	if (target_type != TEXTOID && target_type != VARCHAROID &&
		target_type != BPCHAROID)
		sct_trigger_bad_argument(data, 1, ERRCODE_DATATYPE_MISMATCH,
								 "must be a column of type text, varchar or char");
	source_type = getBaseType(TupleDescAttr(tupdesc, source - 1)->atttypid);
	if (source_type != JSONOID && source_type != JSONBOID &&
		source_type != TEXTOID && source_type != VARCHAROID &&
		source_type != BYTEAOID)
		sct_trigger_bad_argument(data, 0, ERRCODE_DATATYPE_MISMATCH,
								 "must be a column of type json, jsonb, text, varchar or bytea");

	tuple = TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? data->tg_newtuple :
		data->tg_trigtuple;
	value = heap_getattr(tuple, source, tupdesc, &isnull);
	if (isnull)
		value = (Datum) 0;
	else
	{
		text	   *thumbprint = source_thumbprint(source_type, value);
		Oid			typinput;
		Oid			typioparam;

		if (thumbprint == NULL)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 source_type == BYTEAOID ?
					 errmsg("column \"%s\" of table \"%s\" is not a certificate in DER",
							data->tg_trigger->tgargs[0],
							RelationGetRelationName(data->tg_relation)) :
					 errmsg("column \"%s\" of table \"%s\" is not a JWK with a thumbprint",
							data->tg_trigger->tgargs[0],
							RelationGetRelationName(data->tg_relation)),
					 errtablecol(data->tg_relation, source)));
		getTypeInputInfo(target_attr->atttypid, &typinput, &typioparam);
		value = OidInputFunctionCall(typinput, text_to_cstring(thumbprint),
									 typioparam, target_attr->atttypmod);
	}
	return PointerGetDatum(heap_modify_tuple_by_cols(tuple, tupdesc, 1, &target,
													 &value, &isnull));
}

Datum
sctoken_guard_append_only(PG_FUNCTION_ARGS)
{
	TriggerData *data = sct_trigger_data(fcinfo, "guard_append_only");

	if (!TRIGGER_FIRED_BEFORE(data->tg_event) ||
		TRIGGER_FIRED_BY_INSERT(data->tg_event))
		sct_trigger_misfired(data, "BEFORE UPDATE OR DELETE FOR EACH ROW, or BEFORE TRUNCATE");
	sct_trigger_count(data, 0, 0);
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s\" is append-only",
					RelationGetRelationName(data->tg_relation)),
			 errdetail("Trigger \"%s\" refuses %s.", data->tg_trigger->tgname,
					   TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? "UPDATE" :
					   TRIGGER_FIRED_BY_DELETE(data->tg_event) ? "DELETE" :
					   "TRUNCATE"),
			 errtable(data->tg_relation)));
}

/* The named columns of a row as a JSON object, from argument 1 on. */
static text *
row_payload(const TriggerData *data, HeapTuple tuple)
{
	TupleDesc	tupdesc = RelationGetDescr(data->tg_relation);
	int			count = data->tg_trigger->tgnargs - 1;
	TupleDesc	picked = CreateTemplateTupleDesc(count);
	Datum	   *values = palloc(count * sizeof(Datum));
	bool	   *nulls = palloc(count * sizeof(bool));

	for (int i = 0; i < count; i++)
	{
		AttrNumber	column = sct_trigger_column(data, i + 1);

		TupleDescCopyEntry(picked, (AttrNumber) (i + 1), tupdesc, column);
		values[i] = heap_getattr(tuple, column, tupdesc, &nulls[i]);
	}
	BlessTupleDesc(picked);
	return DatumGetTextPP(DirectFunctionCall1(row_to_json,
											  HeapTupleGetDatum(heap_form_tuple(picked, values, nulls))));
}

Datum
sctoken_notify_event(PG_FUNCTION_ARGS)
{
	TriggerData *data = sct_trigger_data(fcinfo, "notify_event");
	StringInfoData payload;
	const char *channel;
	const char *operation;
	text	   *row = NULL;
	int			head;

	if (!TRIGGER_FIRED_AFTER(data->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(data->tg_event))
		sct_trigger_misfired(data, "AFTER INSERT, UPDATE or DELETE FOR EACH ROW");
	sct_trigger_count(data, 1, PG_INT16_MAX);
	channel = data->tg_trigger->tgargs[0];
	if (channel[0] == '\0' || strlen(channel) >= NAMEDATALEN)
		sct_trigger_bad_argument(data, 0, ERRCODE_INVALID_PARAMETER_VALUE,
								 "must be the name of a channel");

	if (data->tg_trigger->tgnargs > 1)
		row = row_payload(data, TRIGGER_FIRED_BY_UPDATE(data->tg_event) ?
						  data->tg_newtuple : data->tg_trigtuple);
	operation = TRIGGER_FIRED_BY_INSERT(data->tg_event) ? "INSERT" :
		TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? "UPDATE" : "DELETE";

	initStringInfo(&payload);
	appendStringInfoString(&payload, "{\"schema\":");
	escape_json(&payload, get_namespace_name(RelationGetNamespace(data->tg_relation)));
	appendStringInfoString(&payload, ",\"table\":");
	escape_json(&payload, RelationGetRelationName(data->tg_relation));
	appendStringInfo(&payload, ",\"operation\":\"%s\"", operation);
	head = payload.len;
	if (row != NULL)
	{
		appendStringInfoString(&payload, ",\"row\":");
		appendBinaryStringInfo(&payload, VARDATA_ANY(row),
							   (int) VARSIZE_ANY_EXHDR(row));
	}
	appendStringInfoChar(&payload, '}');

	/* the change itself must not fail for a listener's sake */
	if (payload.len > PAYLOAD_MAX_LEN)
	{
		payload.len = head;
		appendStringInfoString(&payload, ",\"truncated\":true}");
	}
	Async_Notify(channel, payload.data);
	return PointerGetDatum(NULL);
}
