/*
 * call.h
 *		One call of sctoken by a client of the campaign: in a transaction of its
 *		own, and written down.
 *
 * The journal has two lines for each call, with tabs between the words and "-" for
 * what there is not:
 *
 *	> call time operation subject client family generation token with
 *		jti made level end async
 *	< call time status sqlstate outcome reason family generation token
 *
 * The first is written before the call is sent, the second after its transaction
 * ended; each is one write, so that what was promised is on record whatever happens
 * to the client.  Times are those of now_us(), taken before the call was sent and
 * after its transaction was answered.  Tokens are named by the start of SHA-256 of
 * their secret.
 *
 *	level	read (committed), repeatable (read), serializable
 *	with	right, stranger (another key), nothing (no key), other_client, forged
 *	end		auto (no block), commit, release (of a savepoint, then commit), rollback,
 *			undo (roll back to a savepoint, then commit)
 *	status	committed
 *			undone: answered, and rolled back by the client
 *			failed: an ERROR (sqlstate); the transaction is rolled back
 *			lost: the connection broke after the commit was sent; perhaps committed
 *			cut: it broke before; not committed
 */
#ifndef CALL_H
#define CALL_H

#include <libpq-fe.h>
#include <stdio.h>

#include "world.h"

/* A client: one process, one connection. */
typedef struct Client
{
	int			number;
	uint64_t	random;
	int64_t		calls;			/* made so far */
	bool		auditing;		/* the end: no transaction blocks */
	const char *level;			/* of calls without a block */
	PGconn	   *conn;			/* NULL: not connected */
	unsigned int prepared;		/* statements of operations, a bit each */
	FILE	   *journal;
	Progress   *progress;
} Client;

typedef enum Operation
{
	ISSUE,
	ROTATE,
	REVOKE,
	REVOKE_FAMILY,
	REVOKE_SUBJECT,
	INTROSPECT,
	FAMILY_ACTIVE,
	CONFIRM,
	DPOP_CHECK
} Operation;

typedef struct Call
{
	Operation	operation;
	int			subject;
	const char *client_id;		/* NULL: none, as are all "" below */
	char		family[FAMILY_ID_LEN + 1];
	Token		token;
	const char *with;
	const char *jkt;			/* NULL: none */
	Proof		proof;
	bool		async;			/* synchronous_commit = off */

	/* set by call_run */
	char		name[NAME_MAX_LEN];	/* of the call: grant_id, or a reason */
	bool		committed;
	char		outcome[32];
	char		answered_family[FAMILY_ID_LEN + 1];
	Token		answered;		/* text "": none */
} Call;

/* Random numbers from 0 to limit - 1. */
extern uint64_t choose(Client *client, uint64_t limit);

/* The name that the next call of this client will have. */
extern void call_name(const Client *client, char name[NAME_MAX_LEN]);

/* Makes the call, connecting first where that is needed. */
extern void call_run(Client *client, Call *call);

#endif							/* CALL_H */
