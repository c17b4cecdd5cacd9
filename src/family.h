/*
 * family.h
 *		The row of a token family, which is all of its state.
 *
 * All functions are to be called between sct_query_begin() and sct_query_end(),
 * and but for the insert under the family's lock.
 */
#ifndef SCT_FAMILY_H
#define SCT_FAMILY_H

#include "utils/array.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/uuid.h"

#include "token.h"

/* NULL pointers are nulls. */
typedef struct Family
{
	pg_uuid_t	id;
	TimestampTz created_at;
	TimestampTz expires_at;
	text	   *client_id;
	text	   *subject;
	text	   *session_id;
	text	   *grant_id;
	text	   *scope;
	ArrayType  *audience;
	Jsonb	   *binding;
	Jsonb	   *details;
	bool		revoked;
	int64		generation;
	TimestampTz rotated_at;
	int32		retries;
	int16		key_id;
	uint8		secret_hash[SCT_SHA256_LEN];
	bool		has_previous_hash;
	uint8		previous_hash[TOKEN_PREVIOUS_HASH_LEN];
	bool		has_salt;
	uint8		salt[TOKEN_SALT_LEN];
} Family;

/*
 * One step from a generation to the next.  Nothing happens unless the row is as
 * the step expects it: see sct_family_advance().
 */
typedef struct FamilyStep
{
	pg_uuid_t	id;
	TimestampTz now;			/* becomes rotated_at; before expires_at */
	int64		generation;		/* of the token presented */
	uint8		secret_hash[SCT_SHA256_LEN];	/* of the token presented */
	const text *client_id;
	Jsonb	   *binding;		/* what the family may be bound to, besides nothing */
	TimestampTz rotated_after;	/* otherwise idle for too long */
	TimestampTz created_after;	/* otherwise too old, or not_before */

	/* the successor */
	int16		key_id;
	uint8		new_hash[SCT_SHA256_LEN];
	const uint8 *salt;			/* NULL: no retry */
} FamilyStep;

/* When the family's id was made, which is when it began; it need not be there. */
extern TimestampTz sct_family_id_time(const pg_uuid_t *id);

extern void sct_family_insert(const Family *family);

/* False when there is no such family.  What pointers of *family show lives as
 * long as the SPI context. */
extern bool sct_family_read(const pg_uuid_t *id, Family *family);

/*
 * Makes the step in one UPDATE, if the row has the generation, hash and client of
 * the step, is not revoked, not expired, and is unbound or bound to exactly the
 * step's binding; false, and nothing done, otherwise.  Fills the columns of
 * *family that do not change.
 */
extern bool sct_family_advance(const FamilyStep *step, Family *family);

/*
 * Each of these is false, and nothing done, when the family is revoked: a bulk
 * revocation takes no family's lock, and may have come after the row was read.
 */

/* Counts a retry. */
extern bool sct_family_count_retry(const pg_uuid_t *id);

/* The current token was used without a rotation; its predecessor's retry ends. */
extern bool sct_family_keep(const pg_uuid_t *id, TimestampTz now);

/* The current token arrived; its predecessor's retry ends. */
extern bool sct_family_confirm(const pg_uuid_t *id);

/* Revokes it, and tells who listens. */
extern bool sct_family_revoke(const pg_uuid_t *id, TimestampTz now,
							  const char *reason);

#endif							/* SCT_FAMILY_H */
