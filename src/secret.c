/*
 * secret.c
 *		The server's secrets, see secret.h.
 *
 * They stand in table server_secret or in a file, in one of which one secret makes
 * new tokens.  With a file the rows of the table only recognise the tokens that
 * were made under them before.
 *
 * Each backend keeps the derived keys of all secrets.  cache.c says when the table
 * is read again; the file is when the configuration was reloaded.
 */
#include "sctoken.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "cache.h"
#include "lock.h"
#include "query.h"
#include "secret.h"
#include "secret_file.h"
#include "stats.h"
#include "transaction.h"

/* The newest comes first, those in use before all others. */
static PreparedQuery load_query = {
	.sql = "SELECT id, secret, compromised, retired_at IS NULL"
	" FROM sctoken.server_secret"
	" ORDER BY retired_at IS NOT NULL, created_at DESC, id DESC",
	.nargs = 0,
	.argtypes = {0}
};

static PreparedQuery insert_query = {
	.sql = "INSERT INTO sctoken.server_secret (id, secret) VALUES ($1, $2)",
	.nargs = 2,
	.argtypes = {INT2OID, BYTEAOID}
};

/*
 * A family needs a secret until it expires, if a token of any generation of it may
 * have been made under it: the MAC of an old one proves reuse.  Others can have
 * made tokens under a secret after its retired_at, until the transaction that
 * retired it was committed, and families that are not committed are not seen.
 * That is given a day.
 */
static PreparedQuery delete_query = {
	.sql = "DELETE FROM sctoken.server_secret AS s"
	" WHERE (s.retired_at OPERATOR(pg_catalog.+) interval '24 hours')"
	"  OPERATOR(pg_catalog.<) $1"
	" AND NOT EXISTS (SELECT FROM sctoken.family AS f"
	"  WHERE f.expires_at OPERATOR(pg_catalog.>) $1"
	"  AND (f.key_id OPERATOR(pg_catalog.=) s.id"
	"   OR f.created_at OPERATOR(pg_catalog.<)"
	"    (s.retired_at OPERATOR(pg_catalog.+) interval '24 hours')))",
	.nargs = 1,
	.argtypes = {TIMESTAMPTZOID},
	.reads_all = true
};

static PreparedQuery retire_query = {
	.sql = "UPDATE sctoken.server_secret SET"
	" retired_at = COALESCE(retired_at, $1), compromised = compromised OR $2"
	" WHERE retired_at IS NULL OR $2",
	.nargs = 2,
	.argtypes = {TIMESTAMPTZOID, BOOLOID}
};

/* Keys by id; present where known. */
static ServerSecret secrets[SECRET_MAX_ID + 1];
static bool present[SECRET_MAX_ID + 1];
static int	current_id = -1;	/* makes new tokens; -1: none */
static int	newest_id = -1;		/* of the table; -1: none */
static bool loaded = false;
static bool loaded_file = false;	/* the file was read too */
static uint64 loaded_epoch = 0;

PG_FUNCTION_INFO_V1(sctoken_rotate_secret);

static void
derive(const uint8 *secret, const char *label, uint8 *key)
{
	if (sct_crypto_hkdf(secret, SECRET_LEN, NULL, 0,
						label, strlen(label), key) != SCT_OK)
		elog(ERROR, "libcrypto failed");
}

/* Makes the keys of a secret known.  The label of each purpose is its own. */
static void
secret_add(uint8 id, bool compromised, const uint8 *secret)
{
	ServerSecret *keys = &secrets[id];

	keys->id = id;
	keys->compromised = compromised;
	derive(secret, "sctoken mac", keys->mac_key);
	derive(secret, "sctoken successor", keys->successor_key);
	derive(secret, "sctoken nonce", keys->nonce_key);
	present[id] = true;
}

static void
table_load(void)
{
	sct_cache_fill(&sct_secret_cache);
	(void) sct_query_run(&load_query, NULL, NULL);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TupleDesc	tupdesc = SPI_tuptable->tupdesc;
		bool		isnull;
		uint8		id = (uint8) DatumGetInt16(SPI_getbinval(tuple, tupdesc, 1, &isnull));
		bytea	   *secret = DatumGetByteaPP(SPI_getbinval(tuple, tupdesc, 2, &isnull));

		secret_add(id, DatumGetBool(SPI_getbinval(tuple, tupdesc, 3, &isnull)),
				   (const uint8 *) VARDATA_ANY(secret));
		if (i == 0)
		{
			newest_id = id;
			if (DatumGetBool(SPI_getbinval(tuple, tupdesc, 4, &isnull)))
				current_id = id;
		}
		secrets[id].takes_nonces = !secrets[id].compromised &&
			i <= (current_id < 0 ? 0 : 1);
	}
}

/*
 * Adds those of the file.  Returns the key id of one that the table has too, but
 * not the same, or -1.
 */
static int
file_add(const FileSecret *file_secrets)
{
	current_id = -1;
	for (int id = 0; id <= SECRET_MAX_ID; id++)
	{
		const FileSecret *entry = &file_secrets[id];
		bool		in_table = present[id];
		bool		same;
		ServerSecret row;

		if (!entry->present)
			continue;
		row = secrets[id];
		secret_add((uint8) id, entry->compromised || row.compromised,
				   entry->secret);
		same = !in_table ||
			sct_crypto_equal(row.mac_key, secrets[id].mac_key, SCT_SHA256_LEN);
		sct_crypto_cleanse(&row, sizeof(row));
		if (!same)
			return id;
		secrets[id].takes_nonces = !secrets[id].compromised;
		if (entry->current)
			current_id = id;
	}
	return -1;
}

