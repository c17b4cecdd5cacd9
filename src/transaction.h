/*
 * transaction.h
 *		What a transaction that used sctoken must do when it ends.
 */
#ifndef SCT_TRANSACTION_H
#define SCT_TRANSACTION_H

#include "utils/uuid.h"

/* It took one of our locks: PREPARE TRANSACTION is refused from now on. */
extern void sct_transaction_locked(void);

/* It revoked: it commits durably, whatever synchronous_commit says. */
extern void sct_transaction_revoked(void);

/* It revoked a family for reuse, and says so: a rollback must not go unseen. */
extern void sct_transaction_answered_reuse(const pg_uuid_t *family_id);

#endif							/* SCT_TRANSACTION_H */
