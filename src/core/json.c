/*
 * json.c
 *		A JSON text as a bounded flat tree, see json.h.
 *
 * PostgreSQL's parser knows JSON's grammar; what it leaves open is settled
 * here before it runs.  In the server it turns \u escapes into the encoding of
 * the database, may throw while it does so, and recurses once per level.  So it
 * is given a copy of the text in which every code point above ASCII stands as
 * UTF-8 and whose depth is known: nothing that it meets depends on the
 * database, and nothing makes it throw but a lack of memory.
 *
 * The copy and after it the unescaped strings fill the caller's work space.  No
 * string is longer than its spelling in the copy, and each node has at most a
 * name and a value with a NUL after it, which gives SCT_JSON_SPACE.
 */
#include "../compat.h"

#include "mb/pg_wchar.h"

#include "json.h"

#define ESCAPE_LEN	6			/* \uXXXX */

typedef struct JsonState
{
	SctJson    *json;
	SctReason	reason;			/* the first refusal; what follows is ignored */
	int			parent;			/* innermost open array or object, or -1 */
	const char *name;			/* of the member whose value comes next */
	size_t		name_len;
	char	   *free;			/* unused part of the work space */
} JsonState;

/* Reads the XXXX of \uXXXX, of which len bytes are there. */
static bool
read_escape(const char *escape, size_t len, pg_wchar *code)
{
	if (len < ESCAPE_LEN || escape[0] != '\\' || escape[1] != 'u')
		return false;
	*code = 0;
	for (int i = 2; i < ESCAPE_LEN; i++)
	{
		char		c = escape[i];

		*code <<= 4;
		if (c >= '0' && c <= '9')
			*code |= c - '0';
		else if (c >= 'a' && c <= 'f')
			*code |= c - 'a' + 10;
		else if (c >= 'A' && c <= 'F')
			*code |= c - 'A' + 10;
		else
			return false;
	}
	return true;
}

/*
 * Copies the escape that starts with the backslash at *src and moves both
 * pointers past it: a \u escape from U+0080 up as UTF-8, any other as it is.
 */
static SctReason
copy_escape(const char **src, const char *end, char **dst)
{
	const char *escape = *src;
	size_t		len = end - escape;
	pg_wchar	code;
	pg_wchar	second;

	if (len < 2)
		return SCT_JSON;
	if (escape[1] != 'u')
	{
		/* two bytes at once, or the second of \\ would seem to start one */
		memcpy(*dst, escape, 2);
		*dst += 2;
		*src += 2;
		return SCT_OK;
	}

	if (!read_escape(escape, len, &code) || code == 0)
		return SCT_JSON;
	*src += ESCAPE_LEN;
	if (code < 0x80)
	{
		memcpy(*dst, escape, ESCAPE_LEN);
		*dst += ESCAPE_LEN;
		return SCT_OK;
	}
	if (is_utf16_surrogate_second(code))
		return SCT_JSON;
	if (is_utf16_surrogate_first(code))
	{
		if (!read_escape(*src, end - *src, &second) ||
			!is_utf16_surrogate_second(second))
			return SCT_JSON;
		*src += ESCAPE_LEN;
		code = surrogate_pair_to_codepoint(code, second);
	}
	unicode_to_utf8(code, (unsigned char *) *dst);
	*dst += pg_encoding_mblen(PG_UTF8, *dst);
	return SCT_OK;
}

/*
 * Copies the text for the parser, with the checks that have to come before it.
 */
