/*
 * world.c
 *		What all clients of the campaign know, see world.h.
 */
#define _GNU_SOURCE
#include "world.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../client/proof.h"

#define TOKEN_BYTES		72		/* behind the prefix, as doc/tokens.md has it */
#define TOKEN_PREFIX	4
#define TOKEN_TEXT		96		/* base64url of these bytes */
#define GENERATION_AT	18
#define SECRET_AT		24
#define SECRET_LEN		32

#define GRAVES			256
#define PROOFS			2048
#define AFTERLIFE		8		/* uses of a dead family before it is buried */

const Kind	kinds[] = {
	{"app", WITH_NOTHING, false, false, 30},
	{"app", WITH_CNF, true, false, 20},
	{"app", WITH_PROOF, true, false, 15},
	{"strict", WITH_NOTHING, false, false, 6},
	{"strict", WITH_PROOF, true, false, 3},
	{"capped", WITH_CNF, true, false, 8},
	{"conf", WITH_PROOF, false, false, 6},
	{"chain", WITH_NOTHING, false, false, 5},
	{"lenient", WITH_NOTHING, false, true, 7},
	{NULL, WITH_NOTHING, false, false, 0}
};

typedef struct World
{
	pthread_mutex_t lock;
	uint64_t	graves;			/* ever dug */
	uint64_t	proofs;			/* ever made */
	Family		grave[GRAVES];
	Proof		proof[PROOFS];
} World;

static World *world;
static Family *family_at;		/* by place */
static Request *request_of;		/* by client */
static Progress *progress_of;	/* likewise */
static int	place_count;

/* One more than there are subjects, the last one the stranger's. */
static EVP_PKEY **key_of;
static char (*jkt_of)[JKT_LEN + 1];
static int	subject_count;

static void *
share(size_t size, int fd)
{
	void	   *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
							  MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);

	if (memory == MAP_FAILED)
		die("could not share memory");
	return memory;
}

static void
make_key(int subject)
{
	BIO		   *jwk = text_new();
	BIO		   *jkt = text_new();
	char	   *bytes;
	long		len;

	key_of[subject] = EVP_EC_gen("P-256");
	if (key_of[subject] == NULL)
		die("could not make a key");
	put_jwk(jwk, key_of[subject]);
	len = BIO_get_mem_data(jwk, &bytes);
	put_sha256(jkt, bytes, (size_t) len);
	len = BIO_get_mem_data(jkt, &bytes);
	memcpy(jkt_of[subject], bytes, JKT_LEN);
	BIO_free(jwk);
	BIO_free(jkt);
}

void
world_make(int clients, int places, int subjects, const char *progress_file)
{
	pthread_mutexattr_t attributes;
	int			fd = open(progress_file, O_RDWR | O_CREAT | O_EXCL, 0600);

	if (fd < 0 || ftruncate(fd, clients * (off_t) sizeof(Progress)) != 0)
		die(progress_file);
	progress_of = share(clients * sizeof(Progress), fd);
	close(fd);
	world = share(sizeof(World), -1);
	family_at = share(places * sizeof(Family), -1);
	request_of = share(clients * sizeof(Request), -1);
	place_count = places;
	subject_count = subjects;

	if (pthread_mutexattr_init(&attributes) != 0 ||
		pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) != 0 ||
		pthread_mutex_init(&world->lock, &attributes) != 0)
		die("could not make a lock");

	key_of = calloc(subjects + 1, sizeof(*key_of));
	jkt_of = calloc(subjects + 1, sizeof(*jkt_of));
	if (key_of == NULL || jkt_of == NULL)
		die("could not allocate memory");
	for (int subject = 0; subject <= subjects; subject++)
		make_key(subject);
}

Progress *
world_progress(int client)
{
	return &progress_of[client];
}

int
world_places(void)
{
	return place_count;
}

int64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

static void
lock(void)
{
	if (pthread_mutex_lock(&world->lock) != 0)
		die("could not lock");
}

static void
unlock(void)
{
	pthread_mutex_unlock(&world->lock);
}

/*
 * Families
 */

void
family_pick(int place, Family *family)
{
	Family	   *here = &family_at[place];

	lock();
	if (here->dead && here->afterlife++ >= AFTERLIFE && !here->taken)
	{
		world->grave[world->graves++ % GRAVES] = *here;
		memset(here, 0, sizeof(Family));
	}
	*family = *here;
	unlock();
}

bool
family_take(int place, Family *family)
{
	Family	   *here = &family_at[place];
	bool		taken;

	family_pick(place, family);
	lock();
	taken = !here->taken;
	if (taken)
	{
		here->taken = true;
		*family = *here;
	}
	unlock();
	return taken;
}

void
family_give_back(int place)
{
	lock();
	family_at[place].taken = false;
	unlock();
}

void
family_settle(int place, const Family *family)
{
	lock();
	family_at[place] = *family;
	unlock();
}

/* The family at this place, if it still is this one.  Under the lock. */
static Family *
still_there(int place, const char *id)
{
	Family	   *here = &family_at[place];

	return here->known && strcmp(here->id, id) == 0 ? here : NULL;
}

void
family_learn(int place, const char *id, const Token *token)
{
	Family	   *here;

	lock();
	here = still_there(place, id);
	if (here != NULL && token->generation > here->current.generation)
	{
		memmove(&here->used[1], &here->used[0],
				(USED_TOKENS - 1) * sizeof(Token));
		here->used[0] = here->current;
		here->current = *token;
	}
	unlock();
}

