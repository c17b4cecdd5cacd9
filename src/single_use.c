/*
 * single_use.c
 *		Single use of tokens in tables that keep a row for each token and are not
 *		ours: the trigger function guard_single_use().
 *
 * A row is live or consumed.  An UPDATE that consumes a live row passes.  One
 * that consumes a consumed row is a second consumption: every live row of its
 * family is consumed too, in the same statement, and the row itself is
 * skipped, so that the caller sees 0 rows.  That is no error, because an error
 * would take the revocation back.  A consumed row never gets live again.
 *
 * PostgreSQL has locked the row before a BEFORE ROW trigger fires, waited for
 * whoever was changing it and, at READ COMMITTED, taken its newest version; at
 * the higher levels it has raised 40001 if there was one.  So the old row here
 * is the truth, and of two concurrent consumers one finds it consumed.
 *
 * The revoking UPDATE touches live rows only.  So it passes through this
 * trigger as a plain first consumption, and two revocations never wait for
 * each other's presented rows.  It runs as the owner of the table, as
 * PostgreSQL's own referential actions do: whether a family dies must not
 * depend on the column privileges or the row security of the role that
 * presented the token.
 */
#include "sctoken.h"

#include "access/htup_details.h"
#include "access/sysattr.h"
#include "catalog/pg_operator.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"

#include "query.h"
#include "transaction.h"
#include "trigger.h"

#define ARG_CONSUMED	0
#define ARG_FAMILY		1
#define ARG_MARK		2		/* this one and all after it */

/* Rotations that may commit one after the other while a family is revoked */
#define MAX_PASSES		100

/* "column" or "column=value" */
typedef struct ColumnState
{
	AttrNumber	column;
	Oid			type;			/* under domains */
	Oid			collation;
	bool		named;			/* has a value of its own */
	Datum		value;			/* what the column is set to */
	TypeCacheEntry *typcache;	/* named: how values are compared */
} ColumnState;

/* "column" or "column->>member" */
typedef struct FamilyKey
{
	AttrNumber	column;
	const char *member;			/* NULL: the column itself */
	Oid			type;			/* of the key */
	TypeCacheEntry *typcache;
} FamilyKey;

/* Which argument is being read, for an error of a type's input function */
typedef struct ArgumentContext
{
	const TriggerData *data;
	int			arg;
} ArgumentContext;

/* The trigger of a partitioned table from which that of a partition comes */
static PreparedQuery origin_query = {
	.sql = "WITH RECURSIVE up AS ("
	"SELECT tgrelid, tgparentid FROM pg_catalog.pg_trigger"
	" WHERE oid OPERATOR(pg_catalog.=) $1"
	" UNION ALL"
	" SELECT t.tgrelid, t.tgparentid FROM up JOIN pg_catalog.pg_trigger AS t"
	" ON t.oid OPERATOR(pg_catalog.=) up.tgparentid)"
	" SELECT tgrelid FROM up WHERE tgparentid OPERATOR(pg_catalog.=) 0::pg_catalog.oid",
	.nargs = 1,
	.argtypes = {OIDOID}
};

PG_FUNCTION_INFO_V1(sctoken_guard_single_use);

/* How values of the type are compared, or an error. */
static TypeCacheEntry *
equality(const TriggerData *data, int arg, Oid type)
{
	TypeCacheEntry *typcache = lookup_type_cache(type, TYPECACHE_EQ_OPR_FINFO);

	if (!OidIsValid(typcache->eq_opr))
		sct_trigger_bad_argument(data, arg, ERRCODE_UNDEFINED_FUNCTION,
								 "must be a column whose values can be compared");
	return typcache;
}

static void
argument_context(void *arg)
{
	const ArgumentContext *context = arg;

	errcontext("argument %d of trigger \"%s\" on table \"%s\"",
			   context->arg + 1, context->data->tg_trigger->tgname,
			   RelationGetRelationName(context->data->tg_relation));
}

static Datum
value_from_text(const TriggerData *data, int arg, Oid type, char *value)
{
	ArgumentContext context = {data, arg};
	ErrorContextCallback callback;
	Oid			typinput;
	Oid			typioparam;
	Datum		result;

	callback.callback = argument_context;
	callback.arg = &context;
	callback.previous = error_context_stack;
	error_context_stack = &callback;
	getTypeInputInfo(type, &typinput, &typioparam);
	result = OidInputFunctionCall(typinput, value, typioparam, -1);
	error_context_stack = callback.previous;
	return result;
}

/* What a column without a value of its own is set to. */
static Datum
implied_value(const TriggerData *data, int arg, Oid type)
{
	TimestampTz now = GetCurrentTimestamp();

	switch (type)
	{
		case BOOLOID:
			return BoolGetDatum(true);
		case TIMESTAMPTZOID:
			return TimestampTzGetDatum(now);
		case TIMESTAMPOID:
			return DirectFunctionCall1(timestamptz_timestamp,
									   TimestampTzGetDatum(now));
		case DATEOID:
			return DirectFunctionCall1(timestamptz_date,
									   TimestampTzGetDatum(now));
		default:
			sct_trigger_bad_argument(data, arg, ERRCODE_DATATYPE_MISMATCH,
									 "must be a boolean, timestamp or date column, or have a value (column=value)");
	}
}