static SctReason
prepare(const char *text, size_t len, char *copy, size_t *copy_len)
{
	const char *src = text;
	const char *end = text + len;
	char	   *dst = copy;
	bool		in_string = false;
	int			depth = 0;

	/* refuses NUL as well */
	if (pg_encoding_verifymbstr(PG_UTF8, text, (int) len) != (int) len)
		return SCT_JSON;

	/* RFC 8259 8.1 leaves it to us whether to ignore a byte order mark */
	if (len >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
		return SCT_JSON;

	while (src < end)
	{
		char		c = *src;

		if (in_string && c == '\\')
		{
			SctReason	reason = copy_escape(&src, end, &dst);

			if (reason != SCT_OK)
				return reason;
			continue;
		}
		if (c == '"')
			in_string = !in_string;
		else if (!in_string && (c == '{' || c == '['))
		{
			if (++depth > SCT_JSON_MAX_DEPTH)
				return SCT_JSON_LIMIT;
		}
		else if (!in_string && (c == '}' || c == ']'))
			depth--;
		*dst++ = c;
		src++;
	}
	*copy_len = dst - copy;
	return SCT_OK;
}

/* Copies a string that the parser handed over, and lets go of it. */
static const char *
keep_string(JsonState *state, char *string, size_t *len)
{
	char	   *kept = state->free;

	*len = strlen(string);
	memcpy(kept, string, *len + 1);
	state->free += *len + 1;
	pfree(string);
	return kept;
}

/* May another node come?  If not, the text is refused. */
static bool
has_room(JsonState *state)
{
	if (state->reason == SCT_OK && state->json->count >= SCT_JSON_MAX_NODES)
		state->reason = SCT_JSON_LIMIT;
	return state->reason == SCT_OK;
}

/* Adds a node of this type; NULL when the text is refused. */
static SctJsonNode *
add_node(JsonState *state, SctJsonType type)
{
	SctJsonNode *node;

	if (!has_room(state))
		return NULL;
	node = &state->json->nodes[state->json->count++];
	node->type = type;
	node->parent = state->parent;
	node->name = state->name;
	node->name_len = state->name_len;
	node->value = NULL;
	node->value_len = 0;
	state->name = NULL;
	state->name_len = 0;
	return node;
}

static void
open_node(JsonState *state, SctJsonType type)
{
	SctJsonNode *node = add_node(state, type);

	if (node != NULL)
		state->parent = (int) (node - state->json->nodes);
}

static void
close_node(JsonState *state)
{
	if (state->reason == SCT_OK)
		state->parent = state->json->nodes[state->parent].parent;
}

static SCT_JSON_ACTION
on_object_start(void *arg)
{
	open_node(arg, SCT_JSON_OBJECT);
	SCT_JSON_CONTINUE;
}

static SCT_JSON_ACTION
on_array_start(void *arg)
{
	open_node(arg, SCT_JSON_ARRAY);
	SCT_JSON_CONTINUE;
}

static SCT_JSON_ACTION
on_end(void *arg)
{
	close_node(arg);
	SCT_JSON_CONTINUE;
}

static SCT_JSON_ACTION
on_field(void *arg, char *name, bool isnull pg_attribute_unused())
{
	JsonState  *state = arg;
	SctJson    *json = state->json;

	if (!has_room(state))
	{
		pfree(name);
		SCT_JSON_CONTINUE;
	}
	state->name = keep_string(state, name, &state->name_len);
	for (int i = state->parent + 1; i < json->count; i++)
	{
		SctJsonNode *node = &json->nodes[i];

		if (node->parent == state->parent &&
			node->name_len == state->name_len &&
			memcmp(node->name, state->name, state->name_len) == 0)
			state->reason = SCT_JSON_DUPLICATE;
	}
	SCT_JSON_CONTINUE;
}

static SctJsonType
scalar_type(JsonTokenType token_type)
{
	switch (token_type)
	{
		case JSON_TOKEN_STRING:
			return SCT_JSON_STRING;
		case JSON_TOKEN_NUMBER:
			return SCT_JSON_NUMBER;
		case JSON_TOKEN_TRUE:
			return SCT_JSON_TRUE;
		case JSON_TOKEN_FALSE:
			return SCT_JSON_FALSE;
		default:
			return SCT_JSON_NULL;
	}
}

static SCT_JSON_ACTION
on_scalar(void *arg, char *token, JsonTokenType token_type)
{
	JsonState  *state = arg;
	SctJsonType type = scalar_type(token_type);
	SctJsonNode *node = add_node(state, type);

	if (node != NULL && (type == SCT_JSON_STRING || type == SCT_JSON_NUMBER))
		node->value = keep_string(state, token, &node->value_len);
	else
		pfree(token);
	SCT_JSON_CONTINUE;
}

SctReason
sct_json_parse(const char *text, size_t len, char *space, SctJson *json)
{
	JsonState	state = {0};
	JsonSemAction actions = {0};
	JsonLexContext *lex;
	JsonParseErrorType parsed;
	size_t		copy_len;
	SctReason	reason;

	json->count = 0;
	if (len > SCT_JSON_MAX_LEN)
		return SCT_JSON_LIMIT;
	reason = prepare(text, len, space, &copy_len);
	if (reason != SCT_OK)
		return reason;

	state.json = json;
	state.reason = SCT_OK;
	state.parent = -1;
	state.free = space + copy_len;
	actions.semstate = &state;
	actions.object_start = on_object_start;
	actions.object_end = on_end;
	actions.array_start = on_array_start;
	actions.array_end = on_end;
	actions.object_field_start = on_field;
	actions.scalar = on_scalar;

	lex = sct_json_lex_make(space, copy_len, PG_UTF8);
	parsed = pg_parse_json(lex, &actions);
	sct_json_lex_free(lex);

	/*
	 * A limit or a duplicate came before whatever stopped the parser, which
	 * goes on after them.
	 */
	if (state.reason != SCT_OK)
		return state.reason;
	return parsed == JSON_SUCCESS ? SCT_OK : SCT_JSON;
}

const SctJsonNode *
sct_json_member(const SctJson *json, const SctJsonNode *object,
				const char *name)
{
	size_t		len = strlen(name);
	int			parent;

	if (object == NULL || object->type != SCT_JSON_OBJECT)
		return NULL;
	parent = (int) (object - json->nodes);
	for (int i = parent + 1; i < json->count; i++)
	{
		const SctJsonNode *node = &json->nodes[i];

		if (node->parent == parent && node->name_len == len &&
			memcmp(node->name, name, len) == 0)
			return node;
	}
	return NULL;
}

bool
sct_json_string_is(const SctJsonNode *node, const char *text)
{
	return node != NULL && node->type == SCT_JSON_STRING &&
		node->value_len == strlen(text) &&
		memcmp(node->value, text, node->value_len) == 0;
}
