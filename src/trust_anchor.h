/*
 * trust_anchor.h
 *		The CAs and CRLs that clients' certificates are verified with: sets of
 *		sctoken.trust_anchor.
 */
#ifndef SCT_TRUST_ANCHOR_H
#define SCT_TRUST_ANCHOR_H

#include "core/x509_store.h"

/*
 * The store of a set; between sct_query_begin() and sct_query_end().  It is kept
 * for the next calls, belongs to this file, and is good until the next one.
 */
extern SctX509Store *sct_trust_anchor_store(const text *set_name);

#endif							/* SCT_TRUST_ANCHOR_H */
