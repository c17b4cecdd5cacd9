/*
 * trigger.h
 *		What the trigger functions for users' own tables share.
 *
 * Their arguments are checked each time they fire: a column may have been
 * renamed since.  All errors here are mistakes of the trigger's definition,
 * and say the trigger, the table and the argument, never a value of a row.
 */
#ifndef SCT_TRIGGER_H
#define SCT_TRIGGER_H

#include "commands/trigger.h"
#include "fmgr.h"

/*
 * The trigger that called, or an error (39P01) when none did.  function is the
 * SQL name, without schema.
 */
extern TriggerData *sct_trigger_data(FunctionCallInfo fcinfo,
									 const char *function);

/* Error (39P01): the trigger must be fired so, such as "BEFORE UPDATE". */
pg_noreturn extern void sct_trigger_misfired(const TriggerData *data,
												 const char *how);

/* Error (42P17) unless the number of arguments lies between the two. */
extern void sct_trigger_count(const TriggerData *data, int least, int most);

/* The column that argument number arg (from 0) names, or an error (42703). */
extern AttrNumber sct_trigger_column(const TriggerData *data, int arg);

/*
 * The same for "column" or "column", separator, rest; *rest is NULL for the
 * former.  A column whose very name has the separator in it is found.
 */
extern AttrNumber sct_trigger_split(const TriggerData *data, int arg,
									const char *separator, char **rest);

/* Error: that argument, with what is wrong with it ("must be ..."). */
pg_noreturn extern void sct_trigger_bad_argument(const TriggerData *data, int arg,
													 int sqlstate, const char *wrong);

/*
 * Error (42P17) for a generated column: it has no value yet when a BEFORE
 * trigger fires, and overwrites what the trigger gives it.
 */
extern void sct_trigger_refuse_generated(const TriggerData *data, int arg,
										 AttrNumber column);

#endif							/* SCT_TRIGGER_H */
