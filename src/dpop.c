/*
 * dpop.c
 *		DPoP proofs (RFC 9449) called from SQL.
 *
 * The checks themselves are in core/dpop_proof.c; here are the arguments, the
 * clock, the settings and the result row.
 */
#include "sctoken.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#include "core/dpop_proof.h"
#include "core/uri.h"
#include "dpop.h"
#include "encoding.h"
#include "interval.h"
#include "stats.h"

#define UNIX_EPOCH_OFFSET	(UNIX_EPOCH_SECONDS * USECS_PER_SEC)

/* The latest clock to which epoch and skew can be added */
#define DPOP_MAX_AT \
	(PG_INT64_MAX - UNIX_EPOCH_OFFSET - DPOP_MAX_FUTURE_SKEW * USECS_PER_SEC)

/* Columns of sctoken.dpop_result */
enum
{
	COL_VALID,
	COL_ERROR,
	COL_REASON,
	COL_JKT,
	COL_JTI,
	COL_IAT,
	COL_NONCE,
	COL_ATH,
	COL_ALG,
	COL_JWK,
	COL_CLAIMS,
	COL_NEXT_NONCE,
	COL_COUNT
};

/* The set that sctoken.dpop_algs names */
static SctAlgSet setting_algs = 0;

PG_FUNCTION_INFO_V1(sctoken_htu_normalize);
PG_FUNCTION_INFO_V1(sctoken_access_token_hash);
PG_FUNCTION_INFO_V1(sctoken_dpop_verify);

bool
sct_dpop_check_algs(char **newval, void **extra,
					GucSource source pg_attribute_unused())
{
	char	   *names = pstrdup(*newval);
	List	   *list;
	ListCell   *lc;
	SctAlgSet	algs = 0;
	SctAlgSet  *result;

	if (!SplitGUCList(names, ',', &list))
	{
		GUC_check_errdetail("List syntax is invalid.");
		return false;
	}
	foreach(lc, list)
	{
		const char *name = lfirst(lc);
		SctAlg		alg;

		if (!sct_alg_lookup(name, strlen(name), &alg))
		{
			GUC_check_errdetail("\"%s\" is no asymmetric JOSE signature algorithm known here.",
								name);
			return false;
		}
		algs |= SCT_ALG_BIT(alg);
	}
	list_free(list);
	pfree(names);

	result = sct_guc_malloc(sizeof(SctAlgSet));
	if (result == NULL)
		return false;
	*result = algs;
	*extra = result;
	return true;
}

void
sct_dpop_assign_algs(const char *newval pg_attribute_unused(), void *extra)
{
	setting_algs = *(SctAlgSet *) extra;
}

Datum
sctoken_htu_normalize(PG_FUNCTION_ARGS)
{
	text	   *uri = PG_GETARG_TEXT_PP(0);
	size_t		len = VARSIZE_ANY_EXHDR(uri);
	char		normal[SCT_URI_MAX_LEN + 1];
	size_t		normal_len;

	if (len > SCT_URI_MAX_LEN ||
		sct_uri_normalize(VARDATA_ANY(uri), len, normal, &normal_len) != SCT_OK)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(normal, (int) normal_len));
}

Datum
sctoken_access_token_hash(PG_FUNCTION_ARGS)
{
	text	   *token = PG_GETARG_TEXT_PP(0);
	char		ath[SCT_THUMBPRINT_LEN];

	if (sct_dpop_ath(VARDATA_ANY(token), VARSIZE_ANY_EXHDR(token), ath) != SCT_OK)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(ath, SCT_THUMBPRINT_LEN));
}

/* A method is a token of RFC 9110 5.6.2; the caller knows the one it got. */
static void
check_htm(const char *htm, size_t len)
{
	bool		valid = len > 0 && len <= SCT_DPOP_MAX_HTM;

	for (size_t i = 0; valid && i < len; i++)
		valid = htm[i] != '\0' &&
			strchr("!#$%&'*+-.^_`|~0123456789"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
				   htm[i]) != NULL;
	if (!valid)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" is not an HTTP method", "htm")));
}

