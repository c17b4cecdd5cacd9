/*
 * world.h
 *		What all clients of the campaign know: families with their tokens, what is
 *		being presented right now, and proofs.  It is in memory that they share, and
 *		under one lock, so that one client can steal from another.
 */
#ifndef WORLD_H
#define WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/evp.h>

#define TOKEN_LEN		106
#define ID_LEN			16		/* of a token: hex digits */
#define FAMILY_ID_LEN	36
#define JKT_LEN			43
#define NAME_MAX_LEN	32
#define PROOF_MAX		1024
#define USED_TOKENS		6		/* that are remembered of a family */

#define TOKEN_URL		"https://as.example/token"
#define API_URL			"https://api.example/orders"

/* A refresh token; generation 0: none. */
typedef struct Token
{
	int64_t		generation;
	char		text[TOKEN_LEN + 1];
	char		id[ID_LEN + 1];	/* start of SHA-256 of its secret */
} Token;

/* What comes with a token */
typedef enum With
{
	WITH_NOTHING,
	WITH_CNF,					/* the thumbprint of a key */
	WITH_PROOF					/* a proof, which rotate is to check */
} With;

/* A kind of family; the policy of the client is in Campaign.pm. */
typedef struct Kind
{
	const char *client_id;
	With		with;
	bool		bound;			/* refused with another key, or without one */
	bool		forgiving;		/* reuse does not revoke */
	int			weight;
} Kind;

extern const Kind kinds[];

/* A family as the clients know it. */
typedef struct Family
{
	bool		known;			/* false: the place is free */
	bool		taken;			/* a client is rotating it in its turn */
	bool		dead;			/* known to be revoked */
	int			afterlife;		/* uses since then */
	int			kind;
	int			subject;
	char		id[FAMILY_ID_LEN + 1];
	Token		first;
	Token		current;		/* the newest that was answered after a commit */
	Token		used[USED_TOKENS];	/* its predecessors, newest first */
	Token		doubtful;		/* answered, and not committed for certain */
} Family;

/* A proof; jti "": none. */
typedef struct Proof
{
	char		jti[NAME_MAX_LEN];
	int			subject;		/* whose family it first came with */
	bool		api;			/* for the API, not the token endpoint */
	int64_t		made_at;		/* as now_us() */
	char		text[PROOF_MAX];
} Proof;

/* A request that is on its way to the server. */
typedef struct Request
{
	bool		sent;
	int			place;
	Family		family;
	Token		token;
	Proof		proof;
} Request;

/* What the campaign reads while it runs. */
typedef struct Progress
{
	int64_t		rotations;
	int64_t		calls;
	int64_t		backend;		/* process id; 0: not connected */
} Progress;

/* Sizes, and the file for the progress of each client.  Before the first fork. */
extern void world_make(int clients, int places, int subjects,
					   const char *progress_file);
extern Progress *world_progress(int client);
extern int	world_places(void);

/* Microseconds of the monotonic clock, which all processes share. */
extern int64_t now_us(void);

/*
 * Families.  What is learned of one is dropped where another family has the place
 * by now.  pick: a copy of what is there; take: the same of one that nobody has
 * taken, false when that fails.
 */
extern void family_pick(int place, Family *family);
extern bool family_take(int place, Family *family);
extern void family_give_back(int place);
extern void family_settle(int place, const Family *family);
extern void family_learn(int place, const char *id, const Token *token);
extern void family_doubt(int place, const char *id, const Token *token);
extern void family_dead(int place, const char *id);

/* A family that lost its place after its death; false: none yet. */
extern bool grave_pick(uint64_t choice, Family *family);

/* Tokens: parsing the text gives generation and id.  false: not of our form. */
extern bool token_parse(const char *text, Token *token);

/* Another generation under the same MAC: nobody has issued this one. */
extern void token_forge(const Token *token, Token *forged);

/* Requests under way. */
extern void request_send(int client, const Request *request);
extern void request_answered(int client);
extern bool request_steal(int victim, Request *request);

/* The thumbprint of a subject's key, or of a stranger's, who has no families. */
extern const char *key_jkt(int subject, bool stranger);

/* Signs a new proof with one of these keys, and keeps it for replays. */
extern void proof_make(const char *jti, int subject, bool stranger, bool api,
					   Proof *proof);

/* One of the newest proofs, age 0 being the last; false: there are not so many. */
extern bool proof_pick(uint64_t age, Proof *proof);

#endif							/* WORLD_H */
