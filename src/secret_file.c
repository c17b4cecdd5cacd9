/*
 * secret_file.c
 *		The server's secrets in a file, see secret_file.h.
 *
 * What the file holds goes nowhere but to the caller: the buffers are wiped before
 * any error is raised, and an error gives the number of a line at most, not the
 * path, which is for superusers.
 */
#include "sctoken.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base64.h"
#include "storage/fd.h"
#include "utils/timestamp.h"

#include "core/crypto.h"
#include "secret_file.h"

/* Bytes; 256 lines and as many comments have room */
#define FILE_MAX_LEN	65536

/* base64 of a secret */
#define SECRET_TEXT_LEN	44

/* What is wrong with a file that could be read */
typedef enum FileFault
{
	FILE_SOUND,
	FILE_MALFORMED_LINE,
	FILE_ID_TWICE,
	FILE_TWO_CURRENT,
	FILE_NO_CURRENT
} FileFault;

/* The file that was read last, and when the configuration was loaded then */
static struct stat read_stat;
static TimestampTz read_at_load = 0;
static bool was_read = false;

bool
sct_secret_file_is_set(void)
{
	return sct_secret_file != NULL && sct_secret_file[0] != '\0';
}

/*
 * PostgreSQL notes when it has loaded its configuration, in each process and
 * before the next statement runs, also where the settings did not change.
 */
bool
sct_secret_file_is_stale(void)
{
	return !was_read || read_at_load != PgReloadTime;
}

bool
sct_secret_file_is_replaced(void)
{
	struct stat now;

	return was_read && stat(sct_secret_file, &now) == 0 &&
		(now.st_dev != read_stat.st_dev || now.st_ino != read_stat.st_ino ||
		 now.st_size != read_stat.st_size ||
		 now.st_mtim.tv_sec != read_stat.st_mtim.tv_sec ||
		 now.st_mtim.tv_nsec != read_stat.st_mtim.tv_nsec);
}

/* The rules of PostgreSQL for private keys. */
static void
check_permissions(const struct stat *st)
{
	if (!S_ISREG(st->st_mode))
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("what sctoken.secret_file names is not a regular file")));
	if (st->st_uid != geteuid() && st->st_uid != 0)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("the file that sctoken.secret_file names must be owned by the database user or root"),
				 errhint("Change its owner with chown.")));
	if ((st->st_uid == geteuid() && (st->st_mode & (S_IRWXG | S_IRWXO)) != 0) ||
		(st->st_uid != geteuid() &&
		 (st->st_mode & (S_IWGRP | S_IXGRP | S_IRWXO)) != 0))
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("the file that sctoken.secret_file names has group or world access"),
				 errhint("It must have permissions u=rw (0600) or less if owned by the database user, or u=rw,g=r (0640) or less if owned by root.")));
}

/* Reads the whole file; *len is its length. */
static void
read_file(char *buf, size_t *len)
{
	/* O_NONBLOCK: a FIFO would keep us, and no signal would help */
	int			fd = OpenTransientFile(sct_secret_file, O_RDONLY | O_NONBLOCK | PG_BINARY);
	struct stat st;
	ssize_t		n;

	if (fd < 0 || fstat(fd, &st) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not open the file that sctoken.secret_file names: %m")));
	check_permissions(&st);
	*len = 0;
	while ((n = read(fd, buf + *len, FILE_MAX_LEN + 1 - *len)) > 0)
		*len += (size_t) n;
	if (n < 0)
	{
		int			read_errno = errno;

		sct_crypto_cleanse(buf, FILE_MAX_LEN + 1);
		errno = read_errno;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read the file that sctoken.secret_file names: %m")));
	}
	CloseTransientFile(fd);
	if (*len > FILE_MAX_LEN)
	{
		sct_crypto_cleanse(buf, FILE_MAX_LEN + 1);
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("the file that sctoken.secret_file names is longer than %d bytes",
						FILE_MAX_LEN)));
	}
	read_stat = st;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

/* The next word of a line; its length, 0 at the end. */
static size_t
next_word(const char **p, const char *end, const char **word)
{
	while (*p < end && is_blank(**p))
		(*p)++;
	*word = *p;
	while (*p < end && !is_blank(**p))
		(*p)++;
	return (size_t) (*p - *word);
}

static bool
word_is(const char *word, size_t len, const char *what)
{
	return len == strlen(what) && memcmp(word, what, len) == 0;
}

/* A key id in decimal, without leading zeros; -1 for anything else. */
static int
parse_id(const char *word, size_t len)
{
	int			id = 0;

	if (len < 1 || len > 3 || (word[0] == '0' && len > 1))
		return -1;
	for (size_t i = 0; i < len; i++)
	{
		if (word[i] < '0' || word[i] > '9')
			return -1;
		id = id * 10 + (word[i] - '0');
	}
	return id <= SECRET_MAX_ID ? id : -1;
}

