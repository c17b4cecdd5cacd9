/*
 * secret.h
 *		The server's secrets, and the keys that are derived from them.
 */
#ifndef SCT_SECRET_H
#define SCT_SECRET_H

#include "core/crypto.h"

typedef struct ServerSecret
{
	uint8		id;				/* the key id in tokens */
	bool		compromised;
	uint8		mac_key[SCT_SHA256_LEN];
	uint8		successor_key[SCT_SHA256_LEN];
	uint8		nonce_key[SCT_SHA256_LEN];
	bool		takes_nonces;	/* of the table the current one and the one before
								 * it, of the file all; none compromised */
} ServerSecret;

/*
 * All are to be called between sct_query_begin() and sct_query_end().  They copy
 * into *secret, which the caller wipes.
 */

/* The secret of a key id; false when there is none. */
extern bool sct_secret_find(uint8 id, ServerSecret *secret);

/*
 * The secret that makes new tokens; makes the first one.  False when another
 * session is about to make it and does not come to an end.
 */
extern bool sct_secret_current(ServerSecret *secret);

#endif							/* SCT_SECRET_H */
