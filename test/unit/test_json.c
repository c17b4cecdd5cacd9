/*
 * test_json.c
 *		JSON texts that mean one thing to every reader, within bounds.
 */
#include "unit.h"

#include "../../src/core/json.h"

static SctJson tree;
static char space[SCT_JSON_SPACE(SCT_JSON_MAX_LEN)];

/*
 * Parses a copy that ends where its memory ends, and work space of just the
 * promised size, so that the sanitizer sees each byte too far.
 */
static SctReason
parse(const char *text, size_t len)
{
	char	   *exact = malloc(len > 0 ? len : 1);
	char	   *work = malloc(SCT_JSON_SPACE(len));
	SctReason	reason;

	memcpy(exact, text, len);
	reason = sct_json_parse(exact, len, work, &tree);
	free(work);
	free(exact);
	if (reason == SCT_OK)
		reason = sct_json_parse(text, len, space, &tree);
	return reason;
}

static void
verdict(const char *text, size_t len, SctReason expected, const char *claim)
{
	SctReason	reason = parse(text, len);

	ok(reason == expected, "%s", claim);
	if (reason != expected)
		note("got %d, expected %d", reason, expected);
}

static void
valid(const char *text, const char *claim)
{
	verdict(text, strlen(text), SCT_OK, claim);
}

static void
refused(const char *text, const char *claim)
{
	verdict(text, strlen(text), SCT_JSON, claim);
}

static void
duplicate(const char *text, const char *claim)
{
	verdict(text, strlen(text), SCT_JSON_DUPLICATE, claim);
}

/* Is text a string that reads as value? */
static void
string_is(const char *text, const char *value, const char *claim)
{
	SctReason	reason = parse(text, strlen(text));

	ok(reason == SCT_OK && sct_json_string_is(&tree.nodes[0], value) &&
	   tree.nodes[0].value[tree.nodes[0].value_len] == '\0', "%s", claim);
}

/* count copies of unit between prefix and suffix */
static char *
repeat(const char *prefix, const char *unit, int count, const char *suffix)
{
	size_t		unit_len = strlen(unit);
	char	   *text = malloc(strlen(prefix) + unit_len * count +
							  strlen(suffix) + 1);
	char	   *end = text;

	end += strlen(strcpy(end, prefix));
	for (int i = 0; i < count; i++)
		end += strlen(strcpy(end, unit));
	strcpy(end, suffix);
	return text;
}

static void
verdict_repeated(const char *prefix, const char *unit, int count,
				 const char *suffix, SctReason expected, const char *claim)
{
	char	   *text = repeat(prefix, unit, count, suffix);

	verdict(text, strlen(text), expected, claim);
	free(text);
}

static void
tree_shape(void)
{
	const char *text =
		"{\"a\": [1, {\"b\": null}], \"c\": {\"a\": true}, \"\": -1.5e+3}";
	const SctJsonNode *root = &tree.nodes[0];
	const SctJsonNode *array;
	const SctJsonNode *node;

	valid(text, "objects and arrays nest");
	ok(tree.count == 8, "each value is a node");
	ok(root->type == SCT_JSON_OBJECT && root->parent == -1 &&
	   root->name == NULL && root->value == NULL, "the root is the first");
	array = sct_json_member(&tree, root, "a");
	ok(array != NULL && array->type == SCT_JSON_ARRAY && array->parent == 0,
	   "a member is found by its name");
	ok(array == &tree.nodes[1] && tree.nodes[2].type == SCT_JSON_NUMBER &&
	   tree.nodes[2].parent == 1 && tree.nodes[2].name == NULL,
	   "elements follow their array and have no name");
	node = sct_json_member(&tree, &tree.nodes[3], "b");
	ok(node == &tree.nodes[4] && node->type == SCT_JSON_NULL &&
	   node->value == NULL, "an object in an array has members of its own");
	node = sct_json_member(&tree, sct_json_member(&tree, root, "c"), "a");
	ok(node != NULL && node->type == SCT_JSON_TRUE,
	   "a name may come again in another object");
	ok(sct_json_member(&tree, root, "b") == NULL,
	   "a member of an inner object is none of the outer");
	node = sct_json_member(&tree, root, "");
	ok(node != NULL && node->type == SCT_JSON_NUMBER && node->name_len == 0 &&
	   node->value_len == 7 && strcmp(node->value, "-1.5e+3") == 0,
	   "the empty name is a name, and a number stays as written");
	ok(sct_json_member(&tree, array, "a") == NULL,
	   "an array has no members");
	ok(sct_json_member(&tree, NULL, "a") == NULL,
	   "nothing has no members");
	ok(!sct_json_string_is(NULL, "a") &&
	   !sct_json_string_is(&tree.nodes[2], "1"),
	   "neither nothing nor a number is a string");
	ok(sct_json_member(&tree, root, "d") == NULL, "an absent member is NULL");
}

