/*
 * call.c
 *		One call of sctoken by a client of the campaign, see call.h.
 */
#define _GNU_SOURCE
#include "call.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../client/proof.h"

#define RECONNECT_PAUSE		20000	/* microseconds */
#define RECONNECT_ATTEMPTS	9000
#define PARAMS_MAX			6

/* Every answer has the same five columns. */
static const struct
{
	const char *name;
	int			params;
	const char *sql;
}			operations[] = {
	[ISSUE] = {"issue", 6,
		"SELECT outcome, reason, family_id, generation, refresh_token"
		" FROM sctoken.issue($1, $2, cnf => $3::jsonb, grant_id => $4,"
	" dpop_proof => $5, htu => $6)"},
	[ROTATE] = {"rotate", 5,
		"SELECT outcome, reason, family_id, generation, refresh_token"
		" FROM sctoken.rotate($1, $2, cnf => $3::jsonb, dpop_proof => $4,"
	" htu => $5)"},
	[REVOKE] = {"revoke", 3,
		"SELECT r, NULL, NULL, NULL, NULL FROM sctoken.revoke($1, $2, $3) AS r"},
	[REVOKE_FAMILY] = {"revoke_family", 2,
		"SELECT r, NULL, NULL, NULL, NULL"
	" FROM sctoken.revoke_family($1::uuid, $2) AS r"},
	[REVOKE_SUBJECT] = {"revoke_subject", 2,
		"SELECT r, NULL, NULL, NULL, NULL"
	" FROM sctoken.revoke_subject($1, $2) AS r"},
	[INTROSPECT] = {"introspect", 1,
		"SELECT r->>'active', NULL, r->>'family_id', r->>'generation', NULL"
	" FROM sctoken.introspect($1) AS r"},
	[FAMILY_ACTIVE] = {"family_active", 1,
		"SELECT r, NULL, NULL, NULL, NULL FROM sctoken.family_active($1::uuid) AS r"},
	[CONFIRM] = {"confirm", 2,
		"SELECT r, NULL, NULL, NULL, NULL"
	" FROM sctoken.confirm($1::uuid, $2::bigint) AS r"},
	[DPOP_CHECK] = {"dpop_check", 4,
		"SELECT CASE WHEN valid THEN 'accepted' ELSE 'refused' END, reason,"
		" NULL, NULL, NULL"
	" FROM sctoken.dpop_check($1, $2, $3, server => $4)"}
};

static const char *const levels[] = {
	"read committed", "repeatable read", "serializable"
};

/* How a statement went. */
typedef enum Reply
{
	DONE,
	REFUSED,					/* an ERROR */
	BROKEN						/* there is no connection any more */
} Reply;

/* How the transaction around a call is to be. */
typedef struct Frame
{
	const char *level;
	const char *end;			/* as in the journal */
	bool		block;
	bool		snapshot;		/* taken before the call */
	bool		savepoint;
	bool		keep;			/* commit, and no roll back to the savepoint */
	useconds_t	linger;			/* wait so long before the commit, and with the
								 * snapshot before the call */
} Frame;

/* xorshift64* */
uint64_t
choose(Client *client, uint64_t limit)
{
	client->random ^= client->random >> 12;
	client->random ^= client->random << 25;
	client->random ^= client->random >> 27;
	return (client->random * UINT64_C(2685821657736338717) >> 32) % limit;
}

void
call_name(const Client *client, char name[NAME_MAX_LEN])
{
	snprintf(name, NAME_MAX_LEN, "%d-%" PRId64, client->number, client->calls + 1);
}

static void
disconnect(Client *client)
{
	PQfinish(client->conn);
	client->conn = NULL;
	client->progress->backend = 0;
}

/* Judges a result, and frees it; sqlstate is left alone where there is none. */
static Reply
judge(Client *client, PGresult *result, char sqlstate[6])
{
	ExecStatusType status = PQresultStatus(result);
	const char *code = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
	Reply		reply = DONE;

	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
	{
		reply = REFUSED;
		if (code != NULL)
			snprintf(sqlstate, 6, "%s", code);
		if (code == NULL || severity == NULL || strcmp(severity, "ERROR") != 0 ||
			PQstatus(client->conn) != CONNECTION_OK)
			reply = BROKEN;
	}
	PQclear(result);
	if (reply == BROKEN)
		disconnect(client);
	return reply;
}

static Reply
run(Client *client, const char *sql, char sqlstate[6])
{
	return judge(client, PQexec(client->conn, sql), sqlstate);
}

static void
ignore_notice(void *arg, const char *message)
{
	(void) arg;
	(void) message;
}