static void
state_parse(const TriggerData *data, int arg, ColumnState *state)
{
	char	   *text;
	Form_pg_attribute attr;

	state->column = sct_trigger_split(data, arg, "=", &text);
	sct_trigger_refuse_generated(data, arg, state->column);

	attr = TupleDescAttr(RelationGetDescr(data->tg_relation), state->column - 1);
	state->type = getBaseType(attr->atttypid);
	state->collation = attr->attcollation;
	state->named = text != NULL;
	if (state->named)
	{
		state->typcache = equality(data, arg, state->type);
		state->value = value_from_text(data, arg, state->type, text);
	}
	else
	{
		state->typcache = NULL;
		state->value = implied_value(data, arg, state->type);
	}
}

/* Is the row in that state? */
static bool
state_holds(const ColumnState *state, HeapTuple tuple, TupleDesc tupdesc)
{
	bool		isnull;
	Datum		value = heap_getattr(tuple, state->column, tupdesc, &isnull);

	if (isnull)
		return false;
	if (state->named)
		return DatumGetBool(FunctionCall2Coll(&state->typcache->eq_opr_finfo,
											  state->collation,
											  value, state->value));
	return state->type != BOOLOID || DatumGetBool(value);
}

static void
family_parse(const TriggerData *data, FamilyKey *family)
{
	TupleDesc	tupdesc = RelationGetDescr(data->tg_relation);
	char	   *member;

	family->column = sct_trigger_split(data, ARG_FAMILY, "->>", &member);
	family->type = getBaseType(TupleDescAttr(tupdesc, family->column - 1)->atttypid);
	family->member = member;
	if (member != NULL && family->type != JSONBOID && family->type != JSONOID)
		sct_trigger_bad_argument(data, ARG_FAMILY, ERRCODE_DATATYPE_MISMATCH,
								 "must name a member of a jsonb or json column");
	family->typcache = equality(data, ARG_FAMILY,
								member != NULL ? TEXTOID : family->type);
}

/* The family of a row; isnull: it has none. */
static Datum
family_value(const FamilyKey *family, HeapTuple tuple, TupleDesc tupdesc,
			 bool *isnull)
{
	Datum		value = heap_getattr(tuple, family->column, tupdesc, isnull);

	if (!*isnull && family->member != NULL)
	{
		LOCAL_FCINFO(fcinfo, 2);

		InitFunctionCallInfoData(*fcinfo, NULL, 2, InvalidOid, NULL, NULL);
		fcinfo->args[0].value = value;
		fcinfo->args[0].isnull = false;
		fcinfo->args[1].value = CStringGetTextDatum(family->member);
		fcinfo->args[1].isnull = false;
		value = family->type == JSONBOID ? jsonb_object_field_text(fcinfo) :
			json_object_field_text(fcinfo);
		*isnull = fcinfo->isnull;
	}
	return value;
}

/* "OPERATOR(schema.name)" of how values are compared */
static char *
operator_name(const TypeCacheEntry *typcache)
{
	HeapTuple	tuple = SearchSysCache1(OPEROID,
										ObjectIdGetDatum(typcache->eq_opr));
	Form_pg_operator operator;
	char	   *result;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for operator %u", typcache->eq_opr);
	operator = (Form_pg_operator) GETSTRUCT(tuple);
	result = psprintf("OPERATOR(%s.%s)",
					  quote_identifier(get_namespace_name(operator->oprnamespace)),
					  NameStr(operator->oprname));
	ReleaseSysCache(tuple);
	return result;
}

static const char *
column_name(const TriggerData *data, AttrNumber column)
{
	TupleDesc	tupdesc = RelationGetDescr(data->tg_relation);

	return quote_identifier(NameStr(TupleDescAttr(tupdesc, column - 1)->attname));
}

/*
 * The table whose rows the trigger guards: where the trigger was made, which
 * is the partitioned table when it fires on a partition.
 */
static Oid
guarded_table(const TriggerData *data)
{
	Oid			result = RelationGetRelid(data->tg_relation);

	if (data->tg_trigger->tgisclone)
	{
		QueryScope	scope;
		Datum		values[1];
		bool		isnull;

		sct_query_begin_on(&scope, result);
		values[0] = ObjectIdGetDatum(data->tg_trigger->tgoid);
		if (sct_query_run(&origin_query, values, NULL) != 1)
			elog(ERROR, "trigger %u has no origin", data->tg_trigger->tgoid);
		result = DatumGetObjectId(SPI_getbinval(SPI_tuptable->vals[0],
												SPI_tuptable->tupdesc,
												1, &isnull));
		sct_query_end(&scope);
	}
	return result;
}

/*
 * Consumes every live row of the family.  states[0] is what consumes, the
 * others mark a row that is revoked.
 *
 * A rotation that commits while the UPDATE waits for its row leaves a
 * successor that the UPDATE's snapshot has not seen.  So it is repeated until
 * a snapshot shows no live row: a rotation under way then would have shown its
 * own row, live until it commits.
 */
