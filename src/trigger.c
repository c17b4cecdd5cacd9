/*
 * trigger.c
 *		Trigger functions for tables of tokens, ours and users' own.
 */
#include "sctoken.h"

#include "commands/trigger.h"
#include "fmgr.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(sctoken_guard_append_only);

Datum
sctoken_guard_append_only(PG_FUNCTION_ARGS)
{
	TriggerData *trigdata = (TriggerData *) fcinfo->context;

	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("function \"%s\" can only be called by a trigger",
						"sctoken.guard_append_only")));
	if (!TRIGGER_FIRED_BEFORE(trigdata->tg_event) ||
		TRIGGER_FIRED_BY_INSERT(trigdata->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
				 errmsg("trigger \"%s\" on table \"%s\" must be fired %s",
						trigdata->tg_trigger->tgname,
						RelationGetRelationName(trigdata->tg_relation),
						"BEFORE UPDATE OR DELETE FOR EACH ROW, or BEFORE TRUNCATE")));
	ereport(ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
			 errmsg("table \"%s\" is append-only",
					RelationGetRelationName(trigdata->tg_relation)),
			 errdetail("Trigger \"%s\" refuses %s.", trigdata->tg_trigger->tgname,
					   TRIGGER_FIRED_BY_UPDATE(trigdata->tg_event) ? "UPDATE" :
					   TRIGGER_FIRED_BY_DELETE(trigdata->tg_event) ? "DELETE" :
					   "TRUNCATE"),
			 errtable(trigdata->tg_relation)));
}
