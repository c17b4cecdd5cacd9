/*
 * acts.c
 *		What a client of the campaign does, see acts.h.
 *
 * Clients, thieves, administrators and resource servers are all the same here: each
 * process is one after the other.
 */
#define _GNU_SOURCE
#include "acts.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../client/proof.h"

static const char *const right = "right";

/* Is there a login where a family has died? */
static bool refill = true;

/* How many of a hundred revocations ask not to wait for the disk */
static int	async_share = 50;

/*
 * Calls
 */

/* Gives a call what belongs to a family's token. */
static void
call_with(Client *client, Call *call, const Family *family, const char *with)
{
	const Kind *kind = &kinds[family->kind];
	bool		stranger = strcmp(with, "stranger") == 0;
	char		jti[NAME_MAX_LEN];

	call->with = with;
	if (strcmp(with, "nothing") == 0)
		return;
	if (kind->with == WITH_CNF)
		call->jkt = key_jkt(family->subject, stranger);
	if (kind->with == WITH_PROOF)
	{
		call_name(client, jti);
		proof_make(jti, family->subject, stranger, false, &call->proof);
	}
}

/* A client that the family is not of. */
static const char *
other_client(const Family *family)
{
	return kinds[family->kind].forgiving ? "app" : "lenient";
}

static void
call_of_family(Call *call, Operation operation, const Family *family)
{
	memset(call, 0, sizeof(Call));
	call->operation = operation;
	call->subject = family->subject;
	call->client_id = kinds[family->kind].client_id;
	strcpy(call->family, family->id);
	call->with = right;
}

/* Does this answer, committed, say that the family is revoked? */
static bool
tells_of_death(const Call *call, const Family *family)
{
	switch (call->operation)
	{
		case ROTATE:
			return strcmp(call->outcome, "revoked") == 0 ||
				(strcmp(call->outcome, "reuse_detected") == 0 &&
				 !kinds[family->kind].forgiving);
		case REVOKE:
		case REVOKE_FAMILY:
			return strcmp(call->outcome, "t") == 0;
		default:
			return false;
	}
}

/* What everybody learns from the answer of a call on the family at a place. */
static void
learn(const Call *call, int place, const Family *family)
{
	if (place < 0)
		return;
	if (call->answered.text[0] != '\0')
	{
		if (call->committed)
			family_learn(place, family->id, &call->answered);
		else
			family_doubt(place, family->id, &call->answered);
	}
	else if (call->committed && tells_of_death(call, family))
		family_dead(place, family->id);
}

/* Presents a token of a family; place -1: the family has none any more. */
static void
present(Client *client, int place, const Family *family, const Token *token,
		const char *with, const Proof *proof, bool async)
{
	Call		call;
	Request		request;

	call_of_family(&call, ROTATE, family);
	call.token = *token;
	call.async = async;
	call_with(client, &call, family, with);
	if (strcmp(with, "other_client") == 0)
		call.client_id = other_client(family);
	if (proof != NULL)
		call.proof = *proof;

	if (with == right && place >= 0)
	{
		request.place = place;
		request.family = *family;
		request.token = *token;
		request.proof = call.proof;
		request_send(client->number, &request);
	}
	call_run(client, &call);
	request_answered(client->number);
	learn(&call, place, family);
}

static void
ask(Client *client, Operation operation, const Family *family, const Token *token)
{
	Call		call;

	call_of_family(&call, operation, family);
	if (token != NULL)
		call.token = *token;
	call_run(client, &call);
}

static bool
is_async(Client *client)
{
	return (int) choose(client, 100) < async_share;
}

static void
check_proof(Client *client, const Proof *proof)
{
	Call		call = {.operation = DPOP_CHECK, .subject = proof->subject};

	call.with = right;
	call.proof = *proof;
	call_run(client, &call);
}

/* A login at a free place; the family there is taken by this client. */
static void
log_in(Client *client, int place)
{
	Family		family = {.known = true};
	Call		call;
	int			total = 0;
	int			lot;

	for (const Kind *kind = kinds; kind->client_id != NULL; kind++)
		total += kind->weight;
	lot = (int) choose(client, total);
	while (lot >= kinds[family.kind].weight)
		lot -= kinds[family.kind++].weight;
	family.subject = place / 4;

	call_of_family(&call, ISSUE, &family);
	call_with(client, &call, &family, right);
	call_run(client, &call);
	if (!call.committed || strcmp(call.outcome, "issued") != 0)
	{
		family_give_back(place);
		return;
	}
	strcpy(family.id, call.answered_family);
	family.first = family.current = call.answered;
	family_settle(place, &family);
}

/*
 * Acts on the family at a place
 */

/* The family's own client goes on with the token that it has. */
static void
act_rotate(Client *client, int place, Family *family)
{
	if (!family_take(place, family))
		return;
	if (family->known)
		present(client, place, family, &family->current, right, NULL, false);
	family_give_back(place);
}