static void
scalars(void)
{
	valid("null", "a root scalar is JSON");
	ok(tree.count == 1 && tree.nodes[0].type == SCT_JSON_NULL, "null is null");
	valid("true", "true is JSON");
	ok(tree.nodes[0].type == SCT_JSON_TRUE, "true is true");
	valid("false", "false is JSON");
	ok(tree.nodes[0].type == SCT_JSON_FALSE, "false is false");
	valid("1700000000", "a number is JSON");
	ok(tree.nodes[0].type == SCT_JSON_NUMBER &&
	   strcmp(tree.nodes[0].value, "1700000000") == 0,
	   "a number at the end of the text ends there");
	valid("1e400", "a number beyond every type stays text");
	valid("-0", "minus zero is a number");
	valid("\"\"", "the empty string is JSON");
	ok(tree.nodes[0].value != NULL && tree.nodes[0].value_len == 0,
	   "the empty string has a value of no length");
	valid(" \t\r\n{ \"a\" : 1 }\n", "white space may stand around tokens");

	refused("", "nothing is no JSON");
	refused("   ", "white space alone is no JSON");
	refused("NaN", "NaN is no number");
	refused("Infinity", "Infinity is no number");
	refused("-Infinity", "-Infinity is no number");
	refused("+1", "a leading plus is no number");
	refused("01", "a leading zero is no number");
	refused("0x10", "hexadecimal is no number");
	refused("1.", "a dot without digits is no number");
	refused(".5", "digits are needed before the dot");
	refused("1e", "an exponent needs digits");
	refused("-", "a sign alone is no number");
	refused("1_000", "digits are not grouped");
	refused("True", "literals are in lower case");
	refused("nul", "a literal is whole");
	refused("nullx", "a literal ends where it ends");
}

static void
grammar(void)
{
	refused("{", "an object is closed");
	refused("[", "an array is closed");
	refused("]", "nothing is closed that is not open");
	refused("]]]]]]]]]]]]]]]]]]]][[[[[[[[[[[[[[[[[[[[",
			"brackets the wrong way round are refused");
	refused("{]", "what opens as an object closes as one");
	refused("{\"a\":1,}", "no comma comes before a brace");
	refused("[1,]", "no comma comes before a bracket");
	refused("[,1]", "no comma comes first");
	refused("[1 2]", "a comma stands between elements");
	refused("{\"a\" 1}", "a colon follows a name");
	refused("{\"a\":}", "a value follows a colon");
	refused("{a:1}", "names have quotes");
	refused("{'a':1}", "quotes are double");
	refused("{1:1}", "names are strings");
	refused("{\"a\":1}x", "nothing follows the root");
	refused("{\"a\":1}{\"a\":1}", "a text is one value");
	refused("{\"a\":1} null", "a text is one value, of any kind");
	refused("/* c */{}", "there are no comments");
	refused("{}// c", "there are no line comments");
	refused("# c\n{}", "there are no hash comments");
	refused("\f{}", "form feed is no white space");
	refused("\v{}", "vertical tab is no white space");
	refused("\xc2\xa0{}", "no-break space is no white space");
	refused("{\"a\":undefined}", "undefined is no value");
	refused("{\"a\":1", "a text that ends early is refused");
	refused("\"a", "a string is closed");
	refused("{\"a", "a name is closed");
}

