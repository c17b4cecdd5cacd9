/*
 * transaction.h
 *		What a transaction that sctoken wrote in must do when it ends.
 */
#ifndef SCT_TRANSACTION_H
#define SCT_TRANSACTION_H

/* It wrote: PREPARE TRANSACTION is refused from now on. */
extern void sct_transaction_wrote(void);

/* It revoked: it commits durably, whatever synchronous_commit says. */
extern void sct_transaction_revoked(void);

#endif							/* SCT_TRANSACTION_H */
