/*
 * load.c
 *		Clients of the database, timed: sctoken, what it is compared with, and the
 *		least that anyone could do.
 *
 * usage:
 *		load KIND SECONDS CLIENTS [FAMILIES]	each client on families of its own
 *		load grow KIND SECONDS MAX				1, 10, 100 .. MAX families, one client
 *		load age KIND ROTATIONS					one family, however old
 *
 * KIND:
 *		floor	one prepared UPDATE by primary key of a row as wide as a family's
 *		rotate	sctoken.rotate()
 *		rival	rival.rotate(), see rival_plpgsql.sql
 *		hot		sctoken.rotate(), all clients with one family
 *
 * The tokens stay in this process.  What is printed, a line each:
 *		timed	calls a second, microseconds of backend CPU, bytes of WAL and bytes of
 *				tables and indexes a call, microseconds at the median, at 99 % and at
 *				the most
 *		grow	families, and as above: CPU, median, 99 %
 *		age		rotations, CPU and median of the last thousand, bytes of the tables,
 *				CPU of a revocation (which is rolled back), at the median
 */
#include <libpq-fe.h>
#include <math.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FAMILIES	500			/* of each client */
#define TOKEN_MAX	160
#define MAX_CLIENTS	256
#define BATCH		500			/* families made in one transaction */
#define LAST		1000		/* rotations that "age" looks at */
#define REVOCATIONS	201

/* Latencies: each bucket is 2 % wider than the one before it. */
#define BUCKETS		1200
#define BUCKET_STEP	1.02

/* Tokens of the hot family that its clients may still be reading */
#define HOT_TOKENS	64

typedef char Token[TOKEN_MAX];	/* or the id of a row */

typedef struct Kind
{
	const char *name;
	const char *issue;			/* $1 families; gives the token of each */
	const char *call;			/* $1 token; what it gives is outcome and token */
	const char *revoke;			/* $1 token */
	const char *tables;			/* the schema whose growth counts */
	int			takes_random;	/* $2 32 bytes, and nothing is given */
	int			hot;
} Kind;

#define SCTOKEN(client) \
	.issue = "SELECT (sctoken.issue('" client "', 'subject', 'openid profile'))" \
	".refresh_token FROM generate_series(1, $1::integer)", \
	.call = "SELECT outcome, refresh_token FROM sctoken.rotate($1, '" client "')", \
	.revoke = "SELECT sctoken.revoke_family(sctoken.token_family_id($1), 'bench')", \
	.tables = "sctoken"

static const Kind kinds[] = {
	{
		.name = "floor",
		.issue = "INSERT INTO bench.floor SELECT gen_random_uuid(), now(), now(),"
		" 'bench', 'subject', NULL, NULL, 'openid profile', NULL, NULL, NULL, NULL,"
		" NULL, 1, now(), 0, 0, sha256('a'), '\\x0123456789abcdef', sha256('b')"
		" FROM generate_series(1, $1::integer) RETURNING id",
		.call = "UPDATE bench.floor SET generation = generation + 1,"
		" rotated_at = clock_timestamp(), secret_hash = $2 WHERE id = $1",
		.tables = "bench",
		.takes_random = 1
	},
	{.name = "rotate", SCTOKEN("bench")},
	{
		.name = "rival",
		.issue = "SELECT rival.issue('bench', 'subject', 'openid profile')"
		" FROM generate_series(1, $1::integer)",
		.call = "SELECT outcome, refresh_token FROM rival.rotate($1, 'bench')",
		.revoke = "SELECT rival.revoke($1, 'bench')",
		.tables = "rival"
	},
	{.name = "hot", SCTOKEN("hot"), .hot = 1}
};

/* What a client tells its parent. */
typedef struct Result
{
	double		calls;
	double		seconds;
	double		cpu_us;			/* of its backend, in total */
	double		max_us;
	unsigned	latencies[BUCKETS];
} Result;

/* Memory that all clients share. */
typedef struct Shared
{
	Result		results[MAX_CLIENTS];
	volatile unsigned hot;		/* the current one of: */
	Token		hot_tokens[HOT_TOKENS];
} Shared;

static Shared *shared;

static void
die(const char *what)
{
	fprintf(stderr, "load: %s\n", what);
	exit(1);
}

