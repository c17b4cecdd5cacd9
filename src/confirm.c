/*
 * confirm.c
 *		sctoken.confirm(): the successor arrived, so its predecessor cannot be
 *		retried any more.
 *
 * Whoever first sees a refresh token, or an access token made with it, in use may
 * say so, as often as he likes: only the first call for a generation takes the
 * family's lock and writes.
 */
#include "sctoken.h"

#include "fmgr.h"
#include "miscadmin.h"

#include "audit.h"
#include "family.h"
#include "lock.h"
#include "query.h"

PG_FUNCTION_INFO_V1(sctoken_confirm);

/* Is this generation the current one of a family that is not revoked? */
static bool
is_current(const pg_uuid_t *family_id, int64 generation, Family *family)
{
	return sct_family_read(family_id, family) && !family->revoked &&
		family->generation == generation;
}

/* Closes the retry, under the family's lock. */
static bool
confirm_locked(const Family *family)
{
	Event		event = {.kind = "confirmed", .distance = -1};

	if (!family->has_salt)
		return true;

	/* a bulk revocation takes no family's lock, and may have come first */
	if (!sct_family_confirm(&family->id))
		return false;
	event.family_id = &family->id;
	event.at = GetCurrentTimestamp();
	event.generation = family->generation;
	event.client_id = family->client_id;
	event.subject = family->subject;
	sct_audit_rotation(&event);
	return true;
}

Datum
sctoken_confirm(PG_FUNCTION_ARGS)
{
	static const char *const names[] = {"family_id", "generation"};
	pg_uuid_t  *family_id;
	int64		generation;
	QueryScope	scope;
	Family		family;
	bool		result;

	PreventCommandIfReadOnly("sctoken.confirm()");
	PreventCommandDuringRecovery("sctoken.confirm()");
	for (int i = 0; i < 2; i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"%s\" must not be null", names[i])));
	}
	family_id = PG_GETARG_UUID_P(0);
	generation = PG_GETARG_INT64(1);

	sct_query_begin(&scope);
	result = is_current(family_id, generation, &family);
	if (!result || family.has_salt)
	{
		/* a rotation that is under way may be what makes it the current one */
		sct_lock_require(sct_lock_family(family_id));
		result = is_current(family_id, generation, &family) &&
			confirm_locked(&family);
	}
	sct_query_end(&scope);
	PG_RETURN_BOOL(result);
}