static SctAlgSet
algs_from_array(ArrayType *array)
{
	Datum	   *names;
	bool	   *nulls;
	int			count;
	SctAlgSet	algs = 0;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT,
					  &names, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		SctAlg		alg;

		if (nulls[i] ||
			!sct_alg_lookup(VARDATA_ANY(DatumGetPointer(names[i])),
							VARSIZE_ANY_EXHDR(DatumGetPointer(names[i])), &alg))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("argument \"%s\" names an unknown signature algorithm",
							"algs")));
		algs |= SCT_ALG_BIT(alg);
	}
	return algs;
}

/* An interval argument in microseconds, min to max of them; NULL: fallback. */
static int64
interval_argument(FunctionCallInfo fcinfo, int argno, const char *name,
				  int64 min, int64 max, int64 fallback)
{
	int64		value;

	if (PG_ARGISNULL(argno))
		return fallback;
	if (!sct_interval_microseconds(PG_GETARG_INTERVAL_P(argno), &value) ||
		value < min || value > max)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" is out of range", name),
				 errdetail("It must be between %d and %d seconds.",
						   (int) (min / USECS_PER_SEC),
						   (int) (max / USECS_PER_SEC))));
	return value;
}

void
sct_dpop_call_begin(DpopCall *call, text *proof, text *htm, text *htu,
					text *access_token, text *jkt)
{
	SctDpopRequest *request = &call->request;

	if (htm == NULL || htu == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null",
						htm == NULL ? "htm" : "htu")));
	memset(request, 0, sizeof(SctDpopRequest));
	request->htm = VARDATA_ANY(htm);
	request->htm_len = VARSIZE_ANY_EXHDR(htm);
	check_htm(request->htm, request->htm_len);
	if (VARSIZE_ANY_EXHDR(htu) > SCT_URI_MAX_LEN ||
		sct_uri_normalize(VARDATA_ANY(htu), VARSIZE_ANY_EXHDR(htu),
						  call->htu, &request->htu_len) != SCT_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" is not an absolute http or https URI",
						"htu")));
	if (!sct_dpop_allow_http && strncmp(call->htu, "http:", 5) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" is not an https URI", "htu"),
				 errdetail("The setting \"%s\" is off.",
						   "sctoken.dpop_allow_http")));
	request->htu = call->htu;
	if (jkt != NULL)
	{
		request->jkt = VARDATA_ANY(jkt);
		request->jkt_len = VARSIZE_ANY_EXHDR(jkt);
	}
	request->max_age = sct_dpop_max_age * USECS_PER_SEC;
	request->future_skew = sct_dpop_future_skew * USECS_PER_SEC;
	request->algs = setting_algs;
	call->text = proof;
	call->access_token = access_token;

	/* the wall clock: a transaction may have begun long ago */
	call->wall_clock = GetCurrentTimestamp();
	sct_dpop_call_set_clock(call, call->wall_clock);
	call->proof = palloc(sizeof(SctDpopProof));
	call->proof->has_alg = false;
	call->proof->has_iat = false;
	call->proof->has_key = false;
}

void
sct_dpop_call_set_clock(DpopCall *call, TimestampTz at)
{
	if (TIMESTAMP_NOT_FINITE(at) || at > DPOP_MAX_AT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" is out of range", "at")));
	call->at = at;
	call->request.now = at + UNIX_EPOCH_OFFSET;
}

SctReason
sct_dpop_call_verify(DpopCall *call)
{
	SctReason	reason = SCT_MISSING;

	/* an access token comes from the wire too: no error, but a verdict */
	if (call->text != NULL && call->access_token != NULL)
	{
		reason = sct_dpop_ath(VARDATA_ANY(call->access_token),
							  VARSIZE_ANY_EXHDR(call->access_token), call->ath);
		if (reason != SCT_OK && reason != SCT_INTERNAL)
			return reason;
		call->request.ath = call->ath;
	}
	if (call->text != NULL && reason != SCT_INTERNAL)
		reason = sct_dpop_verify(VARDATA_ANY(call->text),
								 VARSIZE_ANY_EXHDR(call->text),
								 &call->request, call->proof);
	if (reason == SCT_INTERNAL)
		elog(ERROR, "libcrypto failed");
	if (call->proof->has_key)
		sct_stats_count(call->proof->key_found ?
						STATS_KEY_CACHE_HITS : STATS_KEY_CACHE_MISSES);
	return reason;
}

/*
 * A clock that goes wrong shows in proofs that are good, or would be but for
 * their iat; a replayed proof is old for another reason.
 */
