/*
 * dpop.c
 *		DPoP proofs (RFC 9449) called from SQL.
 *
 * The checks themselves are in core/dpop_proof.c; here are the arguments, the
 * clock, the settings and the result row.
 */
#include "sctoken.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#include "core/dpop_proof.h"
#include "core/uri.h"
#include "dpop.h"
#include "interval.h"

/* Microseconds from 1970-01-01, where JWT counts from, to 2000-01-01 */
#define UNIX_EPOCH_OFFSET \
	((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY)

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

/* Strings of a proof are UTF-8; NULL where the database cannot hold this one. */
static text *
utf8_to_text(const char *utf8, size_t len)
{
	int			encoding = GetDatabaseEncoding();
	Oid			proc;
	size_t		size;
	char	   *converted;

	if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII)
		return cstring_to_text_with_len(utf8, (int) len);
	proc = FindDefaultConversionProc(PG_UTF8, encoding);
	if (!OidIsValid(proc))
		return NULL;
	size = len * MAX_CONVERSION_GROWTH + 1;
	converted = palloc(size);
	if (pg_do_encoding_conversion_buf(proc, PG_UTF8, encoding,
									  (unsigned char *) unconstify(char *, utf8),
									  (int) len, (unsigned char *) converted,
									  (int) size, true) < (int) len)
		return NULL;
	return cstring_to_text(converted);
}

/*
 * JSON text as a json value.  Where the database's encoding is not UTF-8, what
 * is not ASCII is escaped, which says the same.
 */
static text *
utf8_to_json(const char *utf8, size_t len)
{
	StringInfoData buf;
	const unsigned char *p = (const unsigned char *) utf8;
	const unsigned char *end = p + len;

	if (GetDatabaseEncoding() == PG_UTF8)
		return cstring_to_text_with_len(utf8, (int) len);
	initStringInfo(&buf);
	while (p < end)
	{
		pg_wchar	c;

		if (*p < 0x80)
		{
			appendStringInfoChar(&buf, *p++);
			continue;
		}
		c = utf8_to_unicode(p);
		p += pg_utf_mblen(p);
		if (c >= 0x10000)
			appendStringInfo(&buf, "\\u%04x\\u%04x",
							 0xd800 + ((c - 0x10000) >> 10),
							 0xdc00 + ((c - 0x10000) & 0x3ff));
		else
			appendStringInfo(&buf, "\\u%04x", c);
	}
	return cstring_to_text_with_len(buf.data, buf.len);
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
	char		ath[SCT_JKT_LEN];

	if (sct_dpop_ath(VARDATA_ANY(token), VARSIZE_ANY_EXHDR(token), ath) != SCT_OK)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text_with_len(ath, SCT_JKT_LEN));
}

/* A method is a token of RFC 9110 5.6.2; the caller knows the one it got. */
static void
check_htm(const char *htm, size_t len)
{
	bool		valid = len > 0 && len <= 64;

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

static Datum
dpop_result(FunctionCallInfo fcinfo, SctReason reason, const SctDpopProof *proof)
{
	TupleDesc	tupdesc;
	Datum		values[COL_COUNT] = {0};
	bool		nulls[COL_COUNT];
	char		canonical[SCT_JWK_CANONICAL_MAX];
	text	   *jti;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");

	memset(nulls, true, sizeof(nulls));
	values[COL_VALID] = BoolGetDatum(reason == SCT_OK);
	nulls[COL_VALID] = false;
	if (reason != SCT_MISSING && proof->has_alg)
	{
		values[COL_ALG] = CStringGetTextDatum(sct_alg_name(proof->alg));
		nulls[COL_ALG] = false;
	}
	if (reason != SCT_MISSING && proof->has_iat)
	{
		values[COL_IAT] = TimestampTzGetDatum(proof->iat - UNIX_EPOCH_OFFSET);
		nulls[COL_IAT] = false;
	}
	if (reason != SCT_OK)
	{
		/* a key that proved nothing must not look like one that did */
		values[COL_ERROR] = CStringGetTextDatum(sct_reason_error(reason));
		nulls[COL_ERROR] = false;
		values[COL_REASON] = CStringGetTextDatum(sct_reason_word(reason));
		nulls[COL_REASON] = false;
		return HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls));
	}

	values[COL_JKT] =
		PointerGetDatum(cstring_to_text_with_len(proof->jkt, SCT_JKT_LEN));
	nulls[COL_JKT] = false;
	jti = utf8_to_text(proof->jti, proof->jti_len);
	values[COL_JTI] = PointerGetDatum(jti);
	nulls[COL_JTI] = jti == NULL;
	if (proof->nonce != NULL)
	{
		values[COL_NONCE] =
			PointerGetDatum(cstring_to_text_with_len(proof->nonce,
													 (int) proof->nonce_len));
		nulls[COL_NONCE] = false;
	}
	if (proof->ath != NULL)
	{
		values[COL_ATH] =
			PointerGetDatum(cstring_to_text_with_len(proof->ath,
													 (int) proof->ath_len));
		nulls[COL_ATH] = false;
	}
	values[COL_JWK] =
		PointerGetDatum(cstring_to_text_with_len(canonical,
												 (int) sct_jwk_canonical(&proof->jwk,
																		 canonical)));
	nulls[COL_JWK] = false;
	values[COL_CLAIMS] = PointerGetDatum(utf8_to_json(proof->claims,
													  proof->claims_len));
	nulls[COL_CLAIMS] = false;
	return HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls));
}

