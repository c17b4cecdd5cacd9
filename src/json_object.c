/*
 * json_object.c
 *		A JSON object, member by member, see json_object.h.
 */
#include "sctoken.h"

#include "catalog/pg_type.h"
#include "utils/numeric.h"

#include "json_object.h"


static void
push_string(JsonObject *object, JsonbIteratorToken token, const char *text,
			size_t len)
{
	JsonbValue	value;

	value.type = jbvString;
	value.val.string.val = unconstify(char *, text);
	value.val.string.len = (int) len;
	sct_jsonb_push(object, token, &value);
}

static void
push_key(JsonObject *object, const char *name)
{
	push_string(object, WJB_KEY, name, strlen(name));
}

static void
push_numeric(JsonObject *object, const char *name, Numeric number)
{
	JsonbValue	value;

	push_key(object, name);
	value.type = jbvNumeric;
	value.val.numeric = number;
	sct_jsonb_push(object, WJB_VALUE, &value);
}

void
sct_json_object_begin(JsonObject *object)
{
	memset(object, 0, sizeof(*object));
	sct_jsonb_push(object, WJB_BEGIN_OBJECT, NULL);
}

Jsonb *
sct_json_object_end(JsonObject *object)
{
	sct_jsonb_push(object, WJB_END_OBJECT, NULL);
	return JsonbValueToJsonb(object->result);
}

void
sct_json_object_bool(JsonObject *object, const char *name, bool value)
{
	JsonbValue	member;

	push_key(object, name);
	member.type = jbvBool;
	member.val.boolean = value;
	sct_jsonb_push(object, WJB_VALUE, &member);
}

void
sct_json_object_integer(JsonObject *object, const char *name, int64 value)
{
	push_numeric(object, name, int64_to_numeric(value));
}

void
sct_json_object_seconds(JsonObject *object, const char *name, int64 microseconds)
{
	push_numeric(object, name, int64_div_fast_to_numeric(microseconds, 6));
}

void
sct_json_object_string(JsonObject *object, const char *name, const char *value,
					   size_t len)
{
	push_key(object, name);
	push_string(object, WJB_VALUE, value, len);
}

void
sct_json_object_text(JsonObject *object, const char *name, const text *value)
{
	if (value != NULL)
		sct_json_object_string(object, name, VARDATA_ANY(value),
							   VARSIZE_ANY_EXHDR(value));
}

void
sct_json_object_texts(JsonObject *object, const char *name, ArrayType *values)
{
	Datum	   *elements;
	int			count;

	if (values == NULL)
		return;
	deconstruct_array(values, TEXTOID, -1, false, TYPALIGN_INT,
					  &elements, NULL, &count);
	push_key(object, name);
	sct_jsonb_push(object, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < count; i++)
		push_string(object, WJB_ELEM, VARDATA_ANY(DatumGetPointer(elements[i])),
					VARSIZE_ANY_EXHDR(DatumGetPointer(elements[i])));
	sct_jsonb_push(object, WJB_END_ARRAY, NULL);
}

void
sct_json_object_jsonb(JsonObject *object, const char *name, Jsonb *value)
{
	JsonbValue	member;

	if (value == NULL)
		return;
	push_key(object, name);
	if (JB_ROOT_IS_SCALAR(value))
		JsonbExtractScalar(&value->root, &member);
	else
	{
		member.type = jbvBinary;
		member.val.binary.data = &value->root;
		member.val.binary.len = VARSIZE_ANY_EXHDR(value);
	}
	sct_jsonb_push(object, WJB_VALUE, &member);
}