/* The predecessor again, as after a lost answer. */
static void
act_retry(Client *client, int place, Family *family)
{
	if (family->used[0].generation > 0)
		present(client, place, family, &family->used[0], right, NULL, false);
}

/* A token that is older than the predecessor. */
static void
act_reuse(Client *client, int place, Family *family)
{
	const Token *old = &family->used[1 + choose(client, USED_TOKENS - 1)];

	if (old->generation == 0)
		old = &family->first;
	if (old->generation + 2 <= family->current.generation)
		present(client, place, family, old, right, NULL, is_async(client));
}

/* A token whose answer was rolled back, or did not come. */
static void
act_doubtful(Client *client, int place, Family *family)
{
	if (family->doubtful.generation > 0)
		present(client, place, family, &family->doubtful, right, NULL, false);
}

/* Somebody who has the token, and not what belongs to it. */
static void
act_wrong(Client *client, int place, Family *family)
{
	static const char *const ways[] = {
		"other_client", "forged", "stranger", "nothing"
	};
	const char *way = ways[choose(client, kinds[family->kind].bound ? 4 : 2)];
	Token		token = family->current;

	if (choose(client, 2) == 0 && family->used[0].generation > 0)
		token = family->used[0];
	if (strcmp(way, "forged") == 0)
	{
		if (choose(client, 2) == 0)
			token_forge(&token, &token);
		else
			token.text[TOKEN_LEN / 2] = token.text[TOKEN_LEN / 2] == 'x' ? 'y' : 'x';
	}
	present(client, place, family, &token, way, NULL, false);
}

static void
act_revoke(Client *client, int place, Family *family)
{
	Call		call;

	call_of_family(&call, REVOKE, family);
	call.token = choose(client, 2) == 0 ? family->first : family->current;
	call.async = is_async(client);
	if (choose(client, 5) == 0)
	{
		call.with = "other_client";
		call.client_id = other_client(family);
	}
	call_run(client, &call);
	learn(&call, place, family);
}

static void
act_revoke_family(Client *client, int place, Family *family)
{
	Call		call;

	call_of_family(&call, REVOKE_FAMILY, family);
	call.async = is_async(client);
	call_run(client, &call);
	learn(&call, place, family);
}

/* Nobody is told: the tokens of the subject's families are presented on. */
static void
act_revoke_subject(Client *client, int place, Family *family)
{
	Call		call = {.operation = REVOKE_SUBJECT, .subject = family->subject};

	(void) place;
	call.with = right;
	call.async = is_async(client);
	call_run(client, &call);
}

static void
act_introspect(Client *client, int place, Family *family)
{
	const Token *token = &family->current;
	uint64_t	lot = choose(client, 4);

	(void) place;
	if (lot == 0 && family->used[0].generation > 0)
		token = &family->used[0];
	else if (lot == 1 && family->doubtful.generation > 0)
		token = &family->doubtful;
	ask(client, INTROSPECT, family, token);
}

static void
act_family_active(Client *client, int place, Family *family)
{
	(void) place;
	ask(client, FAMILY_ACTIVE, family, NULL);
}

static void
act_confirm(Client *client, int place, Family *family)
{
	(void) place;
	ask(client, CONFIRM, family, &family->current);
}

/* A request at the API. */
static void
act_proof(Client *client, int place, Family *family)
{
	Proof		proof;
	char		jti[NAME_MAX_LEN];

	(void) place;
	call_name(client, jti);
	proof_make(jti, family->subject, false, true, &proof);
	check_proof(client, &proof);
}

/*
 * Acts on something else
 */

/* What another client has just sent, at the same time; perhaps with its proof. */
static void
act_steal(Client *client, int clients)
{
	Request		request;

	if (request_steal((int) choose(client, clients), &request))
		present(client, request.place, &request.family, &request.token, right,
				choose(client, 3) == 0 ? &request.proof : NULL, false);
}

/* A proof once more: mostly one that is on its way, or has just arrived. */
static void
act_replay(Client *client, int clients)
{
	Proof		proof;
	uint64_t	newest = choose(client, 4) == 0 ? 1000 : clients;

	if (proof_pick(choose(client, newest), &proof))
		check_proof(client, &proof);
}

/* A family that died long ago, perhaps before the last crashes. */
static void
act_grave(Client *client, int clients)
{
	Family		family;

	(void) clients;
	if (!grave_pick(choose(client, UINT32_MAX), &family))
		return;
	switch (choose(client, 4))
	{
		case 0:
			ask(client, INTROSPECT, &family, &family.current);
			break;
		case 1:
			ask(client, FAMILY_ACTIVE, &family, NULL);
			break;
		case 2:
			ask(client, CONFIRM, &family, &family.current);
			break;
		default:
			present(client, -1, &family, &family.current, right, NULL, false);
			break;
	}
}

