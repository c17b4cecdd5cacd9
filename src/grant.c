/*
 * grant.c
 *		The answer of issue and rotate, see grant.h.
 */
#include "sctoken.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "grant.h"
#include "stats.h"

/* Columns of sctoken.grant_result */
enum
{
	COL_OUTCOME,
	COL_ERROR,
	COL_REASON,
	COL_REFRESH_TOKEN,
	COL_FAMILY_ID,
	COL_GENERATION,
	COL_CLIENT_ID,
	COL_SUBJECT,
	COL_SCOPE,
	COL_AUDIENCE,
	COL_CNF,
	COL_SESSION_ID,
	COL_GRANT_ID,
	COL_DETAILS,
	COL_EXPIRES_AT,
	COL_FAMILY_EXPIRES_AT,
	COL_NEXT_NONCE,
	COL_COUNT
};

static const char *const outcome_words[] = {
#define X(symbol, word, error) [symbol] = word,
	GRANT_OUTCOMES(X)
#undef X
};

static const char *const outcome_errors[] = {
#define X(symbol, word, error) [symbol] = error,
	GRANT_OUTCOMES(X)
#undef X
};

const char *
sct_grant_outcome_word(Outcome outcome)
{
	return outcome_words[outcome];
}

static Datum
form_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	TupleDesc	tupdesc;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	return HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls));
}

static void
set_column(Datum *values, bool *nulls, int column, Datum value)
{
	values[column] = value;
	nulls[column] = false;
}

static void
set_pointer(Datum *values, bool *nulls, int column, const void *pointer)
{
	values[column] = PointerGetDatum(pointer);
	nulls[column] = pointer == NULL;
}

static void
set_word(Datum *values, bool *nulls, int column, const char *word)
{
	if (word != NULL)
		set_column(values, nulls, column, CStringGetTextDatum(word));
}

Datum
sct_grant_success(FunctionCallInfo fcinfo, const Grant *grant, const Family *family)
{
	Datum		values[COL_COUNT] = {0};
	bool		nulls[COL_COUNT];

	sct_stats_count(STATS_OUTCOME(grant->outcome));
	memset(nulls, true, sizeof(nulls));
	set_word(values, nulls, COL_OUTCOME, outcome_words[grant->outcome]);
	set_word(values, nulls, COL_REASON, grant->reason);
	set_pointer(values, nulls, COL_REFRESH_TOKEN, grant->refresh_token);
	set_pointer(values, nulls, COL_FAMILY_ID, &family->id);
	set_column(values, nulls, COL_GENERATION, Int64GetDatum(grant->generation));
	set_pointer(values, nulls, COL_CLIENT_ID, family->client_id);
	set_pointer(values, nulls, COL_SUBJECT, family->subject);
	set_pointer(values, nulls, COL_SCOPE, grant->scope);
	set_pointer(values, nulls, COL_AUDIENCE, grant->audience);
	set_pointer(values, nulls, COL_CNF, grant->cnf);
	set_pointer(values, nulls, COL_SESSION_ID, family->session_id);
	set_pointer(values, nulls, COL_GRANT_ID, family->grant_id);
	set_pointer(values, nulls, COL_DETAILS, family->details);
	set_column(values, nulls, COL_EXPIRES_AT,
			   TimestampTzGetDatum(grant->expires_at));
	set_column(values, nulls, COL_FAMILY_EXPIRES_AT,
			   TimestampTzGetDatum(grant->family_expires_at));
	set_pointer(values, nulls, COL_NEXT_NONCE, grant->next_nonce);
	return form_row(fcinfo, values, nulls);
}

Datum
sct_grant_failure(FunctionCallInfo fcinfo, const Grant *grant,
				  const SctToken *token)
{
	Datum		values[COL_COUNT] = {0};
	bool		nulls[COL_COUNT];
	pg_uuid_t	family_id;

	sct_stats_count(STATS_OUTCOME(grant->outcome));
	memset(nulls, true, sizeof(nulls));
	set_word(values, nulls, COL_OUTCOME, outcome_words[grant->outcome]);
	set_word(values, nulls, COL_ERROR, outcome_errors[grant->outcome]);
	set_word(values, nulls, COL_REASON, grant->reason);
	set_pointer(values, nulls, COL_NEXT_NONCE, grant->next_nonce);
	if (token != NULL)
	{
		memcpy(family_id.data, token->family_id, UUID_LEN);
		set_column(values, nulls, COL_FAMILY_ID, UUIDPGetDatum(&family_id));
		set_column(values, nulls, COL_GENERATION, Int64GetDatum(token->generation));
	}
	return form_row(fcinfo, values, nulls);
}
