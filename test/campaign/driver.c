/*
 * driver.c
 *		The clients of the campaign: processes that use sctoken in every way that is
 *		allowed and in many that are not, and write down what they are answered.
 *
 * usage: driver CLIENTS PLACES SEED FOLDER [MIX]
 *
 * Connects as the environment of libpq says.  PLACES is the number of families that
 * are alive at a time, four of each subject.  FOLDER gets a file "progress" and a
 * journal of each client.  Ends after SIGTERM, with an audit of what is left; the
 * server must be up for that.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../client/proof.h"
#include "acts.h"

#define CLIENTS_MAX		500

/* Shared by all processes, each of which looks between two calls. */
static volatile sig_atomic_t *stopped;

static void
stop(int signal_number)
{
	(void) signal_number;
	*stopped = 1;
}

static _Noreturn void
client_main(int number, int clients, uint64_t seed)
{
	Client		client = {.number = number};
	char		path[32];

	/* far apart, and never zero */
	client.random = (seed + 1) * UINT64_C(0x9e3779b97f4a7c15) +
		(uint64_t) (number + 1) * UINT64_C(0xbf58476d1ce4e5b9);
	if (client.random == 0)
		client.random = 1;
	client.progress = world_progress(number);
	snprintf(path, sizeof(path), "journal.%03d", number);
	client.journal = fopen(path, "w");
	if (client.journal == NULL || setvbuf(client.journal, NULL, _IOLBF, 4096) != 0)
		die(path);

	acts_begin(&client, clients);
	while (!*stopped)
		acts_next(&client, clients);
	acts_audit(&client, clients);
	if (ferror(client.journal) || fclose(client.journal) != 0)
		die(path);
	exit(0);
}

/* Waits for all clients; when one fails the others end too.  Gives a status. */
static int
wait_for(int clients)
{
	int			result = 0;
	int			status;

	for (int left = clients; left > 0;)
	{
		if (waitpid(-1, &status, 0) < 0)
			continue;
		left--;
		if (status != 0)
		{
			fprintf(stderr, "driver: a client ended with status %d\n", status);
			result = 1;
			*stopped = 1;
		}
	}
	return result;
}

int
main(int argc, char **argv)
{
	int			clients = argc > 1 ? atoi(argv[1]) : 0;
	int			places = argc > 2 ? atoi(argv[2]) : 0;
	uint64_t	seed = argc > 3 ? strtoull(argv[3], NULL, 10) : 0;

	if (argc < 5 || argc > 6 || clients < 1 || clients > CLIENTS_MAX ||
		places < 1 || chdir(argv[4]) != 0)
		die("usage: driver CLIENTS PLACES SEED FOLDER [MIX]");
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	acts_mix(argc > 5 ? argv[5] : NULL);
	world_make(clients, places, (places + 3) / 4, "progress");

	stopped = mmap(NULL, sizeof(*stopped), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (stopped == MAP_FAILED)
		die("could not share memory");
	signal(SIGTERM, stop);
	for (int i = 0; i < clients; i++)
	{
		pid_t		pid = fork();

		if (pid < 0)
			die("could not fork");
		if (pid == 0)
		{
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			client_main(i, clients, seed);
		}
	}
	return wait_for(clients);
}
