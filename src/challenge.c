/*
 * challenge.c
 *		What a server says of DPoP before it has seen a proof that it takes: the
 *		WWW-Authenticate challenge (RFC 9449 7.1, 9) and the metadata (5.1).
 *
 * What comes out goes into an HTTP header as it is, so nothing may come in that
 * could end the header or a quoted string in it.
 */
#include "sctoken.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/varlena.h"

#include "core/jws.h"

/* Arguments of sctoken.dpop_challenge */
enum
{
	ARG_ERROR,
	ARG_ALGS,
	ARG_NONCE,
	ARG_ERROR_DESCRIPTION,
	ARG_REALM,
	ARG_SCOPE
};

/* Algorithms in the order in which they are announced, each once. */
typedef struct AlgList
{
	int			count;
	SctAlg		algs[SCT_ALG_COUNT];
	SctAlgSet	seen;
} AlgList;

PG_FUNCTION_INFO_V1(sctoken_dpop_challenge);
PG_FUNCTION_INFO_V1(sctoken_dpop_metadata);

/* False when there is no algorithm of this name. */
static bool
list_add(AlgList *list, const char *name, size_t len)
{
	SctAlg		alg;

	if (!sct_alg_lookup(name, len, &alg))
		return false;
	if ((list->seen & SCT_ALG_BIT(alg)) == 0)
		list->algs[list->count++] = alg;
	list->seen |= SCT_ALG_BIT(alg);
	return true;
}

/* What sctoken.dpop_algs names, in the order of the setting. */
static void
list_from_setting(AlgList *list)
{
	List	   *names;
	ListCell   *lc;

	memset(list, 0, sizeof(AlgList));
	if (!SplitGUCList(pstrdup(sct_dpop_algs), ',', &names))
		elog(ERROR, "setting \"%s\" is no list", "sctoken.dpop_algs");
	foreach(lc, names)
		(void) list_add(list, lfirst(lc), strlen(lfirst(lc)));
}

static void
list_from_array(ArrayType *array, AlgList *list)
{
	Datum	   *names;
	bool	   *nulls;
	int			count;

	memset(list, 0, sizeof(AlgList));
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT,
					  &names, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		if (nulls[i] ||
			!list_add(list, VARDATA_ANY(DatumGetPointer(names[i])),
					  VARSIZE_ANY_EXHDR(DatumGetPointer(names[i]))))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("argument \"%s\" names an unknown signature algorithm",
							"algs")));
	}
}

/* The start of an auth-param: its name, after what separates it. */
static void
begin_param(StringInfo buf, int *params, const char *name)
{
	appendStringInfo(buf, "%s%s=\"", (*params)++ == 0 ? " " : ", ", name);
}

/*
 * An auth-param of printable ASCII as a quoted-string (RFC 9110 5.6.4); none when
 * the argument is null.
 */
static void
append_param(StringInfo buf, int *params, const char *name,
			 FunctionCallInfo fcinfo, int argno)
{
	text	   *value;

	if (PG_ARGISNULL(argno))
		return;
	value = PG_GETARG_TEXT_PP(argno);
	begin_param(buf, params, name);
	for (size_t i = 0; i < VARSIZE_ANY_EXHDR(value); i++)
	{
		char		c = VARDATA_ANY(value)[i];

		/* char may be signed, or not */
		if (c < 0x20 || c > 0x7e)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("argument \"%s\" must be printable ASCII", name)));
		if (c == '"' || c == '\\')
			appendStringInfoChar(buf, '\\');
		appendStringInfoChar(buf, c);
	}
	appendStringInfoChar(buf, '"');
}

/* 1*NQCHAR (RFC 9449 8.1) */
static void
check_nonce(text *nonce)
{
	bool		valid = VARSIZE_ANY_EXHDR(nonce) > 0;

	for (size_t i = 0; valid && i < VARSIZE_ANY_EXHDR(nonce); i++)
	{
		char		c = VARDATA_ANY(nonce)[i];

		valid = c > 0x20 && c <= 0x7e && c != '"' && c != '\\';
	}
	if (!valid)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" is not a nonce", "nonce"),
				 errdetail("It must consist of printable ASCII characters other than space, quote and backslash.")));
}

Datum
sctoken_dpop_challenge(PG_FUNCTION_ARGS)
{
	StringInfoData buf;
	AlgList		list;
	int			params = 0;

	if (PG_ARGISNULL(ARG_ALGS))
		list_from_setting(&list);
	else
		list_from_array(PG_GETARG_ARRAYTYPE_P(ARG_ALGS), &list);

	initStringInfo(&buf);
	appendStringInfoString(&buf, "DPoP");
	append_param(&buf, &params, "realm", fcinfo, ARG_REALM);

	/* the nonce itself has a header of its own (RFC 9449 9) */
	if (!PG_ARGISNULL(ARG_NONCE))
		check_nonce(PG_GETARG_TEXT_PP(ARG_NONCE));
	if (PG_ARGISNULL(ARG_ERROR) && !PG_ARGISNULL(ARG_NONCE))
	{
		begin_param(&buf, &params, "error");
		appendStringInfoString(&buf, "use_dpop_nonce\"");
	}
	else
		append_param(&buf, &params, "error", fcinfo, ARG_ERROR);
	append_param(&buf, &params, "error_description", fcinfo, ARG_ERROR_DESCRIPTION);
	append_param(&buf, &params, "scope", fcinfo, ARG_SCOPE);
	if (list.count > 0)
	{
		begin_param(&buf, &params, "algs");
		for (int i = 0; i < list.count; i++)
			appendStringInfo(&buf, "%s%s", i == 0 ? "" : " ",
							 sct_alg_name(list.algs[i]));
		appendStringInfoChar(&buf, '"');
	}
	PG_RETURN_TEXT_P(cstring_to_text_with_len(buf.data, buf.len));
}

Datum
sctoken_dpop_metadata(FunctionCallInfo fcinfo pg_attribute_unused())
{
	StringInfoData buf;
	AlgList		list;

	list_from_setting(&list);
	initStringInfo(&buf);

	/* a member with an empty array must be left out (RFC 8414 3.2) */
	for (int i = 0; i < list.count; i++)
		appendStringInfo(&buf, "%s\"%s\"",
						 i == 0 ? "{\"dpop_signing_alg_values_supported\": [" : ", ",
						 sct_alg_name(list.algs[i]));
	appendStringInfoString(&buf, list.count > 0 ? "]}" : "{}");
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(buf.data));
}
