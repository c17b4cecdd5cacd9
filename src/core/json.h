/*
 * json.h
 *		A JSON text as a bounded flat tree, read by PostgreSQL's own parser.
 *
 * Stricter than RFC 8259 where two readers could disagree on what a text says:
 * an object with two members of one (unescaped) name is refused at every level,
 * and so are invalid UTF-8, a byte order mark, \u0000 and lone surrogates.
 * Strings come out as UTF-8 whatever the encoding of the database.
 */
#ifndef SCT_JSON_H
#define SCT_JSON_H

#include "reason.h"

#define SCT_JSON_MAX_LEN	65536	/* bytes of text */
#define SCT_JSON_MAX_DEPTH	16		/* objects and arrays inside one another */
#define SCT_JSON_MAX_NODES	256		/* values of any kind, the root included */

typedef enum SctJsonType
{
	SCT_JSON_NULL,
	SCT_JSON_FALSE,
	SCT_JSON_TRUE,
	SCT_JSON_NUMBER,
	SCT_JSON_STRING,
	SCT_JSON_ARRAY,
	SCT_JSON_OBJECT
} SctJsonType;

typedef struct SctJsonNode
{
	SctJsonType type;
	int			parent;			/* index of the array or object around it; -1 for the root */
	const char *name;			/* member name, unescaped, NUL-terminated; NULL in an array */
	size_t		name_len;
	const char *value;			/* STRING: unescaped; NUMBER: as written; else NULL */
	size_t		value_len;		/* a NUL follows value and is not counted */
} SctJsonNode;

typedef struct SctJson
{
	int			count;
	SctJsonNode nodes[SCT_JSON_MAX_NODES];	/* in document order; [0] is the root */
} SctJson;

/* Bytes of work space that a text of len bytes needs at most. */
#define SCT_JSON_SPACE(len)	(2 * (size_t) (len) + 2 * SCT_JSON_MAX_NODES + 2)

/*
 * Parses text (len bytes, no NUL needed).  space holds SCT_JSON_SPACE(len) bytes
 * and must live as long as *json, whose strings point into it.
 * SCT_JSON, SCT_JSON_DUPLICATE or SCT_JSON_LIMIT when it is refused; *json must
 * not be read then.
 */
extern SctReason sct_json_parse(const char *text, size_t len, char *space,
								SctJson *json);

/* The member called name of the object, or NULL. */
extern const SctJsonNode *sct_json_member(const SctJson *json,
										  const SctJsonNode *object,
										  const char *name);

/* Is node a string, and equal to the NUL-terminated text?  NULL is not. */
extern bool sct_json_string_is(const SctJsonNode *node, const char *text);

#endif							/* SCT_JSON_H */
