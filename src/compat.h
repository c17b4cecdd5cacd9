/*
 * compat.h
 *		The one place that knows of PostgreSQL's versions, and of whether this is
 *		compiled for the server or, with -DFRONTEND, for the core's own tests.
 *
 * PostgreSQL 15 to 19.
 */
#ifndef SCT_COMPAT_H
#define SCT_COMPAT_H

#ifdef FRONTEND
#include "postgres_fe.h"
#else
#include "postgres.h"
#endif

/* a program's functions for encodings have names of their own since 17 */
#if defined(FRONTEND) && PG_VERSION_NUM >= 160000
#define USE_PRIVATE_ENCODING_FUNCS
#endif

#include "common/jsonapi.h"

#if PG_VERSION_NUM < 150000
#error sctoken needs PostgreSQL 15 or later
#endif

/* jsonapi: actions return a verdict since 16; the lexer is caller's since 17 */
#if PG_VERSION_NUM >= 160000
#define SCT_JSON_ACTION		JsonParseErrorType
#define SCT_JSON_CONTINUE	return JSON_SUCCESS
#else
#define SCT_JSON_ACTION		void
#define SCT_JSON_CONTINUE	return
#endif

/* A lexer over text, which hands out strings unescaped and in encoding. */
static inline JsonLexContext *
sct_json_lex_make(char *text, size_t len, int encoding)
{
#if PG_VERSION_NUM >= 170000
	return makeJsonLexContextCstringLen(NULL, text, len, encoding, true);
#else
	return makeJsonLexContextCstringLen(text, (int) len, encoding, true);
#endif
}

static inline void
sct_json_lex_free(JsonLexContext *lex)
{
#if PG_VERSION_NUM >= 170000
	freeJsonLexContext(lex);
#else
	pfree(lex->strval->data);
	pfree(lex->strval);
	pfree(lex);
#endif
}

#ifndef FRONTEND

#include <limits.h>				/* FETCH_ALL */

#include "utils/jsonb.h"

#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* pg_attribute_noreturn() until 17 */
#if PG_VERSION_NUM < 180000
#define pg_noreturn			_Noreturn
#endif

/* A Jsonb that grows, and is in result at last: core's own state since 19 */
#if PG_VERSION_NUM >= 190000
typedef JsonbInState SctJsonbState;
#else
typedef struct SctJsonbState
{
	JsonbParseState *parseState;
	JsonbValue *result;
} SctJsonbState;
#endif

static inline void
sct_jsonb_push(SctJsonbState *state, JsonbIteratorToken token, JsonbValue *value)
{
#if PG_VERSION_NUM >= 190000
	pushJsonbValue(state, token, value);
#else
	state->result = pushJsonbValue(&state->parseState, token, value);
#endif
}

#if PG_VERSION_NUM >= 180000
#define SCT_MODULE_MAGIC \
	PG_MODULE_MAGIC_EXT(.name = "sctoken", .version = SCTOKEN_VERSION)
#else
#define SCT_MODULE_MAGIC	PG_MODULE_MAGIC
#endif

/* memory of GUC extra values is malloc'd before 16, guc_malloc'd since */
#if PG_VERSION_NUM >= 160000
#define sct_guc_malloc(size)	guc_malloc(LOG, (size))
#else
#define sct_guc_malloc(size)	malloc(size)
#endif

/* Runs all of a portal at top level; whether once is not asked since 18. */
#if PG_VERSION_NUM >= 180000
#define sct_portal_run(portal, dest) \
	PortalRun((portal), FETCH_ALL, true, (dest), (dest), NULL)
#else
#define sct_portal_run(portal, dest) \
	PortalRun((portal), FETCH_ALL, true, true, (dest), (dest), NULL)
#endif

#endif							/* !FRONTEND */

#endif							/* SCT_COMPAT_H */