static FileFault
parse_line(const char *p, const char *end, FileSecret *secrets, int *current)
{
	const char *word;
	size_t		len = next_word(&p, end, &word);
	int			id;
	uint8		decoded[SECRET_TEXT_LEN];
	bool		is_secret;

	if (len == 0 || word[0] == '#')
		return FILE_SOUND;
	id = parse_id(word, len);
	if (id < 0)
		return FILE_MALFORMED_LINE;
	if (secrets[id].present)
		return FILE_ID_TWICE;

	len = next_word(&p, end, &word);
	is_secret = len == SECRET_TEXT_LEN &&
		pg_b64_decode(word, SECRET_TEXT_LEN, (void *) decoded,
					  sizeof(decoded)) == SECRET_LEN;
	if (is_secret)
		memcpy(secrets[id].secret, decoded, SECRET_LEN);
	sct_crypto_cleanse(decoded, sizeof(decoded));
	if (!is_secret)
		return FILE_MALFORMED_LINE;
	secrets[id].present = true;

	len = next_word(&p, end, &word);
	if (len == 0)
	{
		if (*current >= 0)
			return FILE_TWO_CURRENT;
		*current = id;
		secrets[id].current = true;
		return FILE_SOUND;
	}
	secrets[id].compromised = word_is(word, len, "compromised");
	if ((!secrets[id].compromised && !word_is(word, len, "retired")) ||
		next_word(&p, end, &word) != 0)
		return FILE_MALFORMED_LINE;
	return FILE_SOUND;
}

/* *line_no is that of the fault. */
static FileFault
parse_file(const char *buf, size_t len, FileSecret *secrets, int *line_no)
{
	const char *p = buf;
	const char *end = buf + len;
	int			current = -1;

	for (*line_no = 1; p < end; (*line_no)++)
	{
		const char *line_end = memchr(p, '\n', (size_t) (end - p));
		FileFault	fault;

		if (line_end == NULL)
			line_end = end;
		fault = parse_line(p, line_end, secrets, &current);
		if (fault != FILE_SOUND)
			return fault;
		p = line_end + 1;
	}
	return current < 0 ? FILE_NO_CURRENT : FILE_SOUND;
}

static void
fault_report(FileFault fault, int line_no)
{
	switch (fault)
	{
		case FILE_SOUND:
			break;
		case FILE_MALFORMED_LINE:
			ereport(ERROR,
					(errcode(ERRCODE_CONFIG_FILE_ERROR),
					 errmsg("line %d of the file that sctoken.secret_file names is malformed",
							line_no),
					 errhint("A line is a key id from 0 to 255, 32 random bytes in base64 and, on all lines but one, \"retired\" or \"compromised\".")));
			break;
		case FILE_ID_TWICE:
			ereport(ERROR,
					(errcode(ERRCODE_CONFIG_FILE_ERROR),
					 errmsg("line %d of the file that sctoken.secret_file names has a key id for the second time",
							line_no),
					 errhint("Each secret has a key id of its own, also one that is no longer current.")));
			break;
		case FILE_TWO_CURRENT:
			ereport(ERROR,
					(errcode(ERRCODE_CONFIG_FILE_ERROR),
					 errmsg("line %d of the file that sctoken.secret_file names is the second without a mark",
							line_no),
					 errhint("The one line without \"retired\" or \"compromised\" makes new tokens.")));
			break;
		case FILE_NO_CURRENT:
			ereport(ERROR,
					(errcode(ERRCODE_CONFIG_FILE_ERROR),
					 errmsg("the file that sctoken.secret_file names has no line without a mark"),
					 errhint("The one line without \"retired\" or \"compromised\" makes new tokens.")));
			break;
	}
}

void
sct_secret_file_read(FileSecret *secrets)
{
	char	   *buf = palloc(FILE_MAX_LEN + 1);
	TimestampTz load = PgReloadTime;
	size_t		len;
	FileFault	fault;
	int			line_no;

	was_read = false;
	memset(secrets, 0, (SECRET_MAX_ID + 1) * sizeof(FileSecret));
	read_file(buf, &len);
	fault = parse_file(buf, len, secrets, &line_no);
	sct_crypto_cleanse(buf, FILE_MAX_LEN + 1);
	pfree(buf);
	if (fault != FILE_SOUND)
	{
		sct_crypto_cleanse(secrets, (SECRET_MAX_ID + 1) * sizeof(FileSecret));
		fault_report(fault, line_no);
	}
	read_at_load = load;
	was_read = true;
}
