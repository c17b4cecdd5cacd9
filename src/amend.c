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
 * Arguments of both functions end with what follows.  A bulk revocation takes no
 * family's lock, and may have come after the row was read: then nothing is done.
 */
#define AMEND(columns, kind, before) \
	"WITH amended AS (" \
	"UPDATE sctoken.family SET " columns \
	" WHERE id OPERATOR(pg_catalog.=) $1 AND revoked_at IS NULL" \
	" RETURNING id, generation, client_id, subject)" \
	" INSERT INTO sctoken.event" \
	" (family_id, at, kind, generation, client_id, subject, reason, detail)" \
	" SELECT id, $2, '" kind "', generation, client_id, subject, $3," \
	" pg_catalog.jsonb_build_object('before', " before ")" \
	" FROM amended"

static PreparedQuery narrow_query = {
	.sql = AMEND("scope = $4, audience = $5", "narrowed",
				 "pg_catalog.jsonb_build_object("
				 "'scope', $6, 'audience', pg_catalog.to_jsonb($7))"),
	.nargs = 7,
	.argtypes = {UUIDOID, TIMESTAMPTZOID, TEXTOID, TEXTOID, TEXTARRAYOID, TEXTOID,
	TEXTARRAYOID}
};

static PreparedQuery rebind_query = {
	.sql = AMEND("binding = $4", "rebound",
				 "pg_catalog.jsonb_build_object('cnf', $5)"),
	.nargs = 5,
	.argtypes = {UUIDOID, TIMESTAMPTZOID, TEXTOID, JSONBOID, JSONBOID}
};

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
set_value(Datum *values, char *nulls, int n, const void *pointer)
{
	values[n] = PointerGetDatum(pointer);
	nulls[n] = pointer == NULL ? 'n' : ' ';
}

/* Runs one of the statements, whose own values begin at the fourth. */
static bool
amend(PreparedQuery *query, const Family *family, text *reason,
	  Datum *values, char *nulls)
{
	values[0] = UUIDPGetDatum(&family->id);
	values[1] = TimestampTzGetDatum(GetCurrentTimestamp());
	values[2] = PointerGetDatum(reason);
	sct_transaction_revoked();
	return sct_query_run(query, values, nulls) == 1;
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
	Datum		values[7];
	char		nulls[] = "       ";

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
	set_value(values, nulls, 3, scope);
	set_value(values, nulls, 4, audience);
	set_value(values, nulls, 5, family->scope);
	set_value(values, nulls, 6, family->audience);
	return amend(&narrow_query, family, reason, values, nulls);
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
	Datum		values[5];
	char		nulls[] = "     ";

	if (family->binding != NULL &&
		compareJsonbContainers(&family->binding->root, &cnf->root) == 0)
		return true;
	set_value(values, nulls, 3, cnf);
	set_value(values, nulls, 4, family->binding);
	return amend(&rebind_query, family, reason, values, nulls);
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
