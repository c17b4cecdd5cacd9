/*
 * argument.c
 *		Arguments of SQL functions, see argument.h.
 */
#include "sctoken.h"

#include "utils/builtins.h"

#include "argument.h"
#include "scope.h"

bool
sct_text_equal(const text *a, const text *b)
{
	size_t		len = VARSIZE_ANY_EXHDR(a);

	return VARSIZE_ANY_EXHDR(b) == len &&
		memcmp(VARDATA_ANY(a), VARDATA_ANY(b), len) == 0;
}

text *
sct_argument_text(FunctionCallInfo fcinfo, int argno, const char *name,
				  bool required, size_t max_len)
{
	text	   *value;

	if (PG_ARGISNULL(argno))
	{
		if (required)
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"%s\" must not be null", name)));
		return NULL;
	}
	value = PG_GETARG_TEXT_PP(argno);
	if (VARSIZE_ANY_EXHDR(value) == 0 || VARSIZE_ANY_EXHDR(value) > max_len)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must have 1 to %zu bytes", name, max_len)));
	return value;
}

text *
sct_argument_scope(FunctionCallInfo fcinfo, int argno)
{
	text	   *scope = sct_argument_text(fcinfo, argno, "scope", false,
										  ARGUMENT_MAX_SCOPE);

	if (scope != NULL && !sct_scope_is_valid(scope))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" is not a scope", "scope"),
				 errdetail("It must be scope tokens (RFC 6749 section 3.3) with one space between them.")));
	return scope;
}

ArrayType *
sct_argument_audience(FunctionCallInfo fcinfo, int argno)
{
	ArrayType  *audience;

	if (PG_ARGISNULL(argno))
		return NULL;
	audience = PG_GETARG_ARRAYTYPE_P(argno);
	if (!sct_audience_is_valid(audience))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be a list of 1 to 64 resources",
						"audience")));
	return audience;
}

Jsonb *
sct_argument_jsonb(FunctionCallInfo fcinfo, int argno, const char *name)
{
	Jsonb	   *value;

	if (PG_ARGISNULL(argno))
		return NULL;
	value = PG_GETARG_JSONB_P(argno);
	if (VARSIZE(value) > ARGUMENT_MAX_JSON)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must have at most %d bytes", name,
						ARGUMENT_MAX_JSON)));
	return value;
}