/* The acts, and their usual shares */
static struct
{
	const char *name;
	int			share;
	void		(*on_family) (Client *client, int place, Family *family);
	void		(*on_other) (Client *client, int clients);
}			acts[] = {
	{"rotate", 900, act_rotate, NULL},
	{"steal", 80, NULL, act_steal},
	{"retry", 60, act_retry, NULL},
	{"reuse", 8, act_reuse, NULL},
	{"doubtful", 15, act_doubtful, NULL},
	{"wrong", 25, act_wrong, NULL},
	{"revoke", 4, act_revoke, NULL},
	{"revoke_family", 4, act_revoke_family, NULL},
	{"revoke_subject", 2, act_revoke_subject, NULL},
	{"introspect", 60, act_introspect, NULL},
	{"family_active", 20, act_family_active, NULL},
	{"confirm", 15, act_confirm, NULL},
	{"proof", 40, act_proof, NULL},
	{"replay", 45, NULL, act_replay},
	{"grave", 20, NULL, act_grave}
};

#define ACTS	(sizeof(acts) / sizeof(acts[0]))

void
acts_mix(const char *mix)
{
	char	   *words;
	char	   *rest = NULL;

	if (mix == NULL || *mix == '\0')
		return;
	for (size_t i = 0; i < ACTS; i++)
		acts[i].share = 0;
	refill = false;
	words = strdup(mix);
	for (char *word = strtok_r(words, ",", &rest); word != NULL;
		 word = strtok_r(NULL, ",", &rest))
	{
		char	   *equals = strchr(word, '=');
		bool		found = false;

		if (equals == NULL)
			die("a mix is NAME=SHARE,...");
		*equals = '\0';
		if (strcmp(word, "login") == 0)
		{
			refill = atoi(equals + 1) > 0;
			found = true;
		}
		else if (strcmp(word, "async") == 0)
		{
			async_share = atoi(equals + 1);
			found = true;
		}
		for (size_t i = 0; i < ACTS; i++)
		{
			if (strcmp(word, acts[i].name) == 0)
			{
				acts[i].share = atoi(equals + 1);
				found = true;
			}
		}
		if (!found)
			die("a mix names an unknown act");
	}
	free(words);
}

void
acts_begin(Client *client, int clients)
{
	Family		family;

	for (int place = client->number; place < world_places(); place += clients)
	{
		if (family_take(place, &family))
			log_in(client, place);
	}
}

/* One act on the family at a random place; a login where there is none. */
static void
act_on_family(Client *client, size_t act)
{
	int			place = (int) choose(client, world_places());
	Family		family;

	family_pick(place, &family);
	if (family.known && (refill || !family.dead))
		acts[act].on_family(client, place, &family);
	else if (refill && family_take(place, &family))
	{
		if (family.known)
			family_give_back(place);
		else
			log_in(client, place);
	}
}

void
acts_next(Client *client, int clients)
{
	int			total = 0;
	int			lot;
	size_t		act = 0;

	for (size_t i = 0; i < ACTS; i++)
		total += acts[i].share;
	lot = (int) choose(client, total);
	while (lot >= acts[act].share)
		lot -= acts[act++].share;
	if (acts[act].on_family != NULL)
		act_on_family(client, act);
	else
		acts[act].on_other(client, clients);
}

/*
 * What is left must be as the answers said: the last token works, or gives what was
 * lost; the first one ends the family.
 */
static void
audit_family(Client *client, int place)
{
	Family		family;

	family_pick(place, &family);
	if (!family.known)
		return;
	ask(client, FAMILY_ACTIVE, &family, NULL);
	ask(client, INTROSPECT, &family, &family.current);
	if (family.used[0].generation > 0)
		ask(client, INTROSPECT, &family, &family.used[0]);
	if (family.doubtful.generation > 0)
	{
		ask(client, INTROSPECT, &family, &family.doubtful);
		present(client, place, &family, &family.doubtful, right, NULL, false);
	}
	present(client, place, &family, &family.current, right, NULL, false);
	family_pick(place, &family);
	if (!family.known)
		return;
	ask(client, INTROSPECT, &family, &family.current);
	if (family.first.generation + 2 > family.current.generation)
		return;
	present(client, place, &family, &family.first, right, NULL, true);
	ask(client, INTROSPECT, &family, &family.current);
	present(client, place, &family, &family.current, right, NULL, false);
}

void
acts_audit(Client *client, int clients)
{
	Proof		proof;

	client->auditing = true;
	for (int age = client->number; proof_pick(age, &proof); age += clients)
		check_proof(client, &proof);
	for (int place = client->number; place < world_places(); place += clients)
		audit_family(client, place);
}
