/*
 * argument.h
 *		Arguments of SQL functions.
 *
 * Each function gives an error for what a caller must not pass, without repeating
 * it; name is the SQL name of the argument.
 */
#ifndef SCT_ARGUMENT_H
#define SCT_ARGUMENT_H

#include "fmgr.h"
#include "utils/array.h"
#include "utils/jsonb.h"

#define ARGUMENT_MAX_ID		1024	/* bytes of client_id, subject and the like */
#define ARGUMENT_MAX_SCOPE	4096
#define ARGUMENT_MAX_REASON	256
#define ARGUMENT_MAX_JSON	65536

/* A text argument of 1 to max_len bytes; NULL when it is null and may be. */
extern text *sct_argument_text(FunctionCallInfo fcinfo, int argno,
							   const char *name, bool required, size_t max_len);

/* The scope and the resources that a family is to have; NULL when null. */
extern text *sct_argument_scope(FunctionCallInfo fcinfo, int argno);
extern ArrayType *sct_argument_audience(FunctionCallInfo fcinfo, int argno);

/* A jsonb argument of at most ARGUMENT_MAX_JSON bytes; NULL when it is null. */
extern Jsonb *sct_argument_jsonb(FunctionCallInfo fcinfo, int argno,
								 const char *name);

/* The same bytes, whatever a collation says? */
extern bool sct_text_equal(const text *a, const text *b);

#endif							/* SCT_ARGUMENT_H */
