/*
 * scope.c
 *		Subsets of scope and audience, see scope.h.
 *
 * What is requested comes from the wire: nothing that is longer than what was
 * granted is looked at any further, which bounds the work.
 */
#include "sctoken.h"

#include "catalog/pg_type.h"
#include "utils/array.h"

#include "argument.h"
#include "scope.h"

#define MAX_AUDIENCE	64		/* elements */

/* The length of the scope-token that p begins. */
static size_t
scope_token_len(const char *p, const char *end)
{
	const char *space = memchr(p, ' ', end - p);

	return (space != NULL ? space : end) - p;
}

bool
sct_scope_is_valid(const text *scope)
{
	const char *p = VARDATA_ANY(scope);
	const char *end = p + VARSIZE_ANY_EXHDR(scope);
	bool		in_token = false;

	for (; p < end; p++)
	{
		if (*p == ' ' && !in_token)
			return false;
		in_token = *p != ' ';
		if (in_token &&
			(*p < 0x21 || *p > 0x7e || *p == '"' || *p == '\\'))
			return false;
	}
	return in_token;
}

typedef struct ScopeToken
{
	const char *text;
	size_t		len;
} ScopeToken;

static int
scope_token_compare(const void *a, const void *b)
{
	const ScopeToken *x = a;
	const ScopeToken *y = b;
	int			order = memcmp(x->text, y->text, Min(x->len, y->len));

	if (order != 0)
		return order;
	return x->len < y->len ? -1 : x->len > y->len ? 1 : 0;
}

/* The scope-tokens of a scope, in the order of scope_token_compare(). */
static ScopeToken *
scope_sort(const text *scope, int *count)
{
	const char *p = VARDATA_ANY(scope);
	const char *end = p + VARSIZE_ANY_EXHDR(scope);
	ScopeToken *tokens = palloc((VARSIZE_ANY_EXHDR(scope) / 2 + 1) * sizeof(ScopeToken));

	*count = 0;
	while (p < end)
	{
		tokens[*count].text = p;
		tokens[*count].len = scope_token_len(p, end);
		p += tokens[*count].len + 1;
		(*count)++;
	}
	qsort(tokens, *count, sizeof(ScopeToken), scope_token_compare);
	return tokens;
}

bool
sct_scope_is_subset(const text *requested, const text *granted)
{
	const char *p = VARDATA_ANY(requested);
	const char *end = p + VARSIZE_ANY_EXHDR(requested);
	ScopeToken *tokens;
	int			count;

	if (granted == NULL ||
		VARSIZE_ANY_EXHDR(requested) > VARSIZE_ANY_EXHDR(granted) ||
		!sct_scope_is_valid(requested))
		return false;
	tokens = scope_sort(granted, &count);
	while (p < end)
	{
		ScopeToken	token = {p, scope_token_len(p, end)};

		if (bsearch(&token, tokens, count, sizeof(ScopeToken),
					scope_token_compare) == NULL)
			return false;
		p += token.len + 1;
	}
	return true;
}

bool
sct_audience_is_valid(ArrayType *audience)
{
	Datum	   *elements;
	bool	   *nulls;
	int			count;

	if (ARR_NDIM(audience) != 1 || ARR_DIMS(audience)[0] > MAX_AUDIENCE)
		return false;
	deconstruct_array(audience, TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		if (nulls[i] || VARSIZE_ANY_EXHDR(DatumGetPointer(elements[i])) == 0)
			return false;
	}
	return true;
}

bool
sct_audience_is_subset(ArrayType *requested, ArrayType *granted)
{
	Datum	   *r;
	Datum	   *g;
	int			r_count;
	int			g_count;

	if (granted == NULL || !sct_audience_is_valid(requested) ||
		ARR_DIMS(requested)[0] > ARR_DIMS(granted)[0])
		return false;
	deconstruct_array(requested, TEXTOID, -1, false, TYPALIGN_INT, &r, NULL, &r_count);
	deconstruct_array(granted, TEXTOID, -1, false, TYPALIGN_INT, &g, NULL, &g_count);
	for (int i = 0; i < r_count; i++)
	{
		bool		found = false;

		for (int j = 0; j < g_count && !found; j++)
			found = sct_text_equal(DatumGetTextPP(r[i]), DatumGetTextPP(g[j]));
		if (!found)
			return false;
	}
	return true;
}