Datum
sctoken_dpop_verify(PG_FUNCTION_ARGS)
{
	SctDpopRequest request = {0};
	SctDpopProof *proof;
	char		normal[SCT_URI_MAX_LEN + 1];
	char		ath[SCT_JKT_LEN];
	text	   *arg;
	TimestampTz now;
	SctReason	reason = SCT_OK;

	for (int i = 1; i <= 2; i++)
	{
		if (PG_ARGISNULL(i))
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"%s\" must not be null",
							i == 1 ? "htm" : "htu")));
	}
	arg = PG_GETARG_TEXT_PP(1);
	request.htm = VARDATA_ANY(arg);
	request.htm_len = VARSIZE_ANY_EXHDR(arg);
	check_htm(request.htm, request.htm_len);

	arg = PG_GETARG_TEXT_PP(2);
	if (VARSIZE_ANY_EXHDR(arg) > SCT_URI_MAX_LEN ||
		sct_uri_normalize(VARDATA_ANY(arg), VARSIZE_ANY_EXHDR(arg),
						  normal, &request.htu_len) != SCT_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" is not an absolute http or https URI",
						"htu")));
	if (!sct_dpop_allow_http && strncmp(normal, "http:", 5) == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" is not an https URI", "htu"),
				 errdetail("The setting \"%s\" is off.",
						   "sctoken.dpop_allow_http")));
	request.htu = normal;

	if (!PG_ARGISNULL(4))
	{
		arg = PG_GETARG_TEXT_PP(4);
		request.jkt = VARDATA_ANY(arg);
		request.jkt_len = VARSIZE_ANY_EXHDR(arg);
	}
	request.max_age = interval_argument(fcinfo, 5, "max_age", USECS_PER_SEC,
										DPOP_MAX_MAX_AGE * USECS_PER_SEC,
										sct_dpop_max_age * USECS_PER_SEC);
	request.future_skew = interval_argument(fcinfo, 6, "future_skew", 0,
											DPOP_MAX_FUTURE_SKEW * USECS_PER_SEC,
											sct_dpop_future_skew * USECS_PER_SEC);
	request.algs = PG_ARGISNULL(7) ? setting_algs :
		algs_from_array(PG_GETARG_ARRAYTYPE_P(7));

	/* the wall clock: a transaction may have begun long ago */
	now = PG_ARGISNULL(8) ? GetCurrentTimestamp() : PG_GETARG_TIMESTAMPTZ(8);
	if (TIMESTAMP_NOT_FINITE(now) || now > DPOP_MAX_AT)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" is out of range", "at")));
	request.now = now + UNIX_EPOCH_OFFSET;

	if (PG_ARGISNULL(0))
		return dpop_result(fcinfo, SCT_MISSING, NULL);

	/* an access token comes from the wire too: no error, but a verdict */
	if (!PG_ARGISNULL(3))
	{
		arg = PG_GETARG_TEXT_PP(3);
		reason = sct_dpop_ath(VARDATA_ANY(arg), VARSIZE_ANY_EXHDR(arg), ath);
		request.ath = ath;
	}

	proof = palloc(sizeof(SctDpopProof));
	proof->has_alg = false;
	proof->has_iat = false;
	if (reason == SCT_OK)
	{
		arg = PG_GETARG_TEXT_PP(0);
		reason = sct_dpop_verify(VARDATA_ANY(arg), VARSIZE_ANY_EXHDR(arg),
								 &request, proof);
	}
	if (reason == SCT_INTERNAL)
		elog(ERROR, "libcrypto failed");
	return dpop_result(fcinfo, reason, proof);
}