static double
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/*
 * The database
 */

static PGconn *
connect_db(void)
{
	PGconn	   *conn = PQconnectdb("");

	if (PQstatus(conn) != CONNECTION_OK)
		die(PQerrorMessage(conn));
	return conn;
}

static PGresult *
check(PGconn *conn, PGresult *result)
{
	if (PQresultStatus(result) != PGRES_TUPLES_OK &&
		PQresultStatus(result) != PGRES_COMMAND_OK)
		die(PQerrorMessage(conn));
	return result;
}

/* The only value of a query with one parameter, or none (NULL). */
static double
number(PGconn *conn, const char *sql, const char *parameter)
{
	PGresult   *result = check(conn, PQexecParams(conn, sql, parameter != NULL,
												  NULL, &parameter, NULL, NULL, 0));
	double		value = atof(PQgetvalue(result, 0, 0));

	PQclear(result);
	return value;
}

static double
wal_position(PGconn *conn)
{
	return number(conn, "SELECT pg_current_wal_insert_lsn() - '0/0'", NULL);
}

/* Bytes of the tables of a kind, with their indexes. */
static double
table_size(PGconn *conn, const Kind *kind)
{
	return number(conn, "SELECT sum(pg_total_relation_size(oid)) FROM pg_class"
				  " WHERE relnamespace = $1::regnamespace AND relkind = 'r'",
				  kind->tables);
}

/* Microseconds of CPU that a backend has used. */
static double
backend_cpu(PGconn *conn)
{
	char		path[64];
	FILE	   *file;
	unsigned long long ns = 0;

	snprintf(path, sizeof(path), "/proc/%d/schedstat", PQbackendPID(conn));
	file = fopen(path, "r");
	if (file == NULL || fscanf(file, "%llu", &ns) != 1)
		die("could not read /proc/PID/schedstat");
	fclose(file);
	return ns / 1e3;
}

/* Makes families and gives their tokens. */
static void
issue(PGconn *conn, const Kind *kind, Token *tokens, long count)
{
	while (count > 0)
	{
		char		batch[16];
		const char *values[1] = {batch};
		PGresult   *result;
		int			n;

		snprintf(batch, sizeof(batch), "%ld", count < BATCH ? count : BATCH);
		result = check(conn, PQexecParams(conn, kind->issue, 1, NULL, values,
										  NULL, NULL, 0));
		n = PQntuples(result);
		for (int i = 0; i < n; i++)
			snprintf(*tokens++, TOKEN_MAX, "%s", PQgetvalue(result, i, 0));
		count -= n;
		PQclear(result);
	}
}

static void
prepare(PGconn *conn, const Kind *kind)
{
	PQclear(check(conn, PQprepare(conn, "call", kind->call, 0, NULL)));
}

/* One call, which leaves its new token in the old one's place. */
static void
call(PGconn *conn, const Kind *kind, Token token)
{
	unsigned char random[32];
	const char *values[2] = {token, (char *) random};
	int			lengths[2] = {0, sizeof(random)};
	int			formats[2] = {0, 1};
	PGresult   *result;

	if (kind->takes_random)
		RAND_bytes(random, sizeof(random));
	result = check(conn, PQexecPrepared(conn, "call", kind->takes_random ? 2 : 1,
										values, lengths, formats, 0));
	if (!kind->takes_random)
	{
		if (strcmp(PQgetvalue(result, 0, 0), "rotated") == 0)
			snprintf(token, TOKEN_MAX, "%s", PQgetvalue(result, 0, 1));
		else if (!kind->hot)
			die(PQgetvalue(result, 0, 0));
	}
	PQclear(result);
}

/* The token that the clients of the hot family share: who rotates it, tells. */
static void
call_hot(PGconn *conn, const Kind *kind)
{
	Token		before;
	Token		token;

	memcpy(before, shared->hot_tokens[shared->hot % HOT_TOKENS], TOKEN_MAX);
	memcpy(token, before, TOKEN_MAX);
	call(conn, kind, token);
	if (strcmp(before, token) != 0)
	{
		memcpy(shared->hot_tokens[(shared->hot + 1) % HOT_TOKENS], token, TOKEN_MAX);
		__sync_synchronize();
		shared->hot++;
	}
}

/*
 * Latencies
 */

