/*
 * token_binding.c
 *		Token Binding (RFC 8471, RFC 8473) called from SQL.  Legacy, see
 *		doc/token_binding.md.
 */
#include "sctoken.h"

#include "access/htup_details.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/builtins.h"

#include "core/base64url.h"
#include "core/token_binding.h"

/* Columns of what sctoken.token_binding_verify() gives */
enum
{
	COL_VALID,
	COL_REASON,
	COL_PROVIDED_TBH,
	COL_REFERRED_TBH,
	COL_COUNT
};

PG_FUNCTION_INFO_V1(sctoken_token_binding_verify);
PG_FUNCTION_INFO_V1(sctoken_token_binding_from_header);
PG_FUNCTION_INFO_V1(sctoken_token_binding_hash);

/* The keying material of the connection, without which nothing can be verified. */
static const uint8 *
ekm_argument(FunctionCallInfo fcinfo, int argno)
{
	bytea	   *ekm;

	if (PG_ARGISNULL(argno))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", "ekm")));
	ekm = PG_GETARG_BYTEA_PP(argno);
	if (VARSIZE_ANY_EXHDR(ekm) != SCT_TB_EKM_LEN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must have %d bytes", "ekm",
						SCT_TB_EKM_LEN)));
	return (const uint8 *) VARDATA_ANY(ekm);
}

static void
set_tbh(Datum *values, bool *nulls, int column, const char *tbh)
{
	values[column] = PointerGetDatum(cstring_to_text_with_len(tbh, SCT_TBH_LEN));
	nulls[column] = false;
}

Datum
sctoken_token_binding_verify(PG_FUNCTION_ARGS)
{
	bytea	   *message;
	const uint8 *ekm = NULL;
	int			key_parameters = -1;
	SctTokenBindings bindings;
	SctReason	reason;
	TupleDesc	tupdesc;
	Datum		values[COL_COUNT] = {0};
	bool		nulls[COL_COUNT];

	if (PG_ARGISNULL(0))
		PG_RETURN_NULL();
	message = PG_GETARG_BYTEA_PP(0);

	/* where nothing was negotiated there may be no keying material either */
	if (!PG_ARGISNULL(2))
	{
		key_parameters = PG_GETARG_INT32(2);
		ekm = ekm_argument(fcinfo, 1);
	}
	reason = sct_token_binding_verify((const uint8 *) VARDATA_ANY(message),
									  VARSIZE_ANY_EXHDR(message), ekm,
									  key_parameters, &bindings);
	if (reason == SCT_INTERNAL)
		elog(ERROR, "libcrypto failed");

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	memset(nulls, true, sizeof(nulls));
	values[COL_VALID] = BoolGetDatum(reason == SCT_OK);
	nulls[COL_VALID] = false;
	if (reason == SCT_OK)
	{
		set_tbh(values, nulls, COL_PROVIDED_TBH, bindings.provided_tbh);
		if (bindings.has_referred)
			set_tbh(values, nulls, COL_REFERRED_TBH, bindings.referred_tbh);
	}
	else
	{
		values[COL_REASON] = CStringGetTextDatum(sct_reason_word(reason));
		nulls[COL_REASON] = false;
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(tupdesc, values, nulls)));
}

Datum
sctoken_token_binding_from_header(PG_FUNCTION_ARGS)
{
	text	   *value = PG_GETARG_TEXT_PP(0);
	size_t		len = VARSIZE_ANY_EXHDR(value);
	bytea	   *bytes = NULL;
	size_t		bytes_len;

	if (len == 0)
		PG_RETURN_NULL();
	if (len <= SCT_BASE64URL_ENCODED_LEN(SCT_TB_MAX_LEN))
		bytes = palloc(VARHDRSZ + SCT_BASE64URL_DECODED_LEN(len));
	if (bytes == NULL ||
		sct_base64url_decode(VARDATA_ANY(value), len, (uint8 *) VARDATA(bytes),
							 &bytes_len) != SCT_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" is not the value of one Token Binding header",
						"value"),
				 errdetail("It must be base64url without padding, of at most %d bytes.",
						   SCT_TB_MAX_LEN)));
	SET_VARSIZE(bytes, VARHDRSZ + bytes_len);
	PG_RETURN_BYTEA_P(bytes);
}

Datum
sctoken_token_binding_hash(PG_FUNCTION_ARGS)
{
	bytea	   *id = PG_GETARG_BYTEA_PP(0);
	char		tbh[SCT_TBH_LEN];
	SctReason	reason = sct_token_binding_hash((const uint8 *) VARDATA_ANY(id),
												VARSIZE_ANY_EXHDR(id), tbh);

	if (reason == SCT_MALFORMED)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" is not one Token Binding ID",
						"token_binding_id"),
				 errdetail("It must be key_parameters, key_length and a key of that length.")));
	if (reason != SCT_OK)
		elog(ERROR, "libcrypto failed");
	PG_RETURN_TEXT_P(cstring_to_text_with_len(tbh, SCT_TBH_LEN));
}
