/*
 * policy.c
 *		What a client may do, see policy.h.
 *
 * Policies are kept per backend; cache.c says when they are read again.  An
 * emergency stop must hold from the next call on.
 */
#include "sctoken.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include "argument.h"
#include "cache.h"
#include "interval.h"
#include "nonce.h"
#include "policy.h"
#include "query.h"

#define SLOTS	256

/* Columns of the query, from 1 */
enum
{
	COL_CLIENT_TYPE = 1,
	COL_ROTATION,
	COL_RETRY_WINDOW,
	COL_RETRY_UNTIL_CONFIRMED,
	COL_MAX_RETRIES,
	COL_IDLE_TTL,
	COL_ABSOLUTE_TTL,
	COL_REQUIRED_BINDING,
	COL_REQUIRE_NONCE,
	COL_ON_REUSE,
	COL_PROFILE,
	COL_MAX_FAMILIES,
	COL_ENABLED,
	COL_NOT_BEFORE
};

/* The row of '*' comes first. */
static PreparedQuery policy_query = {
	.sql = "SELECT client_type, rotation, retry_window, retry_until_confirmed,"
	" max_retries, idle_ttl, absolute_ttl, required_binding, require_nonce,"
	" on_reuse, profile, max_families, enabled, not_before"
	" FROM sctoken.client_policy"
	" WHERE client_id OPERATOR(pg_catalog.=) ANY (ARRAY[$1, '*'])"
	" ORDER BY client_id OPERATOR(pg_catalog.=) '*' DESC",
	.nargs = 1,
	.argtypes = {TEXTOID}
};

typedef struct PolicySlot
{
	uint64		epoch;			/* 0: never used */
	text	   *client_id;
	Policy		policy;
} PolicySlot;

/* Direct-mapped, so that any number of client ids costs the same memory. */
static PolicySlot slots[SLOTS];

static const Policy builtin_policy = {
	.client_type = CLIENT_PUBLIC,
	.rotation = ROTATION_ALWAYS,
	.retry_window = 10 * USECS_PER_SEC,
	.retry_until_confirmed = true,
	.max_retries = 5,
	.idle_ttl = 30 * USECS_PER_DAY,
	.absolute_ttl = 180 * USECS_PER_DAY,
	.required_binding = BINDING_NONE,
	.has_require_nonce = false,
	.on_reuse = REUSE_REVOKE_FAMILY,
	.profile = PROFILE_NONE,
	.max_families = 0,
	.enabled = true,
	.not_before = DT_NOBEGIN
};

/* In the order of the enums; the table's CHECKs allow no other words. */
static const char *const client_types[] = {"public", "confidential", NULL};
static const char *const rotations[] = {"always", "never", "bound_never", NULL};
static const char *const required_bindings[] = {"none", "dpop", "mtls", "any", NULL};
static const char *const on_reuses[] = {
	"revoke_family", "revoke_subject_client", "refuse", NULL
};
static const char *const profiles[] = {"none", "fapi2", NULL};

PG_FUNCTION_INFO_V1(sctoken_effective_policy);

static int
word_index(Datum word, const char *const *words)
{
	char	   *name = TextDatumGetCString(word);

	for (int i = 0; words[i] != NULL; i++)
	{
		if (strcmp(name, words[i]) == 0)
			return i;
	}
	elog(ERROR, "unknown word in table sctoken.client_policy");
}

static int64
interval_column(Datum value)
{
	int64		result;

	if (!sct_interval_microseconds(DatumGetIntervalP(value), &result))
		ereport(ERROR,
				(errcode(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE),
				 errmsg("interval in table \"%s\" out of range",
						"sctoken.client_policy")));
	return result;
}

/* Lets the columns of a row that are not null take effect. */
static void
policy_apply(Policy *policy, HeapTuple tuple, TupleDesc tupdesc)
{
	Datum		value;
	bool		isnull;

#define COLUMN(number) \
	(value = SPI_getbinval(tuple, tupdesc, (number), &isnull), !isnull)

	if (COLUMN(COL_CLIENT_TYPE))
		policy->client_type = word_index(value, client_types);
	if (COLUMN(COL_ROTATION))
		policy->rotation = word_index(value, rotations);
	if (COLUMN(COL_RETRY_WINDOW))
		policy->retry_window = interval_column(value);
	if (COLUMN(COL_RETRY_UNTIL_CONFIRMED))
		policy->retry_until_confirmed = DatumGetBool(value);
	if (COLUMN(COL_MAX_RETRIES))
		policy->max_retries = DatumGetInt32(value);
	if (COLUMN(COL_IDLE_TTL))
		policy->idle_ttl = interval_column(value);
	if (COLUMN(COL_ABSOLUTE_TTL))
		policy->absolute_ttl = interval_column(value);
	if (COLUMN(COL_REQUIRED_BINDING))
		policy->required_binding = word_index(value, required_bindings);
	if (COLUMN(COL_REQUIRE_NONCE))
	{
		policy->has_require_nonce = true;
		policy->require_nonce = DatumGetBool(value);
	}
	if (COLUMN(COL_ON_REUSE))
		policy->on_reuse = word_index(value, on_reuses);
	if (COLUMN(COL_PROFILE))
		policy->profile = word_index(value, profiles);
	if (COLUMN(COL_MAX_FAMILIES))
		policy->max_families = DatumGetInt32(value);

	/* the emergency stops are not inherited: each one holds */
	if (COLUMN(COL_ENABLED))
		policy->enabled = policy->enabled && DatumGetBool(value);
	if (COLUMN(COL_NOT_BEFORE))
		policy->not_before = Max(policy->not_before, DatumGetTimestampTz(value));

#undef COLUMN
}

