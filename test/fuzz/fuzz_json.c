/*
 * fuzz_json.c
 *		JSON: a text that is accepted says the same when its tree is written again,
 *		whatever way it is spelled.
 */
#include "fuzz.h"

#include "mb/pg_wchar.h"

#include "../../src/core/json.h"

/* All that a tree needs */
typedef struct Parsed
{
	SctJson		json;
	char	   *space;
	SctReason	reason;
} Parsed;

typedef enum Spelling
{
	SHORTEST,
	ESCAPED,					/* each character of a string as \u */
	WIDE,						/* white space wherever it may be */
	SPELLINGS
} Spelling;

static Parsed *
parse(const char *text, size_t len)
{
	Parsed	   *parsed = malloc(sizeof(Parsed));
	char	   *copy = exact(text, len);

	parsed->space = malloc(SCT_JSON_SPACE(len));
	parsed->reason = sct_json_parse(copy, len, parsed->space, &parsed->json);
	must(parsed->reason == SCT_OK || parsed->reason == SCT_JSON ||
		 parsed->reason == SCT_JSON_DUPLICATE || parsed->reason == SCT_JSON_LIMIT,
		 "a text is JSON, or one of three things");
	free(copy);
	return parsed;
}

static void
release(Parsed *parsed)
{
	free(parsed->space);
	free(parsed);
}

static char *
write_string(char *at, const char *value, size_t len, Spelling spelling)
{
	const unsigned char *c = (const unsigned char *) value;
	const unsigned char *end = c + len;

	*at++ = '"';
	while (c < end)
	{
		int			width = pg_utf_mblen(c);
		pg_wchar	code = utf8_to_unicode(c);

		if (spelling == ESCAPED && code >= 0x10000)
			at += sprintf(at, "\\u%04x\\u%04X",
						  (unsigned int) (0xD800 + ((code - 0x10000) >> 10)),
						  (unsigned int) (0xDC00 + ((code - 0x10000) & 0x3FF)));
		else if (spelling == ESCAPED || code < 0x20 || code == '"' || code == '\\')
			at += sprintf(at, "\\u%04x", (unsigned int) code);
		else
		{
			memcpy(at, c, width);
			at += width;
		}
		c += width;
	}
	*at++ = '"';
	return at;
}

/* Writes a node and all below it. */
static char *
write_node(char *at, const SctJson *json, int index, Spelling spelling)
{
	const SctJsonNode *node = &json->nodes[index];
	const char *blank = spelling == WIDE ? " \t\r\n" : "";
	bool		first = true;

	switch (node->type)
	{
		case SCT_JSON_NULL:
			return at + sprintf(at, "null");
		case SCT_JSON_FALSE:
			return at + sprintf(at, "false");
		case SCT_JSON_TRUE:
			return at + sprintf(at, "true");
		case SCT_JSON_NUMBER:
			return at + sprintf(at, "%s", node->value);
		case SCT_JSON_STRING:
			return write_string(at, node->value, node->value_len, spelling);
		case SCT_JSON_ARRAY:
		case SCT_JSON_OBJECT:
			break;
	}
	*at++ = node->type == SCT_JSON_OBJECT ? '{' : '[';
	for (int i = index + 1; i < json->count; i++)
	{
		if (json->nodes[i].parent != index)
			continue;
		at += sprintf(at, "%s%s%s", blank, first ? "" : ",", blank);
		first = false;
		if (node->type == SCT_JSON_OBJECT)
		{
			at = write_string(at, json->nodes[i].name, json->nodes[i].name_len,
							  spelling);
			at += sprintf(at, "%s:%s", blank, blank);
		}
		at = write_node(at, json, i, spelling);
	}
	at += sprintf(at, "%s", blank);
	*at++ = node->type == SCT_JSON_OBJECT ? '}' : ']';
	return at;
}

static bool
same_text(const char *a, size_t a_len, const char *b, size_t b_len)
{
	if (a == NULL || b == NULL)
		return a == b;
	return a_len == b_len && memcmp(a, b, a_len) == 0;
}

static bool
same_tree(const SctJson *a, const SctJson *b)
{
	if (a->count != b->count)
		return false;
	for (int i = 0; i < a->count; i++)
	{
		const SctJsonNode *x = &a->nodes[i];
		const SctJsonNode *y = &b->nodes[i];

		if (x->type != y->type || x->parent != y->parent ||
			!same_text(x->name, x->name_len, y->name, y->name_len) ||
			!same_text(x->value, x->value_len, y->value, y->value_len))
			return false;
	}
	return true;
}

/* What json.h says of a tree */
static void
check_tree(const SctJson *json)
{
	must(json->count >= 1 && json->count <= SCT_JSON_MAX_NODES,
		 "a tree has a root, and no more nodes than fit");
	for (int i = 0; i < json->count; i++)
	{
		const SctJsonNode *node = &json->nodes[i];
		const SctJsonNode *parent;
		bool		has_value = node->type == SCT_JSON_STRING ||
			node->type == SCT_JSON_NUMBER;

		must(has_value == (node->value != NULL), "strings and numbers have a value");
		must(!has_value || strlen(node->value) == node->value_len,
			 "a value has a NUL behind it and none in it");
		if (i == 0)
		{
			must(node->parent == -1, "the root is nobody's child");
			continue;
		}
		must(node->parent >= 0 && node->parent < i,
			 "an array or object is before what it holds");
		parent = &json->nodes[node->parent];
		must(parent->type == SCT_JSON_ARRAY || parent->type == SCT_JSON_OBJECT,
			 "only they hold anything");
		must((parent->type == SCT_JSON_OBJECT) == (node->name != NULL),
			 "members have names, elements have none");
		must(node->name == NULL ||
			 (strlen(node->name) == node->name_len &&
			  sct_json_member(json, parent, node->name) == node),
			 "a member is found by its name, which no other has");
	}
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	Input		input = input_of(data, size);
	Parsed	   *first = parse((const char *) input.at, input.len);
	Parsed	   *again = parse((const char *) input.at, input.len);

	must(first->reason == again->reason, "a verdict is the same each time");
	if (first->reason == SCT_OK)
	{
		char	   *text = malloc(8 * input.len + 32 * SCT_JSON_MAX_NODES);

		must(same_tree(&first->json, &again->json), "and so is the tree");
		check_tree(&first->json);
		for (Spelling spelling = SHORTEST; spelling < SPELLINGS; spelling++)
		{
			size_t		len = write_node(text, &first->json, 0, spelling) - text;
			Parsed	   *written = parse(text, len);

			must(written->reason == SCT_OK || len > SCT_JSON_MAX_LEN,
				 "a tree can be written");
			must(written->reason != SCT_OK ||
				 same_tree(&first->json, &written->json),
				 "and read again");
			release(written);
		}
		free(text);
	}
	release(again);
	release(first);
	return done_with_input();
}