static void
note_latency(Result *result, double us)
{
	int			bucket = us <= 1 ? 0 : (int) (log(us) / log(BUCKET_STEP));

	if (us > result->max_us)
		result->max_us = us;
	result->latencies[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
	result->calls++;
}

static double
percentile(const Result *result, double share)
{
	double		seen = 0;

	for (int i = 0; i < BUCKETS; i++)
	{
		seen += result->latencies[i];
		if (seen >= share * result->calls)
			return pow(BUCKET_STEP, i + 0.5);
	}
	return result->max_us;
}

static int
compare_doubles(const void *a, const void *b)
{
	double		x = *(const double *) a;
	double		y = *(const double *) b;

	return (x > y) - (x < y);
}

static double
median(double *values, int count)
{
	qsort(values, count, sizeof(double), compare_doubles);
	return values[count / 2];
}

/*
 * Many clients for some seconds
 */

static void
client_run(const Kind *kind, double seconds, long families, int ready, int go,
		   Result *result)
{
	PGconn	   *conn = connect_db();
	Token	   *tokens = malloc(families * sizeof(Token));
	double		start;
	double		cpu;
	char		byte = 0;

	prepare(conn, kind);
	if (!kind->hot)
	{
		issue(conn, kind, tokens, families);
		for (long i = 0; i < families; i++)
			call(conn, kind, tokens[i]);
	}
	if (write(ready, &byte, 1) != 1 || read(go, &byte, 1) != 1)
		die("lost the parent");
	cpu = backend_cpu(conn);
	start = now();
	for (long i = 0; now() - start < seconds; i = (i + 1) % families)
	{
		double		before = now();

		if (kind->hot)
			call_hot(conn, kind);
		else
			call(conn, kind, tokens[i]);
		note_latency(result, (now() - before) * 1e6);
	}
	result->seconds = now() - start;
	result->cpu_us = backend_cpu(conn) - cpu;
	PQfinish(conn);
	exit(0);
}

static void
run_clients(const Kind *kind, double seconds, int clients, long families)
{
	int			ready[2];
	int			go[2];
	PGconn	   *conn;
	Result		all = {0};
	double		wal;
	double		size;
	double		tps = 0;
	char		byte = 0;
	int			status;

	if (pipe(ready) != 0 || pipe(go) != 0)
		die("pipe failed");
	if (kind->hot)
	{
		conn = connect_db();
		issue(conn, kind, &shared->hot_tokens[0], 1);
		PQfinish(conn);
	}
	for (int i = 0; i < clients; i++)
	{
		if (fork() == 0)
			client_run(kind, seconds, families, ready[1], go[0],
					   &shared->results[i]);
	}
	close(ready[1]);
	conn = connect_db();
	for (int i = 0; i < clients; i++)
	{
		if (read(ready[0], &byte, 1) != 1)
			die("a client failed");
	}
	size = table_size(conn, kind);
	wal = wal_position(conn);
	for (int i = 0; i < clients; i++)
	{
		if (write(go[1], &byte, 1) != 1)
			die("a client failed");
	}
	for (int i = 0; i < clients; i++)
	{
		if (wait(&status) < 0 || status != 0)
			die("a client failed");
	}
	wal = wal_position(conn) - wal;
	size = table_size(conn, kind) - size;
	PQfinish(conn);
	for (int i = 0; i < clients; i++)
	{
		const Result *one = &shared->results[i];

		tps += one->calls / one->seconds;
		all.calls += one->calls;
		all.cpu_us += one->cpu_us;
		if (one->max_us > all.max_us)
			all.max_us = one->max_us;
		for (int j = 0; j < BUCKETS; j++)
			all.latencies[j] += one->latencies[j];
	}
	printf("%.0f %.2f %.0f %.1f %.0f %.0f %.0f\n", tps, all.cpu_us / all.calls,
		   wal / all.calls, size / all.calls, percentile(&all, 0.5),
		   percentile(&all, 0.99), all.max_us);
}

/*
 * Growth
 */

/* Calls of families chosen at random, so that no cache knows the next one. */
static void
grow(const Kind *kind, double seconds, long max)
{
	PGconn	   *conn = connect_db();
	Token	   *tokens = malloc(max * sizeof(Token));
	long		made = 0;

	prepare(conn, kind);
	srandom(1);
	for (long size = 1; size <= max; size *= 10)
	{
		Result		result = {0};
		double		start;
		double		cpu;

		issue(conn, kind, tokens + made, size - made);
		made = size;
		PQclear(check(conn, PQexec(conn, "CHECKPOINT")));
		for (int i = 0; i < 2000; i++)
			call(conn, kind, tokens[random() % made]);
		start = now();
		cpu = backend_cpu(conn);
		while (now() - start < seconds)
		{
			char	   *token = tokens[random() % made];
			double		before = now();

			call(conn, kind, token);
			note_latency(&result, (now() - before) * 1e6);
		}
		cpu = (backend_cpu(conn) - cpu) / result.calls;
		printf("%ld %.2f %.0f %.0f\n", made, cpu, percentile(&result, 0.5),
			   percentile(&result, 0.99));
		fflush(stdout);
	}
	PQfinish(conn);
}

/* Microseconds of CPU of a revocation that is taken back. */
static double
revoke_cpu(PGconn *conn, const char *token)
{
	static double spent[REVOCATIONS];
	const char *values[1] = {token};

	for (int i = 0; i < REVOCATIONS; i++)
	{
		double		cpu;

		PQclear(check(conn, PQexec(conn, "BEGIN")));
		cpu = backend_cpu(conn);
		PQclear(check(conn, PQexecPrepared(conn, "revoke", 1, values,
										   NULL, NULL, 0)));
		spent[i] = backend_cpu(conn) - cpu;
		PQclear(check(conn, PQexec(conn, "ROLLBACK")));
	}
	return median(spent, REVOCATIONS);
}

static void
age(const Kind *kind, long rotations)
{
	PGconn	   *conn = connect_db();
	Token		token;
	Token		other;
	long		done = 0;
	double		bytes;

	prepare(conn, kind);
	bytes = table_size(conn, kind);
	PQclear(check(conn, PQprepare(conn, "revoke", kind->revoke, 0, NULL)));
	issue(conn, kind, &token, 1);

	/* what a session does once must not count as the youth of the family */
	issue(conn, kind, &other, 1);
	for (int i = 0; i < LAST; i++)
		call(conn, kind, other);
	revoke_cpu(conn, other);

	for (long until = 1; until <= rotations; until *= 10)
	{
		double		spent[LAST];
		double		cpu;
		int			count = 0;

		/* what the revocations below leave behind does not count */
		bytes -= table_size(conn, kind);
		while (until - done > LAST)
		{
			call(conn, kind, token);
			done++;
		}
		cpu = backend_cpu(conn);
		do
		{
			double		before = now();

			call(conn, kind, token);
			spent[count++] = (now() - before) * 1e6;
			done++;
		} while (done < until);
		cpu = (backend_cpu(conn) - cpu) / count;
		bytes += table_size(conn, kind);
		printf("%ld %.2f %.0f %.0f ", done, cpu, median(spent, count), bytes);
		printf("%.2f\n", revoke_cpu(conn, token));
		fflush(stdout);
	}
	PQfinish(conn);
}

static const Kind *
kind_named(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
	{
		if (strcmp(kinds[i].name, name) == 0)
			return &kinds[i];
	}
	die("unknown kind of load");
	return NULL;
}

int
main(int argc, char **argv)
{
	if (argc == 5 && strcmp(argv[1], "grow") == 0)
		grow(kind_named(argv[2]), atof(argv[3]), atol(argv[4]));
	else if (argc == 4 && strcmp(argv[1], "age") == 0)
		age(kind_named(argv[2]), atol(argv[3]));
	else if (argc == 4 || argc == 5)
	{
		int			clients = atoi(argv[3]);

		if (clients < 1 || clients > MAX_CLIENTS)
			die("too many clients");
		shared = mmap(NULL, sizeof(Shared), PROT_READ | PROT_WRITE,
					  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		if (shared == MAP_FAILED)
			die("mmap failed");
		run_clients(kind_named(argv[1]), atof(argv[2]), clients,
					argc == 5 ? atol(argv[4]) : FAMILIES);
	}
	else
		die("usage: load KIND SECONDS CLIENTS [FAMILIES], load grow KIND SECONDS MAX, or load age KIND ROTATIONS");
	return 0;
}