static void
strings(void)
{
	string_is("\"dpop\\u002bjwt\"", "dpop+jwt", "ASCII escapes are read");
	string_is("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"", "\"\\/\b\f\n\r\t",
			  "the eight short escapes are read");
	string_is("\"\\u0001\\u001f\"", "\001\037",
			  "a control character may stand as an escape");
	string_is("\"\\u0022\\u005c\"", "\"\\",
			  "an escaped quote or backslash does not end the string");
	string_is("\"\\u007F\"", "\x7f", "U+007F is ASCII");
	string_is("\"\\u0080\"", "\xc2\x80", "U+0080 is two bytes");
	string_is("\"\\u00E9\\u00e9\"", "\xc3\xa9\xc3\xa9",
			  "escapes are read in either case");
	string_is("\"\\u07ff\\u0800\"", "\xdf\xbf\xe0\xa0\x80",
			  "U+07FF is two bytes, U+0800 three");
	string_is("\"\\ud7ff\\ue000\"", "\xed\x9f\xbf\xee\x80\x80",
			  "what stands around the surrogates is no surrogate");
	string_is("\"\\uffff\"", "\xef\xbf\xbf", "U+FFFF is three bytes");
	string_is("\"\\ud800\\udc00\"", "\xf0\x90\x80\x80",
			  "the first pair of surrogates is U+10000");
	string_is("\"\\uDBFF\\uDFFF\"", "\xf4\x8f\xbf\xbf",
			  "the last pair of surrogates is U+10FFFF");
	string_is("\"\\ud83d\\ude00x\"", "\xf0\x9f\x98\x80x",
			  "a pair of surrogates is one character");
	string_is("\"t\xc3\xb6k\"", "t\xc3\xb6k", "UTF-8 stays UTF-8");
	string_is("\"\\\\u00e9\"", "\\u00e9",
			  "an escaped backslash starts no escape");
	string_is("\"\\\\\\u00e9\"", "\\\xc3\xa9",
			  "an escape follows an escaped backslash");
	string_is("\"\\\\\\\\\"", "\\\\", "two escaped backslashes are two");
	string_is("\"[[[[[[[[[[[[[[[[[[[[{\"", "[[[[[[[[[[[[[[[[[[[[{",
			  "brackets in a string open nothing");
	string_is("\"\\\"[[[[[[[[[[[[[[[[[[[[\"", "\"[[[[[[[[[[[[[[[[[[[[",
			  "an escaped quote does not end the string for the depth");
	string_is("\"\x7f\"", "\x7f", "DEL is no control character for JSON");

	refused("\"\\ud800\"", "a first surrogate alone is refused");
	refused("\"\\udc00\"", "a second surrogate alone is refused");
	refused("\"\\ud800\\ud800\"", "two first surrogates are refused");
	refused("\"\\udc00\\ud800\"", "surrogates in the wrong order are refused");
	refused("\"\\ud800x\"", "a first surrogate before a letter is refused");
	refused("\"\\ud800\\n\"", "a first surrogate before an escape is refused");
	refused("\"\\ud800\\u0041\"", "a first surrogate before \\u is refused");
	refused("\"\\ud800\\", "a text that ends in a surrogate is refused");
	refused("\"\\ud800\\udc0", "a text that ends in its second is refused");
	refused("\"\\u0000\"", "U+0000 is refused");
	refused("\"a\\u0000b\"", "U+0000 inside is refused");
	refused("{\"a\\u0000\":1}", "U+0000 in a name is refused");
	refused("\"\\u12\"", "an escape has four digits");
	refused("\"\\u12g4\"", "an escape has hexadecimal digits");
	refused("\"\\u+123\"", "an escape has no sign");
	refused("\"\\u 123\"", "an escape has no space");
	refused("\"\\u", "a text that ends in an escape is refused");
	refused("\"\\", "a text that ends in a backslash is refused");
	refused("\"\\x41\"", "an unknown escape is refused");
	refused("\"\\U0041\"", "\\U is no escape");
	refused("\"\\'\"", "\\' is no escape");
	refused("\\u007b}", "an escape outside a string is refused");
	refused("\"a\nb\"", "a raw newline in a string is refused");
	refused("\"a\tb\"", "a raw tab in a string is refused");
	refused("\"a\001b\"", "a raw control character is refused");
	verdict("\"a\0b\"", 5, SCT_JSON, "a raw NUL in a string is refused");
	verdict("{}\0", 3, SCT_JSON, "a NUL after the text is refused");
	verdict("\0{}", 3, SCT_JSON, "a NUL before the text is refused");
	verdict("{\0}", 3, SCT_JSON, "a NUL between tokens is refused");
}

