/*
 * amend.c
 *		sctoken.narrow() and sctoken.rebind(): what a living family is good for, and
 *		for whom, changes.
 *
 * Both take something away from somebody, so they commit as durably as a
 * revocation does.  The event keeps what was before.
 */
#include "sctoken.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"

#include "argument.h"
#include "binding.h"
#include "family.h"
#include "lock.h"
#include "query.h"
#include "scope.h"
#include "transaction.h"

/*
 * A bulk revocation takes no family's lock, and may have come after the row was
 * read: then nothing is done.  Two statements, because Citus takes none that
 * changes two tables; nothing comes between them, under the family's lock.
 */
#define AMEND(columns) \
	"UPDATE sctoken.family SET " columns \
	" WHERE id OPERATOR(pg_catalog.=) $1 AND revoked_at IS NULL"

/* $1 to $6 of both; what was before follows. */
#define AMENDED(kind, before) \
	"INSERT INTO sctoken.event" \
	" (family_id, at, kind, generation, client_id, subject, reason, detail)" \
	" VALUES ($1, $2, '" kind "', $3, $4, $5, $6," \
	" pg_catalog.jsonb_build_object('before', " before "))"

static PreparedQuery narrow_query = {
	.sql = AMEND("scope = $2, audience = $3"),
	.nargs = 3,
	.argtypes = {UUIDOID, TEXTOID, TEXTARRAYOID}
};

static PreparedQuery narrowed_query = {
	.sql = AMENDED("narrowed",
				   "pg_catalog.jsonb_build_object("
				   "'scope', $7, 'audience', pg_catalog.to_jsonb($8))"),
	.nargs = 8,
	.argtypes = {UUIDOID, TIMESTAMPTZOID, INT8OID, TEXTOID, TEXTOID, TEXTOID, TEXTOID,
	TEXTARRAYOID}
};

static PreparedQuery rebind_query = {
	.sql = AMEND("binding = $2"),
	.nargs = 2,
	.argtypes = {UUIDOID, JSONBOID}
};

static PreparedQuery rebound_query = {
	.sql = AMENDED("rebound", "pg_catalog.jsonb_build_object('cnf', $7)"),
	.nargs = 7,
	.argtypes = {UUIDOID, TIMESTAMPTZOID, INT8OID, TEXTOID, TEXTOID, TEXTOID, JSONBOID}
};

/* Values of a statement, of which some may be null */
typedef struct Values
{
	Datum		values[8];
	char		nulls[8];
} Values;

PG_FUNCTION_INFO_V1(sctoken_narrow);
PG_FUNCTION_INFO_V1(sctoken_rebind);

static pg_uuid_t *
family_id_argument(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", "family_id")));
	return PG_GETARG_UUID_P(0);
}

static void
set_value(Values *values, int n, const void *pointer)
{
	values->values[n] = PointerGetDatum(pointer);
	values->nulls[n] = pointer == NULL ? 'n' : ' ';
}

/*
 * Runs the statement that changes the row, whose own values begin at the second,
 * and the one that tells of it, whose own begin at the seventh.
 */
static bool
amend(const Family *family, text *reason, PreparedQuery *change, Values *changed,
	  PreparedQuery *event, Values *before)
{
	set_value(changed, 0, &family->id);
	sct_transaction_revoked();
	if (sct_query_run(change, changed->values, changed->nulls) != 1)
		return false;
	set_value(before, 0, &family->id);
	before->values[1] = TimestampTzGetDatum(GetCurrentTimestamp());
	before->nulls[1] = ' ';
	before->values[2] = Int64GetDatum(family->generation);
	before->nulls[2] = ' ';
	set_value(before, 3, family->client_id);
	set_value(before, 4, family->subject);
	set_value(before, 5, reason);
	(void) sct_query_run(event, before->values, before->nulls);
	return true;
}

static void
refuse_widening(bool is_subset, const char *name)
{
	if (!is_subset)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" is not a subset of what the token family has",
						name)));
}

/* Gives a living family that was read under its lock less than it has. */
static bool
narrow_locked(const Family *family, text *scope, ArrayType *audience, text *reason)
{
	Values		changed;
	Values		before;

	if (scope != NULL)
		refuse_widening(sct_scope_is_subset(scope, family->scope), "scope");
	else
		scope = family->scope;
	if (audience != NULL)
		refuse_widening(sct_audience_is_subset(audience, family->audience), "audience");
	else
		audience = family->audience;

	/* again: a subset in both directions */
	if ((scope == NULL || sct_scope_is_subset(family->scope, scope)) &&
		(audience == NULL || sct_audience_is_subset(family->audience, audience)))
		return true;
	set_value(&changed, 1, scope);
	set_value(&changed, 2, audience);
	set_value(&before, 6, family->scope);
	set_value(&before, 7, family->audience);
	return amend(family, reason, &narrow_query, &changed, &narrowed_query, &before);
}

Datum
sctoken_narrow(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *family_id;
	text	   *scope;
	ArrayType  *audience;
	text	   *reason;
	QueryScope	query_scope;
	Family		family;
	bool		result;

	PreventCommandIfReadOnly("sctoken.narrow()");
	PreventCommandDuringRecovery("sctoken.narrow()");
	family_id = family_id_argument(fcinfo);
	scope = sct_argument_scope(fcinfo, 1);
	audience = sct_argument_audience(fcinfo, 2);
	if (scope == NULL && audience == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("arguments \"%s\" and \"%s\" must not both be null",
						"scope", "audience")));
	reason = sct_argument_text(fcinfo, 3, "reason", true, ARGUMENT_MAX_REASON);

	sct_query_begin(&query_scope);
	sct_lock_require(sct_lock_family(family_id));
	result = sct_family_read(family_id, &family) && !family.revoked &&
		narrow_locked(&family, scope, audience, reason);
	sct_query_end(&query_scope);
	PG_RETURN_BOOL(result);
}

/* Binds a living family that was read under its lock to something else. */
static bool
rebind_locked(const Family *family, const Binding *binding, text *reason)
{
	Jsonb	   *cnf = sct_binding_to_cnf(binding);
	Values		changed;
	Values		before;

	if (family->binding != NULL &&
		compareJsonbContainers(&family->binding->root, &cnf->root) == 0)
		return true;
	set_value(&changed, 1, cnf);
	set_value(&before, 6, family->binding);
	return amend(family, reason, &rebind_query, &changed, &rebound_query, &before);
}

Datum
sctoken_rebind(PG_FUNCTION_ARGS)
{
	pg_uuid_t  *family_id;
	Binding		binding;
	text	   *reason;
	QueryScope	scope;
	Family		family;
	bool		result;

	PreventCommandIfReadOnly("sctoken.rebind()");
	PreventCommandDuringRecovery("sctoken.rebind()");
	family_id = family_id_argument(fcinfo);
	sct_binding_argument(fcinfo, 1, "cnf", &binding);
	reason = sct_argument_text(fcinfo, 2, "reason", true, ARGUMENT_MAX_REASON);

	sct_query_begin(&scope);
	sct_lock_require(sct_lock_family(family_id));

	/* revoke_binding() of the new one is to see this family too */
	sct_lock_require(sct_lock_binding(&binding, ShareLock));
	result = sct_family_read(family_id, &family) && !family.revoked &&
		rebind_locked(&family, &binding, reason);
	sct_query_end(&scope);
	PG_RETURN_BOOL(result);
}