static void
family_revoke(const TriggerData *data, const FamilyKey *family, Datum value,
			  const ColumnState *states, int count)
{
	Oid			relid = guarded_table(data);
	char	   *table = quote_qualified_identifier(get_namespace_name(get_rel_namespace(relid)),
												   get_rel_name(relid));
	StringInfoData live;
	StringInfoData look;
	StringInfoData update;
	Oid		   *argtypes = palloc((count + 1) * sizeof(Oid));
	Datum	   *values = palloc((count + 1) * sizeof(Datum));
	const char *consumed = column_name(data, states[0].column);
	QueryScope	scope;
	int			pass;

	/* $1 is the family, $2 and so on what the columns are set to */
	initStringInfo(&live);
	if (family->member != NULL)
		appendStringInfo(&live, "(%s OPERATOR(pg_catalog.->>) %s) %s $1",
						 column_name(data, family->column),
						 quote_literal_cstr(family->member),
						 operator_name(family->typcache));
	else
		appendStringInfo(&live, "%s %s $1", column_name(data, family->column),
						 operator_name(family->typcache));
	if (states[0].named)
		appendStringInfo(&live, " AND (%s %s $2) IS NOT TRUE", consumed,
						 operator_name(states[0].typcache));
	else
		appendStringInfo(&live, " AND %s %s", consumed,
						 states[0].type == BOOLOID ? "IS NOT TRUE" : "IS NULL");

	initStringInfo(&look);
	appendStringInfo(&look, "SELECT FROM %s WHERE %s LIMIT 1", table, live.data);

	initStringInfo(&update);
	appendStringInfo(&update, "UPDATE %s SET ", table);
	argtypes[0] = family->member != NULL ? TEXTOID : family->type;
	values[0] = value;
	for (int i = 0; i < count; i++)
	{
		appendStringInfo(&update, "%s%s = $%d", i > 0 ? ", " : "",
						 column_name(data, states[i].column), i + 2);
		argtypes[i + 1] = states[i].type;
		values[i + 1] = states[i].value;
	}
	appendStringInfo(&update, " WHERE %s", live.data);

	sct_query_begin_on(&scope, relid);
	for (pass = 0; pass < MAX_PASSES; pass++)
	{
		CHECK_FOR_INTERRUPTS();
		if (sct_query_run_once(look.data, count + 1, argtypes, values, NULL) == 0)
			break;
		(void) sct_query_run_once(update.data, count + 1, argtypes, values, NULL);
	}
	if (pass == MAX_PASSES)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("could not revoke a token family in table \"%s\"",
						get_rel_name(relid)),
				 errhint("Another trigger or a rule may keep its rows from being updated.")));
	sct_query_end(&scope);

	sct_transaction_revoked();
}

Datum
sctoken_guard_single_use(PG_FUNCTION_ARGS)
{
	TriggerData *data = sct_trigger_data(fcinfo, "guard_single_use");
	TupleDesc	tupdesc;
	int			count;
	ColumnState *states;
	FamilyKey	family;
	Datum		value;
	bool		isnull;

	if (!TRIGGER_FIRED_BEFORE(data->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(data->tg_event) ||
		!TRIGGER_FIRED_BY_UPDATE(data->tg_event))
		sct_trigger_misfired(data, "BEFORE UPDATE FOR EACH ROW");
	sct_trigger_count(data, 2, PG_INT16_MAX);
	count = data->tg_trigger->tgnargs - 1;
	states = palloc(count * sizeof(ColumnState));
	state_parse(data, ARG_CONSUMED, &states[0]);
	family_parse(data, &family);
	for (int arg = ARG_MARK; arg < data->tg_trigger->tgnargs; arg++)
	{
		state_parse(data, arg, &states[arg - 1]);
		for (int i = 0; i < arg - 1; i++)
		{
			if (states[i].column == states[arg - 1].column)
				sct_trigger_bad_argument(data, arg, ERRCODE_INVALID_OBJECT_DEFINITION,
										 "names a column for the second time");
		}
	}

	tupdesc = RelationGetDescr(data->tg_relation);
	if (!state_holds(&states[0], data->tg_trigtuple, tupdesc))
		return PointerGetDatum(data->tg_newtuple);
	if (!state_holds(&states[0], data->tg_newtuple, tupdesc))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("a consumed row of table \"%s\" cannot become live again",
						RelationGetRelationName(data->tg_relation)),
				 errdetail("Trigger \"%s\" guards column \"%s\".",
						   data->tg_trigger->tgname,
						   NameStr(TupleDescAttr(tupdesc, states[0].column - 1)->attname)),
				 errtablecol(data->tg_relation, states[0].column)));

	/* a statement that does not name the column is about something else */
	if (!bms_is_member(states[0].column - FirstLowInvalidHeapAttributeNumber,
					   data->tg_updatedcols))
		return PointerGetDatum(data->tg_newtuple);

	value = family_value(&family, data->tg_trigtuple, tupdesc, &isnull);
	if (!isnull)
		family_revoke(data, &family, value, states, count);
	return PointerGetDatum(NULL);
}