/* False when the server is not there, or goes away again. */
static bool
try_to_connect(Client *client)
{
	char		sqlstate[6];
	char		sql[80];

	client->conn = PQconnectdb("");
	if (client->conn == NULL)
		die("could not allocate memory");
	if (PQstatus(client->conn) != CONNECTION_OK)
	{
		disconnect(client);
		return false;
	}
	PQsetNoticeProcessor(client->conn, ignore_notice, NULL);
	client->level = levels[choose(client, 3)];
	snprintf(sql, sizeof(sql), "SET default_transaction_isolation = '%s'",
			 client->level);
	if (run(client, sql, sqlstate) != DONE)
	{
		if (client->conn != NULL)
			disconnect(client);
		return false;
	}
	client->prepared = 0;
	client->progress->backend = PQbackendPID(client->conn);
	return true;
}

/* Prepares the statement of an operation once.  False when that must be repeated. */
static bool
prepare(Client *client, Operation operation)
{
	char		sqlstate[6];

	if (client->prepared & 1 << operation)
		return true;
	if (judge(client, PQprepare(client->conn, operations[operation].name,
								operations[operation].sql, 0, NULL), sqlstate) != DONE)
		return false;
	client->prepared |= 1 << operation;
	return true;
}

static void
connect_again(Client *client)
{
	int			attempts = 0;

	while (client->conn == NULL && !try_to_connect(client))
	{
		if (++attempts > RECONNECT_ATTEMPTS)
			die("the server does not come back");
		usleep(RECONNECT_PAUSE);
	}
}

/*
 * Often not at all, at times milliseconds, in which others may come, and rarely for
 * longer than sctoken.lock_timeout.
 */
static useconds_t
choose_linger(Client *client)
{
	uint64_t	lot = choose(client, 1000);

	if (lot < 150)
		return (useconds_t) (1000 + choose(client, 2000));
	return lot < 152 ? 600000 : 0;
}

/* Most calls are made as a careful caller makes them. */
static void
choose_frame(Client *client, Frame *frame)
{
	uint64_t	end = choose(client, 100);

	memset(frame, 0, sizeof(Frame));
	frame->keep = true;
	frame->end = "auto";
	frame->level = client->level;
	if (client->auditing || choose(client, 100) < 40)
		return;

	frame->block = true;
	frame->level = levels[choose(client, 3)];
	frame->snapshot = choose(client, 2) == 0;
	frame->linger = choose_linger(client);
	frame->savepoint = end >= 84 && end < 94;
	frame->keep = end < 89;
	if (end < 84)
		frame->end = "commit";
	else if (end < 89)
		frame->end = "release";
	else if (end < 94)
		frame->end = "undo";
	else
		frame->end = "rollback";
}

static void
linger(const Frame *frame)
{
	if (frame->linger > 0)
		usleep(frame->linger);
}

/* No transaction is left open, also where its end was cancelled. */
static void
tidy_up(Client *client)
{
	char		sqlstate[6];

	while (client->conn != NULL && PQtransactionStatus(client->conn) != PQTRANS_IDLE)
		(void) run(client, "ROLLBACK", sqlstate);
}

/* What comes before the call.  False when it must be begun again. */
static bool
begin(Client *client, const Call *call, const Frame *frame)
{
	char		sqlstate[6];
	char		sql[200];

	if (!frame->block)
		return true;
	snprintf(sql, sizeof(sql), "BEGIN ISOLATION LEVEL %s%s%s%s", frame->level,
			 call->async ? "; SET LOCAL synchronous_commit = off" : "",
			 frame->snapshot ? "; SELECT" : "",
			 frame->savepoint ? "; SAVEPOINT s" : "");
	if (run(client, sql, sqlstate) != DONE)
	{
		tidy_up(client);
		return false;
	}
	if (frame->snapshot)
		linger(frame);
	return true;
}

static const char *
or_dash(const char *word)
{
	return word == NULL || *word == '\0' ? "-" : word;
}

static void
write_intent(Client *client, const Call *call, const Frame *frame)
{
	fprintf(client->journal,
			">\t%s\t%" PRId64 "\t%s\t%d\t%s\t%s\t%" PRId64 "\t%s\t%s"
			"\t%s\t%" PRId64 "\t%.*s\t%s\t%s\n",
			call->name, now_us(), operations[call->operation].name, call->subject,
			or_dash(call->client_id), or_dash(call->family),
			call->token.generation, or_dash(call->token.id), or_dash(call->with),
			or_dash(call->proof.jti), call->proof.made_at,
			(int) strcspn(frame->level, " "), frame->level, frame->end,
			call->async ? "async" : "sync");
}

static void
write_answer(Client *client, const Call *call, int64_t at, const char *status,
			 const char *sqlstate, const char *reason)
{
	fprintf(client->journal,
			"<\t%s\t%" PRId64 "\t%s\t%s\t%s\t%s\t%s\t%" PRId64 "\t%s\n",
			call->name, at, status, or_dash(sqlstate), or_dash(call->outcome),
			or_dash(reason), or_dash(call->answered_family),
			call->answered.generation, or_dash(call->answered.id));
}

