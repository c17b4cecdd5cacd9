/*
 * dpop.h
 *		DPoP proofs called from SQL: settings and their limits.
 */
#ifndef SCT_DPOP_H
#define SCT_DPOP_H

#include "utils/guc.h"

#define DPOP_MAX_MAX_AGE		600 /* seconds */
#define DPOP_MAX_FUTURE_SKEW	60	/* seconds */

/* GUC hooks of sctoken.dpop_algs */
extern bool sct_dpop_check_algs(char **newval, void **extra, GucSource source);
extern void sct_dpop_assign_algs(const char *newval, void *extra);

#endif							/* SCT_DPOP_H */
