/*
 * scope.h
 *		Subsets of scope (RFC 6749 3.3) and audience (RFC 8707).
 */
#ifndef SCT_SCOPE_H
#define SCT_SCOPE_H

#include "utils/array.h"

/* Is it scope-tokens with one space between each two? */
extern bool sct_scope_is_valid(const text *scope);

/* Is every scope-token of requested in granted?  granted NULL has none. */
extern bool sct_scope_is_subset(const text *requested, const text *granted);

/* Is it one-dimensional, not empty, and without null and empty elements? */
extern bool sct_audience_is_valid(ArrayType *audience);

/* The same for resources; requested is valid. */
extern bool sct_audience_is_subset(ArrayType *requested, ArrayType *granted);

#endif							/* SCT_SCOPE_H */
