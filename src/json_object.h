/*
 * json_object.h
 *		A JSON object, member by member.
 */
#ifndef SCT_JSON_OBJECT_H
#define SCT_JSON_OBJECT_H

#include "utils/array.h"

/* Begin, then call one of these for each member, and end. */
typedef SctJsonbState JsonObject;

extern void sct_json_object_begin(JsonObject *object);
extern Jsonb *sct_json_object_end(JsonObject *object);

extern void sct_json_object_bool(JsonObject *object, const char *name, bool value);
extern void sct_json_object_integer(JsonObject *object, const char *name, int64 value);

/* value / 10^6 */
extern void sct_json_object_seconds(JsonObject *object, const char *name,
									int64 microseconds);
extern void sct_json_object_string(JsonObject *object, const char *name,
								   const char *value, size_t len);

/* No member for NULL. */
extern void sct_json_object_text(JsonObject *object, const char *name,
								 const text *value);
extern void sct_json_object_texts(JsonObject *object, const char *name,
								  ArrayType *values);
extern void sct_json_object_jsonb(JsonObject *object, const char *name,
								  Jsonb *value);

#endif							/* SCT_JSON_OBJECT_H */
