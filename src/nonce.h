/*
 * nonce.h
 *		Nonces for DPoP proofs (RFC 9449 8, 9) under the server's secrets.
 */
#ifndef SCT_NONCE_GLUE_H
#define SCT_NONCE_GLUE_H

#include "datatype/timestamp.h"

#define NONCE_MIN_STEP	10		/* seconds */
#define NONCE_MAX_STEP	300
#define NONCE_MIN_STEPS 1		/* else one handed out may end at once */
#define NONCE_MAX_STEPS 10

typedef struct NonceVerdict
{
	bool		valid;
	bool		renew;			/* hand out a new one; true too when not valid */
	TimestampTz expires_at;		/* when valid: from then on it is not */
} NonceVerdict;

/* Is a nonce required where neither the call nor a policy says so? */
extern bool sct_nonce_is_required(void);

/*
 * The others are to be called between sct_query_begin() and sct_query_end().  server is
 * a name of 1 to 256 bytes, else 22023; jkt has 43 characters or is NULL.
 */

/*
 * The nonce to hand out now, in the current memory context: for every key when jkt
 * is NULL, else for this one.  Makes the server's first secret, and so may be
 * refused in a read-only transaction (25006) or while another session does so
 * (55P03).
 */
extern text *sct_nonce_make(const char *server, size_t server_len,
							const char *jkt, TimestampTz now);

/*
 * Is a nonce (any bytes) one that this server handed out, for every key or for
 * that of jkt, not too long ago?  Writes nothing.
 */
extern NonceVerdict sct_nonce_check(const char *nonce, size_t len,
									const char *server, size_t server_len,
									const char *jkt, TimestampTz now);

#endif							/* SCT_NONCE_GLUE_H */