static void
encodings(void)
{
	refused("\xef\xbb\xbf{}", "a byte order mark is refused");
	refused("\xef\xbb\xbf", "a byte order mark alone is refused");
	string_is("\"\xef\xbb\xbf\"", "\xef\xbb\xbf",
			  "U+FEFF inside a string is a character");
	refused("\"\xe9\"", "LATIN1 is refused");
	refused("\"\xc3\"", "a character cut short is refused");
	refused("\"\xc3", "a text cut inside a character is refused");
	refused("\"\x80\"", "a continuation alone is refused");
	refused("\"\xc0\xaf\"", "an overlong slash is refused");
	refused("\"\xc0\x80\"", "an overlong NUL is refused");
	refused("\"\xe0\x80\xaf\"", "an overlong slash in three is refused");
	refused("\"\xf0\x80\x80\xaf\"", "an overlong slash in four is refused");
	refused("\"\xed\xa0\x80\"", "a surrogate as UTF-8 is refused");
	refused("\"\xed\xa0\xbd\xed\xb8\x80\"", "CESU-8 is refused");
	refused("\"\xf4\x90\x80\x80\"", "a code point above U+10FFFF is refused");
	refused("\"\xf8\x88\x80\x80\x80\"", "five bytes are refused");
	refused("\"\xff\"", "0xFF is refused");
	refused("{\"\xe9\":1}", "names are UTF-8 too");
	verdict("{\0\"\0a\0\"\0:\0001\0}\0", 14, SCT_JSON, "UTF-16 is refused");
	verdict("\xff\xfe{\0}\0", 6, SCT_JSON, "UTF-16 with a mark is refused");
}

static void
duplicates(void)
{
	duplicate("{\"a\":1,\"a\":2}", "a name comes once in an object");
	duplicate("{\"a\":1,\"b\":2,\"a\":1}", "a name comes once, equal or not");
	duplicate("{\"a\":1,\"\\u0061\":2}", "names are compared unescaped");
	duplicate("{\"\\u00e9\":1,\"\xc3\xa9\":2}",
			  "names are compared as UTF-8");
	duplicate("{\"\":1,\"\":2}", "the empty name comes once");
	duplicate("{\"x\":{\"a\":1,\"a\":2}}", "an inner object counts");
	duplicate("[[{\"a\":1,\"a\":2}]]", "an object in an array counts");
	duplicate("{\"a\":{\"b\":[1,2]},\"c\":[{}],\"a\":2}",
			  "an object remembers its names past inner ones");
	duplicate("{\"a\":1,\"a\":2,\"c\":", "what came first is what is told");
	refused("{\"a\":1,,\"a\":2}", "what came first is what is told, again");
	duplicate("{\"a\":null,\"a\":null}", "null is a value");

	valid("{\"a\":1,\"A\":2}", "names are case-sensitive");
	valid("{\"a\":1,\"ab\":2,\"\":3}", "one name may start another");
	valid("{\"a\":{\"a\":{\"a\":1}}}", "an inner object may use the name");
	valid("[{\"a\":1},{\"a\":1}]", "a sibling may use the name");
	valid("{\"e\\u0301\":1,\"\\u00e9\":2}", "names are not normalised");
}

