/*
 * trust_anchor.c
 *		Sets of CAs and CRLs, see trust_anchor.h.
 *
 * To build a store takes milliseconds, so each backend keeps those that it used
 * lately; cache.c says when they are made anew.
 */
#include "sctoken.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "argument.h"
#include "cache.h"
#include "query.h"
#include "trust_anchor.h"

#define SLOTS	16

static PreparedQuery set_query = {
	.sql = "SELECT crl_check, max_depth, partial_chain, strict"
	" FROM sctoken.trust_anchor_set WHERE name OPERATOR(pg_catalog.=) $1",
	.nargs = 1,
	.argtypes = {TEXTOID}
};

static PreparedQuery anchor_query = {
	.sql = "SELECT kind OPERATOR(pg_catalog.=) 'crl', der"
	" FROM sctoken.trust_anchor"
	" WHERE set_name OPERATOR(pg_catalog.=) $1 AND enabled",
	.nargs = 1,
	.argtypes = {TEXTOID}
};

typedef struct StoreSlot
{
	text	   *set_name;		/* NULL: a free slot */
	SctX509Store *store;
	uint64		set_epoch;
	uint64		anchor_epoch;
	uint64		used;			/* value of uses when it was last used */
} StoreSlot;

/* Any number of sets costs the same memory: the one used longest ago gives way. */
static StoreSlot slots[SLOTS];
static uint64 uses = 0;

static bool
slot_is_true(const StoreSlot *slot, const text *set_name)
{
	return slot->set_name != NULL &&
		sct_trust_anchor_set_cache.valid && sct_trust_anchor_cache.valid &&
		slot->set_epoch == sct_trust_anchor_set_cache.epoch &&
		slot->anchor_epoch == sct_trust_anchor_cache.epoch &&
		sct_text_equal(slot->set_name, set_name);
}

/* The slot of a set, or one that it may have. */
static StoreSlot *
slot_find(const text *set_name)
{
	StoreSlot  *victim = &slots[0];

	for (int i = 0; i < SLOTS; i++)
	{
		if (slots[i].set_name != NULL && sct_text_equal(slots[i].set_name, set_name))
			return &slots[i];
		if (slots[i].used < victim->used)
			victim = &slots[i];
	}
	return victim;
}

static void
slot_clear(StoreSlot *slot)
{
	sct_x509_store_free(slot->store);
	slot->store = NULL;
	if (slot->set_name != NULL)
		pfree(slot->set_name);
	slot->set_name = NULL;
}

/* False: there is no such set. */
static bool
read_options(const text *set_name, SctX509StoreOptions *options)
{
	Datum		values[1];
	HeapTuple	tuple;
	TupleDesc	tupdesc;
	char	   *crl_check;
	bool		isnull;

	memset(options, 0, sizeof(SctX509StoreOptions));
	options->max_depth = SCT_X509_MAX_CHAIN;
	values[0] = PointerGetDatum(set_name);
	if (sct_query_run(&set_query, values, NULL) == 0)
		return false;
	tuple = SPI_tuptable->vals[0];
	tupdesc = SPI_tuptable->tupdesc;

	/* none of the columns may be null */
	crl_check = TextDatumGetCString(SPI_getbinval(tuple, tupdesc, 1, &isnull));
	options->crl_check = strcmp(crl_check, "chain") == 0 ? SCT_CRL_CHAIN :
		strcmp(crl_check, "leaf") == 0 ? SCT_CRL_LEAF : SCT_CRL_IF_PRESENT;
	options->max_depth = DatumGetInt32(SPI_getbinval(tuple, tupdesc, 2, &isnull));
	options->partial_chain = DatumGetBool(SPI_getbinval(tuple, tupdesc, 3, &isnull));
	options->strict = DatumGetBool(SPI_getbinval(tuple, tupdesc, 4, &isnull));
	return true;
}

/*
 * Fills a store with the rows of anchor_query.  A row that cannot be read makes it
 * fail as a whole: a CRL must not be missing without a word.
 */
static void
fill_store(SctX509Store *store)
{
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TupleDesc	tupdesc = SPI_tuptable->tupdesc;
		bool		isnull;
		bool		is_crl = DatumGetBool(SPI_getbinval(tuple, tupdesc, 1, &isnull));
		bytea	   *data = DatumGetByteaPP(SPI_getbinval(tuple, tupdesc, 2, &isnull));
		const uint8 *der = (const uint8 *) VARDATA_ANY(data);
		size_t		len = VARSIZE_ANY_EXHDR(data);
		SctReason	reason;

		reason = is_crl ? sct_x509_store_add_crl(store, der, len) :
			sct_x509_store_add_ca(store, der, len);
		if (reason == SCT_INTERNAL)
			elog(ERROR, "libcrypto failed");
		if (reason != SCT_OK)
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("table \"%s\" has a row that cannot be read",
							"sctoken.trust_anchor"),
					 errhint("Delete the rows of the set, and insert its CAs and CRLs again.")));
	}
}

SctX509Store *
sct_trust_anchor_store(const text *set_name)
{
	StoreSlot  *slot = slot_find(set_name);
	SctX509StoreOptions options;
	Datum		values[1];
	bool		exists;

	slot->used = ++uses;
	if (slot_is_true(slot, set_name))
		return slot->store;

	if (!sct_trust_anchor_set_cache.valid)
		sct_cache_fill(&sct_trust_anchor_set_cache);
	if (!sct_trust_anchor_cache.valid)
		sct_cache_fill(&sct_trust_anchor_cache);
	slot_clear(slot);
	exists = read_options(set_name, &options);

	/*
	 * An error from here on leaves a slot that belongs to no set, whose store the
	 * next one frees.  A set that is not there trusts nobody, whatever anchors name
	 * it.
	 */
	slot->store = sct_x509_store_make(&options);
	if (slot->store == NULL)
		elog(ERROR, "libcrypto failed");
	if (exists)
	{
		values[0] = PointerGetDatum(set_name);
		(void) sct_query_run(&anchor_query, values, NULL);
		fill_store(slot->store);
	}
	slot->set_name = MemoryContextAlloc(TopMemoryContext,
										VARSIZE_ANY_EXHDR(set_name) + VARHDRSZ);
	SET_VARSIZE(slot->set_name, VARSIZE_ANY_EXHDR(set_name) + VARHDRSZ);
	memcpy(VARDATA(slot->set_name), VARDATA_ANY(set_name),
		   VARSIZE_ANY_EXHDR(set_name));
	slot->set_epoch = sct_trust_anchor_set_cache.epoch;
	slot->anchor_epoch = sct_trust_anchor_cache.epoch;
	return slot->store;
}
