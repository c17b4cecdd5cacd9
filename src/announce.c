/*
 * announce.c
 *		NOTIFY on channel sctoken_revoked, see announce.h.
 *
 * Never on the way of a rotation: a transaction that notifies commits under a
 * lock of the whole cluster.
 */
#include "sctoken.h"

#include "commands/async.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "announce.h"

#define CHANNEL	"sctoken_revoked"

void
sct_announce_family(const pg_uuid_t *family_id)
{
	if (sct_notify)
		Async_Notify(CHANNEL,
					 DatumGetCString(DirectFunctionCall1(uuid_out,
														 UUIDPGetDatum(family_id))));
}

void
sct_announce_call(const char *call)
{
	if (sct_notify)
		Async_Notify(CHANNEL, call);
}