void
family_doubt(int place, const char *id, const Token *token)
{
	Family	   *here;

	lock();
	here = still_there(place, id);
	if (here != NULL)
		here->doubtful = *token;
	unlock();
}

void
family_dead(int place, const char *id)
{
	Family	   *here;

	lock();
	here = still_there(place, id);
	if (here != NULL)
		here->dead = true;
	unlock();
}

bool
grave_pick(uint64_t choice, Family *family)
{
	uint64_t	graves;

	lock();
	graves = world->graves < GRAVES ? world->graves : GRAVES;
	if (graves > 0)
		*family = world->grave[choice % graves];
	unlock();
	return graves > 0;
}

/*
 * Tokens
 */

/* The bytes of a token's text. */
static bool
token_decode(const char *text, unsigned char bytes[TOKEN_BYTES])
{
	char		base64[TOKEN_TEXT + 1];

	if (strlen(text) != TOKEN_LEN)
		return false;
	memcpy(base64, text + TOKEN_PREFIX, TOKEN_TEXT);
	base64[TOKEN_TEXT] = '\0';
	for (char *c = base64; *c != '\0'; c++)
	{
		if (*c == '-')
			*c = '+';
		else if (*c == '_')
			*c = '/';
	}
	return EVP_DecodeBlock(bytes, (unsigned char *) base64, TOKEN_TEXT) == TOKEN_BYTES;
}

bool
token_parse(const char *text, Token *token)
{
	unsigned char bytes[TOKEN_BYTES];
	unsigned char digest[SHA256_DIGEST_LENGTH];

	if (!token_decode(text, bytes))
		return false;
	memcpy(token->text, text, TOKEN_LEN + 1);
	token->generation = 0;
	for (int i = GENERATION_AT; i < SECRET_AT; i++)
		token->generation = token->generation << 8 | bytes[i];
	SHA256(bytes + SECRET_AT, SECRET_LEN, digest);
	for (int i = 0; i < ID_LEN / 2; i++)
		snprintf(token->id + 2 * i, 3, "%02x", digest[i]);
	return true;
}

/* CRC-32 (IEEE 802.3), bit by bit. */
static uint32_t
crc32(const char *text, size_t len)
{
	uint32_t	crc = 0xffffffff;

	for (size_t i = 0; i < len; i++)
	{
		crc ^= (unsigned char) text[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
	}
	return ~crc;
}

void
token_forge(const Token *token, Token *forged)
{
	static const char digits[] =
		"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	unsigned char bytes[TOKEN_BYTES];
	BIO		   *text = text_new();
	char	   *base64;
	uint32_t	crc;

	if (!token_decode(token->text, bytes))
		die("not a token");
	bytes[SECRET_AT - 1]++;		/* of the generation */
	put_base64url(text, bytes, TOKEN_BYTES);
	(void) BIO_get_mem_data(text, &base64);

	*forged = *token;
	memcpy(forged->text + TOKEN_PREFIX, base64, TOKEN_TEXT);
	BIO_free(text);
	crc = crc32(forged->text, TOKEN_PREFIX + TOKEN_TEXT);
	for (int i = TOKEN_LEN - 1; i >= TOKEN_PREFIX + TOKEN_TEXT; i--)
	{
		forged->text[i] = digits[crc % 62];
		crc /= 62;
	}
}

/*
 * Requests and proofs
 */

void
request_send(int client, const Request *request)
{
	lock();
	request_of[client] = *request;
	request_of[client].sent = true;
	unlock();
}

void
request_answered(int client)
{
	lock();
	request_of[client].sent = false;
	unlock();
}

bool
request_steal(int victim, Request *request)
{
	lock();
	*request = request_of[victim];
	unlock();
	return request->sent;
}

const char *
key_jkt(int subject, bool stranger)
{
	return jkt_of[stranger ? subject_count : subject];
}

void
proof_make(const char *jti, int subject, bool stranger, bool api, Proof *proof)
{
	Claims		claims = {
		.htm = api ? "GET" : "POST",
		.htu = api ? API_URL : TOKEN_URL,
		.jti = jti
	};
	int64_t	made_at;
	BIO		   *text;
	char	   *bytes;
	long		len;

	/* the same moment by both clocks, also where a client waits for a processor */
	do
	{
		made_at = now_us();
		claims.iat = (long long) time(NULL);
	} while (now_us() - made_at > 1000);
	text = proof_new(key_of[stranger ? subject_count : subject], &claims);
	len = BIO_get_mem_data(text, &bytes);
	if (len >= PROOF_MAX || strlen(jti) >= NAME_MAX_LEN)
		die("a proof is too long");
	memset(proof, 0, sizeof(Proof));
	strcpy(proof->jti, jti);
	proof->subject = subject;
	proof->api = api;
	proof->made_at = made_at;
	memcpy(proof->text, bytes, (size_t) len);
	BIO_free(text);

	lock();
	world->proof[world->proofs++ % PROOFS] = *proof;
	unlock();
}

bool
proof_pick(uint64_t age, Proof *proof)
{
	bool		found;

	lock();
	found = age < PROOFS && age < world->proofs;
	if (found)
		*proof = world->proof[(world->proofs - 1 - age) % PROOFS];
	unlock();
	return found;
}