static void
limits(void)
{
	verdict_repeated("", "[", 16, "]]]]]]]]]]]]]]]]", SCT_OK,
					 "16 levels are read");
	verdict_repeated("", "[", 17, "]]]]]]]]]]]]]]]]]", SCT_JSON_LIMIT,
					 "17 levels are too many");
	verdict_repeated("", "{\"a\":", 17, "1}}}}}}}}}}}}}}}}}", SCT_JSON_LIMIT,
					 "17 objects in each other are too many");
	verdict_repeated("", "[", 60000, "", SCT_JSON_LIMIT,
					 "60000 levels are too many, closed or not");
	verdict_repeated("", "{\"a\":", 13000, "", SCT_JSON_LIMIT,
					 "13000 objects are too many, closed or not");
	verdict_repeated("[", "[],", 100, "[]]", SCT_OK,
					 "arrays beside each other are not deep");

	verdict_repeated("[", "0,", 254, "0]", SCT_OK, "256 values are read");
	ok(tree.count == SCT_JSON_MAX_NODES, "256 values are all in the tree");
	verdict_repeated("[", "0,", 255, "0]", SCT_JSON_LIMIT,
					 "257 values are too many");
	verdict_repeated("[", "\"\",", 20000, "0]", SCT_JSON_LIMIT,
					 "20000 empty strings are too many");
	verdict_repeated("[", "{},", 20000, "0]", SCT_JSON_LIMIT,
					 "20000 empty objects are too many");
	verdict_repeated("[", "[[0],0],", 6000, "0]", SCT_JSON_LIMIT,
					 "values are counted past the end of inner arrays");
	verdict_repeated("{\"a\":1", ",\"a\":1", 9000, "}", SCT_JSON_DUPLICATE,
					 "9000 members of one name are a duplicate");
	verdict_repeated("[", "0,", 255, "0", SCT_JSON_LIMIT,
					 "what came first is told, a limit too");

	verdict_repeated("\"", "a", SCT_JSON_MAX_LEN - 2, "\"", SCT_OK,
					 "65536 bytes are read");
	ok(tree.nodes[0].value_len == SCT_JSON_MAX_LEN - 2,
	   "a long string is whole");
	verdict_repeated("\"", "a", SCT_JSON_MAX_LEN - 1, "\"", SCT_JSON_LIMIT,
					 "65537 bytes are too many");
	verdict_repeated("", " ", SCT_JSON_MAX_LEN, "1", SCT_JSON_LIMIT,
					 "white space counts for the length");
	verdict_repeated("\"", "\\ud83d\\ude00", 5000, "\"", SCT_OK,
					 "a string of escapes shrinks");
	ok(tree.nodes[0].value_len == 20000, "a string of escapes is whole");
	verdict_repeated("\"", "\xf0\x9f\x98\x80", 16000, "\"", SCT_OK,
					 "a string of four-byte characters is read");
}

/* 256 nodes of which each but the root has a name and a value */
static void
full_space(void)
{
	char		text[8192] = "{";
	char	   *end = text + 1;
	bool		found = true;

	for (int i = 0; i < SCT_JSON_MAX_NODES - 1; i++)
		end += sprintf(end, "%s\"%d\":\"v%d\"", i > 0 ? "," : "", i, i);
	strcpy(end, "}");
	valid(text, "the work space holds 255 names and 255 strings");
	for (int i = 0; i < SCT_JSON_MAX_NODES - 1; i++)
	{
		char		name[8];
		char		value[8];

		sprintf(name, "%d", i);
		sprintf(value, "v%d", i);
		if (!sct_json_string_is(sct_json_member(&tree, &tree.nodes[0], name),
								value))
			found = false;
	}
	ok(found, "each of 255 members is found with its value");
	strcpy(end, ",\"x\":1}");
	verdict(text, strlen(text), SCT_JSON_LIMIT, "a 256th member is too much");
}

/* Cut anywhere or with any byte changed, a text may not crash the reader. */
static void
damaged(void)
{
	const char *text =
		"{\"a\\u00e9\\ud83d\\ude00\":[1.5e3,\"\\\\\\\"\",{\"b\":null}],"
		"\"t\xc3\xb6\":\"\\u0041\"}";
	size_t		len = strlen(text);
	bool		cut = true;
	int			alive = 0;
	char		copy[256];

	for (size_t i = 0; i < len; i++)
		cut = cut && parse(text, i) != SCT_OK;
	ok(cut, "a text cut at any place is refused");
	for (size_t i = 0; i < len; i++)
	{
		for (int c = 0; c < 256; c++)
		{
			memcpy(copy, text, len);
			copy[i] = (char) c;
			(void) parse(copy, len);
			alive++;
		}
	}
	ok(alive == (int) len * 256, "a text with any byte changed is answered");
}

int
main(void)
{
	tree_shape();
	scalars();
	grammar();
	strings();
	encodings();
	duplicates();
	limits();
	full_space();
	damaged();
	return done();
}
