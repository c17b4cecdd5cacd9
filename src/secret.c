/*
 * secret.c
 *		The server's secrets, see secret.h.
 *
 * Each backend keeps the derived keys of all secrets; cache.c says when they are
 * read again.
 */
#include "sctoken.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "cache.h"
#include "lock.h"
#include "query.h"
#include "secret.h"

#define SECRET_LEN	32

/* In the order in which the newest in use comes first. */
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

/* Keys by id; present where known. */
static ServerSecret secrets[256];
static bool present[256];
static int	current_id = -1;	/* -1: none is in use */
static uint64 loaded_epoch = 0;

static void
derive(const uint8 *secret, const char *label, uint8 *key)
{
	if (sct_crypto_hkdf(secret, SECRET_LEN, NULL, 0,
						label, strlen(label), key) != SCT_OK)
		elog(ERROR, "libcrypto failed");
}

static void
secrets_load(void)
{
	if (sct_secret_cache.valid && loaded_epoch == sct_secret_cache.epoch)
		return;

	sct_cache_fill(&sct_secret_cache);
	(void) sct_query_run(&load_query, NULL, NULL);
	sct_crypto_cleanse(secrets, sizeof(secrets));
	memset(present, 0, sizeof(present));
	current_id = -1;
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TupleDesc	tupdesc = SPI_tuptable->tupdesc;
		bool		isnull;
		uint8		id = (uint8) DatumGetInt16(SPI_getbinval(tuple, tupdesc, 1, &isnull));
		bytea	   *secret = DatumGetByteaPP(SPI_getbinval(tuple, tupdesc, 2, &isnull));

		secrets[id].id = id;
		secrets[id].compromised = DatumGetBool(SPI_getbinval(tuple, tupdesc, 3, &isnull));
		derive((const uint8 *) VARDATA_ANY(secret), "sctoken mac", secrets[id].mac_key);
		derive((const uint8 *) VARDATA_ANY(secret), "sctoken successor",
			   secrets[id].successor_key);
		derive((const uint8 *) VARDATA_ANY(secret), "sctoken nonce", secrets[id].nonce_key);
		present[id] = true;
		if (i == 0 && DatumGetBool(SPI_getbinval(tuple, tupdesc, 4, &isnull)))
			current_id = id;
		secrets[id].takes_nonces = !secrets[id].compromised &&
			i <= (current_id < 0 ? 0 : 1);
	}
	loaded_epoch = sct_secret_cache.epoch;
}

bool
sct_secret_find(uint8 id, ServerSecret *secret)
{
	secrets_load();
	if (!present[id])
		return false;
	*secret = secrets[id];
	return true;
}

/* Makes a secret under a key id that no other has. */
static void
secret_make(void)
{
	uint8		random[SECRET_LEN];
	Datum		values[2];
	int			id = 0;

	while (id < 256 && present[id])
		id++;
	if (id == 256)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("all 256 key ids of server secrets are taken"),
				 errhint("Delete retired secrets whose tokens have all expired.")));
	if (!pg_strong_random(random, SECRET_LEN))
		ereport(ERROR,
				(errcode(ERRCODE_INTERNAL_ERROR),
				 errmsg("could not generate random bytes")));
	values[0] = Int16GetDatum((int16) id);
	values[1] = PointerGetDatum(cstring_to_text_with_len((char *) random, SECRET_LEN));
	(void) sct_query_run(&insert_query, values, NULL);
	sct_crypto_cleanse(random, sizeof(random));

	/* the trigger has cleared sct_secret_cache.valid */
	sct_secret_cache.valid = false;
}

bool
sct_secret_current(ServerSecret *secret)
{
	secrets_load();
	if (current_id < 0)
	{
		if (!sct_lock_secrets())
			return false;

		/* another session may have made it while we waited */
		sct_secret_cache.valid = false;
		secrets_load();
		if (current_id < 0)
		{
			secret_make();
			secrets_load();
		}
	}
	*secret = secrets[current_id];
	return true;
}