/*
 * A CHECK keeps the row that names a profile in conformance with it, but cannot
 * see a row that inherits the profile.  There the profile is the stronger one.
 */
static void
policy_conform(Policy *policy)
{
	if (policy->profile != PROFILE_FAPI2)
		return;
	if (policy->rotation == ROTATION_ALWAYS)
		policy->rotation = ROTATION_BOUND_NEVER;
	if (policy->required_binding == BINDING_NONE)
		policy->required_binding = BINDING_ANY;
}

/* Keeps a policy, unless the table changed since the cache was begun. */
static void
policy_keep(PolicySlot *slot, const text *client_id, const Policy *policy)
{
	text	   *copy;

	if (!sct_policy_cache.valid)
		return;
	copy = MemoryContextAlloc(TopMemoryContext, VARSIZE_ANY_EXHDR(client_id) + VARHDRSZ);
	SET_VARSIZE(copy, VARSIZE_ANY_EXHDR(client_id) + VARHDRSZ);
	memcpy(VARDATA(copy), VARDATA_ANY(client_id), VARSIZE_ANY_EXHDR(client_id));
	if (slot->client_id != NULL)
		pfree(slot->client_id);
	slot->client_id = copy;
	slot->policy = *policy;
	slot->epoch = sct_policy_cache.epoch;
}

void
sct_policy_get(const text *client_id, Policy *policy)
{
	size_t		len = VARSIZE_ANY_EXHDR(client_id);
	PolicySlot *slot;
	Datum		values[1];

	slot = &slots[hash_bytes((const unsigned char *) VARDATA_ANY(client_id),
							 (int) len) % SLOTS];
	if (sct_policy_cache.valid && slot->epoch == sct_policy_cache.epoch &&
		sct_text_equal(slot->client_id, client_id))
	{
		*policy = slot->policy;
		return;
	}

	if (!sct_policy_cache.valid)
		sct_cache_fill(&sct_policy_cache);
	values[0] = PointerGetDatum(client_id);
	(void) sct_query_run(&policy_query, values, NULL);
	*policy = builtin_policy;
	for (uint64 i = 0; i < SPI_processed; i++)
		policy_apply(policy, SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
	policy_conform(policy);
	policy_keep(slot, client_id, policy);
}

static Datum
interval_datum(int64 microseconds)
{
	Interval   *interval = palloc0(sizeof(Interval));

	interval->day = (int32) (microseconds / USECS_PER_DAY);
	interval->time = microseconds % USECS_PER_DAY;
	return IntervalPGetDatum(interval);
}

/* The value of a column of client_policy, by its name. */
static Datum
policy_column(const Policy *policy, const char *name, bool *isnull)
{
	*isnull = false;
	if (strcmp(name, "client_type") == 0)
		return CStringGetTextDatum(client_types[policy->client_type]);
	if (strcmp(name, "rotation") == 0)
		return CStringGetTextDatum(rotations[policy->rotation]);
	if (strcmp(name, "retry_window") == 0)
		return interval_datum(policy->retry_window);
	if (strcmp(name, "retry_until_confirmed") == 0)
		return BoolGetDatum(policy->retry_until_confirmed);
	if (strcmp(name, "max_retries") == 0)
		return Int32GetDatum(policy->max_retries);
	if (strcmp(name, "idle_ttl") == 0)
		return interval_datum(policy->idle_ttl);
	if (strcmp(name, "absolute_ttl") == 0)
		return interval_datum(policy->absolute_ttl);
	if (strcmp(name, "required_binding") == 0)
		return CStringGetTextDatum(required_bindings[policy->required_binding]);
	if (strcmp(name, "require_nonce") == 0)
		return BoolGetDatum(policy->has_require_nonce ?
							policy->require_nonce : sct_nonce_is_required());
	if (strcmp(name, "on_reuse") == 0)
		return CStringGetTextDatum(on_reuses[policy->on_reuse]);
	if (strcmp(name, "profile") == 0)
		return CStringGetTextDatum(profiles[policy->profile]);
	if (strcmp(name, "max_families") == 0)
	{
		*isnull = policy->max_families == 0;
		return Int32GetDatum(policy->max_families);
	}
	if (strcmp(name, "enabled") == 0)
		return BoolGetDatum(policy->enabled);
	if (strcmp(name, "not_before") == 0)
	{
		*isnull = policy->not_before == DT_NOBEGIN;
		return TimestampTzGetDatum(policy->not_before);
	}
	elog(ERROR, "unknown column in table sctoken.client_policy");
}

/* Columns are found by name: the row type is that of the table. */
Datum
sctoken_effective_policy(PG_FUNCTION_ARGS)
{
	text	   *client_id = PG_GETARG_TEXT_PP(0);
	Datum		values[MaxTupleAttributeNumber];
	bool		nulls[MaxTupleAttributeNumber];
	TupleDesc	tupdesc;
	QueryScope	scope;
	Policy		policy;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	sct_query_begin(&scope);
	sct_policy_get(client_id, &policy);
	sct_query_end(&scope);

	for (int i = 0; i < tupdesc->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(tupdesc, i);

		nulls[i] = column->attisdropped;
		if (nulls[i])
			continue;
		if (strcmp(NameStr(column->attname), "client_id") == 0)
			values[i] = PointerGetDatum(client_id);
		else
			values[i] = policy_column(&policy, NameStr(column->attname), &nulls[i]);
	}
	return HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls));
}
