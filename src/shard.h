/*
 * shard.h
 *		The one of many databases that this one is (sctoken.shard).
 */
#ifndef SCT_SHARD_H
#define SCT_SHARD_H

#include "utils/guc.h"
#include "utils/uuid.h"

/* The check and assign hooks of the setting */
extern bool sct_shard_check(char **newval, void **extra, GucSource source);
extern void sct_shard_assign(const char *newval, void *extra);

/* Is this the database of the family? */
extern bool sct_shard_is_here(const pg_uuid_t *family_id);

#endif							/* SCT_SHARD_H */
