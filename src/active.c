/*
 * active.c
 *		sctoken.family_active(): does a family still live?  The one rule for it, see
 *		active.h.
 *
 * Takes no lock and writes nothing, so that it runs on a standby too.
 */
#include "sctoken.h"

#include "fmgr.h"
#include "utils/pg_lsn.h"

#include "active.h"
#include "policy.h"
#include "query.h"
#include "standby.h"

PG_FUNCTION_INFO_V1(sctoken_family_active);

bool
sct_family_is_active(const Family *family, TimestampTz now, TimestampTz *expires_at)
{
	Policy		policy;

	sct_policy_get(family->client_id, &policy);
	*expires_at = Min(family->expires_at, family->created_at + policy.absolute_ttl);
	*expires_at = Min(*expires_at, family->rotated_at + policy.idle_ttl);
	return !family->revoked && policy.enabled &&
		family->created_at > policy.not_before && now < *expires_at;
}

Datum
sctoken_family_active(PG_FUNCTION_ARGS)
{
	QueryScope	scope;
	Family		family;
	TimestampTz expires_at;
	bool		result;

	/* an access token without a family is not known to live */
	if (PG_ARGISNULL(0))
		PG_RETURN_BOOL(false);
	if (!PG_ARGISNULL(1) && sct_standby_lacks(PG_GETARG_LSN(1)))
		PG_RETURN_NULL();
	sct_query_begin(&scope);
	result = sct_family_read(PG_GETARG_UUID_P(0), &family) &&
		sct_family_is_active(&family, GetCurrentTimestamp(), &expires_at);
	sct_query_end(&scope);
	PG_RETURN_BOOL(result);
}