/* Fills the parameters of the call's statement. */
static void
fill_params(const Call *call, const char *params[PARAMS_MAX], char *cnf, char *subject,
			char *generation)
{
	const char *proof = call->proof.jti[0] != '\0' ? call->proof.text : NULL;
	const char *given = NULL;

	sprintf(subject, "subject %d", call->subject);
	sprintf(generation, "%" PRId64, call->token.generation);
	if (call->jkt != NULL)
	{
		sprintf(cnf, "{\"jkt\": \"%s\"}", call->jkt);
		given = cnf;
	}
	switch (call->operation)
	{
		case ISSUE:
			params[0] = call->client_id;
			params[1] = subject;
			params[2] = given;
			params[3] = call->name;
			params[4] = proof;
			params[5] = TOKEN_URL;
			break;
		case ROTATE:
			params[0] = call->token.text;
			params[1] = call->client_id;
			params[2] = given;
			params[3] = proof;
			params[4] = TOKEN_URL;
			break;
		case REVOKE:
			params[0] = call->token.text;
			params[1] = call->client_id;
			params[2] = call->name;
			break;
		case REVOKE_FAMILY:
			params[0] = call->family;
			params[1] = call->name;
			break;
		case REVOKE_SUBJECT:
			params[0] = subject;
			params[1] = call->name;
			break;
		case INTROSPECT:
			params[0] = call->token.text;
			break;
		case FAMILY_ACTIVE:
			params[0] = call->family;
			break;
		case CONFIRM:
			params[0] = call->family;
			params[1] = generation;
			break;
		case DPOP_CHECK:
			params[0] = proof;
			params[1] = call->proof.api ? "GET" : "POST";
			params[2] = call->proof.api ? API_URL : TOKEN_URL;
			params[3] = call->proof.api ? "api" : "as";
			break;
	}
}

/* The answer's columns; reason is only for the journal. */
static void
read_answer(PGresult *result, Call *call, char reason[64])
{
	if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1)
		return;
	snprintf(call->outcome, sizeof(call->outcome), "%s", PQgetvalue(result, 0, 0));
	snprintf(reason, 64, "%s", PQgetvalue(result, 0, 1));
	snprintf(call->answered_family, sizeof(call->answered_family), "%s",
			 PQgetvalue(result, 0, 2));
	call->answered.generation = atoll(PQgetvalue(result, 0, 3));
	if (PQgetisnull(result, 0, 4))
		return;
	if (!token_parse(PQgetvalue(result, 0, 4), &call->answered))
		die("the server gave a token that is none");
	if (call->answered.generation != atoll(PQgetvalue(result, 0, 3)))
		die("the server gave a token of another generation than it says");
}

/* The end of the transaction block after an answer.  Gives the status. */
static const char *
end(Client *client, const Frame *frame, char sqlstate[6])
{
	Reply		reply;

	linger(frame);
	if (!frame->keep)
	{
		(void) run(client, frame->savepoint ?
				   "ROLLBACK TO SAVEPOINT s; COMMIT" : "ROLLBACK", sqlstate);
		return "undone";
	}
	reply = run(client, frame->savepoint ?
				"RELEASE SAVEPOINT s; COMMIT" : "COMMIT", sqlstate);
	if (reply == BROKEN)
		return "lost";
	return reply == DONE ? "committed" : "failed";
}

void
call_run(Client *client, Call *call)
{
	Frame		frame;
	const char *params[PARAMS_MAX];
	char		cnf[JKT_LEN + 16];
	char		subject[32];
	char		generation[32];
	char		sqlstate[6] = "";
	char		reason[64] = "";
	const char *status;
	PGresult   *result;

	call_name(client, call->name);
	client->calls++;
	do
	{
		connect_again(client);
		choose_frame(client, &frame);
		if (call->async && !frame.block)
		{
			frame.block = true;
			frame.end = "commit";
		}
	}
	while (!prepare(client, call->operation) || !begin(client, call, &frame));

	fill_params(call, params, cnf, subject, generation);
	write_intent(client, call, &frame);
	result = PQexecPrepared(client->conn, operations[call->operation].name,
							operations[call->operation].params, params,
							NULL, NULL, 0);
	read_answer(result, call, reason);
	switch (judge(client, result, sqlstate))
	{
		case DONE:
			status = frame.block ? end(client, &frame, sqlstate) : "committed";
			break;
		case BROKEN:
			status = frame.block ? "cut" : "lost";
			break;
		default:
			status = "failed";
			break;
	}
	write_answer(client, call, now_us(), status, sqlstate, reason);
	call->committed = strcmp(status, "committed") == 0;
	tidy_up(client);

	client->progress->calls++;
	if (call->operation == ROTATE && call->committed &&
		strcmp(call->outcome, "rotated") == 0)
		client->progress->rotations++;
}