void
sct_dpop_call_count(const DpopCall *call, SctReason verdict)
{
	sct_stats_count_proof(verdict);
	if (verdict == SCT_OK || verdict == SCT_IAT_PAST || verdict == SCT_IAT_FUTURE)
		sct_stats_count_iat(call->request.now - call->proof->iat);
}

TimestampTz
sct_dpop_call_iat(const DpopCall *call)
{
	return call->proof->iat - UNIX_EPOCH_OFFSET;
}

static void
set_text(Datum *values, bool *nulls, int column, text *value)
{
	values[column] = PointerGetDatum(value);
	nulls[column] = value == NULL;
}

/* ASCII, as the core gives it; NULL is null. */
static void
set_ascii(Datum *values, bool *nulls, int column, const char *value, size_t len)
{
	if (value != NULL)
		set_text(values, nulls, column, cstring_to_text_with_len(value, (int) len));
}

Datum
sct_dpop_result(FunctionCallInfo fcinfo, SctReason reason, const DpopCall *call,
				text *next_nonce)
{
	const SctDpopProof *proof = call->proof;
	TupleDesc	tupdesc;
	Datum		values[COL_COUNT] = {0};
	bool		nulls[COL_COUNT];
	char		canonical[SCT_JWK_CANONICAL_MAX];

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	sct_dpop_call_count(call, reason);
	memset(nulls, true, sizeof(nulls));
	values[COL_VALID] = BoolGetDatum(reason == SCT_OK);
	nulls[COL_VALID] = false;
	set_text(values, nulls, COL_NEXT_NONCE, next_nonce);
	if (proof->has_alg)
		set_text(values, nulls, COL_ALG, cstring_to_text(sct_alg_name(proof->alg)));
	if (proof->has_iat)
	{
		values[COL_IAT] = TimestampTzGetDatum(sct_dpop_call_iat(call));
		nulls[COL_IAT] = false;
	}
	if (reason != SCT_OK)
	{
		/* a key that proved nothing must not look like one that did */
		set_text(values, nulls, COL_ERROR, cstring_to_text(sct_reason_error(reason)));
		set_text(values, nulls, COL_REASON, cstring_to_text(sct_reason_word(reason)));
		return HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls));
	}

	set_ascii(values, nulls, COL_JKT, proof->jkt, SCT_THUMBPRINT_LEN);
	set_text(values, nulls, COL_JTI, sct_utf8_to_text(proof->jti, proof->jti_len));
	set_ascii(values, nulls, COL_NONCE, proof->nonce, proof->nonce_len);
	set_ascii(values, nulls, COL_ATH, proof->ath, proof->ath_len);
	set_ascii(values, nulls, COL_JWK, canonical,
			  sct_jwk_canonical(&proof->jwk, canonical));
	set_text(values, nulls, COL_CLAIMS, sct_utf8_json_to_text(proof->claims,
															  proof->claims_len));
	return HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls));
}

static text *
text_argument(FunctionCallInfo fcinfo, int argno)
{
	return PG_ARGISNULL(argno) ? NULL : PG_GETARG_TEXT_PP(argno);
}

Datum
sctoken_dpop_verify(PG_FUNCTION_ARGS)
{
	DpopCall	call;

	sct_dpop_call_begin(&call, text_argument(fcinfo, 0), text_argument(fcinfo, 1),
						text_argument(fcinfo, 2), text_argument(fcinfo, 3),
						text_argument(fcinfo, 4));
	call.request.max_age = interval_argument(fcinfo, 5, "max_age", USECS_PER_SEC,
											 DPOP_MAX_MAX_AGE * USECS_PER_SEC,
											 call.request.max_age);
	call.request.future_skew = interval_argument(fcinfo, 6, "future_skew", 0,
												 DPOP_MAX_FUTURE_SKEW * USECS_PER_SEC,
												 call.request.future_skew);
	if (!PG_ARGISNULL(7))
		call.request.algs = algs_from_array(PG_GETARG_ARRAYTYPE_P(7));
	if (!PG_ARGISNULL(8))
		sct_dpop_call_set_clock(&call, PG_GETARG_TIMESTAMPTZ(8));
	return sct_dpop_result(fcinfo, sct_dpop_call_verify(&call), &call, NULL);
}
