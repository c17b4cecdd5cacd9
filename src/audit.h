/*
 * audit.h
 *		Events of token families (table sctoken.event).
 */
#ifndef SCT_AUDIT_H
#define SCT_AUDIT_H

#include "utils/jsonb.h"
#include "utils/uuid.h"

typedef struct Event
{
	const char *kind;
	const pg_uuid_t *family_id;
	TimestampTz at;
	int64		generation;
	const text *client_id;
	const text *subject;		/* NULL: nobody knows */
	const char *reason;			/* NULL: none */
	const char *why;			/* of a refusal, more exactly; NULL: none */
	Jsonb	   *context;		/* the caller's; NULL: none */
	Jsonb	   *cnf;			/* presented, where the family does not say it;
								 * NULL: none */

	/* of a token presented again; distance < 0: not such an event */
	int64		distance;		/* generations behind the current one */
	int64		age;			/* microseconds since the last rotation */
	bool		retryable;		/* whether a retry was still thinkable */
} Event;

/*
 * Records an event; between sct_query_begin() and sct_query_end().
 */
extern void sct_audit_event(const Event *event);

/* A plain rotation: only where sctoken.audit is "all". */
extern void sct_audit_rotation(const Event *event);

/*
 * A refusal of a genuine token: at a bounded rate, so that a client which does
 * not give up cannot fill the table.
 */
extern void sct_audit_refusal(const Event *event);

#endif							/* SCT_AUDIT_H */
