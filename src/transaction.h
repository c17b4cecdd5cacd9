/*
 * transaction.h
 *		What a transaction that used sctoken must do when it ends.
 */
#ifndef SCT_TRANSACTION_H
#define SCT_TRANSACTION_H

/* It took one of our locks: PREPARE TRANSACTION is refused from now on. */
extern void sct_transaction_locked(void);

/* It revoked: it commits durably, whatever synchronous_commit says. */
extern void sct_transaction_revoked(void);

#endif							/* SCT_TRANSACTION_H */