/* Makes those of the file known; file_secrets is wiped and freed. */
static void
file_load(FileSecret *file_secrets)
{
	int			conflict = file_add(file_secrets);

	sct_crypto_cleanse(file_secrets, (SECRET_MAX_ID + 1) * sizeof(FileSecret));
	pfree(file_secrets);
	if (conflict >= 0)
		ereport(ERROR,
				(errcode(ERRCODE_CONFIG_FILE_ERROR),
				 errmsg("key id %d is that of one secret in the file that sctoken.secret_file names and of another in table \"%s\"",
						conflict, "sctoken.server_secret"),
				 errhint("Write the secret of the table into the file under this key id, or give that of the file another one.")));
}

static void
secrets_load(bool reload)
{
	bool		with_file = sct_secret_file_is_set();
	FileSecret *file_secrets = NULL;

	if (!reload && loaded && sct_secret_cache.valid &&
		loaded_epoch == sct_secret_cache.epoch && loaded_file == with_file &&
		!(with_file && sct_secret_file_is_stale()))
		return;

	/* read first: with a file that is malformed what is known stays known */
	if (with_file)
	{
		file_secrets = palloc((SECRET_MAX_ID + 1) * sizeof(FileSecret));
		sct_secret_file_read(file_secrets);
	}

	loaded = false;
	sct_crypto_cleanse(secrets, sizeof(secrets));
	memset(present, 0, sizeof(present));
	current_id = newest_id = -1;
	table_load();
	if (with_file)
		file_load(file_secrets);
	loaded_epoch = sct_secret_cache.epoch;
	loaded_file = with_file;
	loaded = true;
}

bool
sct_secret_find(uint8 id, ServerSecret *secret)
{
	secrets_load(false);

	/* sessions that began since the file was changed make tokens under the new one */
	if (!present[id] && loaded_file && sct_secret_file_is_replaced())
		secrets_load(true);
	if (!present[id])
		return false;
	*secret = secrets[id];
	return true;
}

/*
 * Makes a secret in the table, under the first key id after the newest that no
 * other has.
 */
static int
secret_make(void)
{
	uint8		random[SECRET_LEN];
	Datum		values[2];
	int			tries = 0;
	int			id;

	do
		id = (newest_id + 1 + tries) % (SECRET_MAX_ID + 1);
	while (present[id] && ++tries <= SECRET_MAX_ID);
	if (present[id])
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("all %d key ids of server secrets are taken",
						SECRET_MAX_ID + 1),
				 errdetail("Each of them may be needed by a token family that has not expired, or was retired less than a day ago.")));
	if (!pg_strong_random(random, SECRET_LEN))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random bytes")));
	values[0] = Int16GetDatum((int16) id);
	values[1] = PointerGetDatum(cstring_to_text_with_len((char *) random, SECRET_LEN));
	(void) sct_query_run(&insert_query, values, NULL);
	sct_crypto_cleanse(random, sizeof(random));

	/* the trigger has cleared sct_secret_cache.valid */
	loaded = false;
	return id;
}

bool
sct_secret_current(ServerSecret *secret)
{
	secrets_load(false);
	if (current_id < 0)
	{
		if (!sct_lock_secrets())
			return false;

		/* another session may have made it while we waited */
		secrets_load(true);
		if (current_id < 0)
		{
			(void) secret_make();
			secrets_load(false);
		}
	}
	*secret = secrets[current_id];
	return true;
}

/* Retires what is in use, removes what nobody needs, and makes a new secret. */
static int
secret_rotate(bool compromised)
{
	TimestampTz now;
	Datum		values[2];

	if (!sct_lock_secrets())
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("the server's secrets are being changed by another transaction"),
				 errhint("Nothing has changed; call again.")));

	/* that a secret is compromised must not be forgotten by a crash */
	if (compromised)
		sct_transaction_revoked();
	now = GetCurrentTimestamp();
	values[0] = TimestampTzGetDatum(now);
	values[1] = BoolGetDatum(compromised);
	(void) sct_query_run(&delete_query, values, NULL);
	(void) sct_query_run(&retire_query, values, NULL);
	secrets_load(true);
	return secret_make();
}

Datum
sctoken_rotate_secret(PG_FUNCTION_ARGS)
{
	QueryScope	scope;
	int			id;

	PreventCommandIfReadOnly("sctoken.rotate_secret()");
	PreventCommandDuringRecovery("sctoken.rotate_secret()");
	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", "compromised")));
	if (sct_secret_file_is_set())
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the server's secrets are in a file, which sctoken does not write"),
				 errhint("Mark the line in use as retired or compromised in the file that sctoken.secret_file names, add a line with a new secret, and reload the configuration.")));

	sct_query_begin(&scope);
	id = secret_rotate(PG_GETARG_BOOL(0));
	sct_query_end(&scope);
	sct_stats_count(STATS_SECRETS_ROTATED);
	PG_RETURN_INT16((int16) id);
}
