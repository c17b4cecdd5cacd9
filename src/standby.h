/*
 * standby.h
 *		What a hot standby can know of what was written on its primary.
 */
#ifndef SCT_STANDBY_H
#define SCT_STANDBY_H

#include "access/xlogdefs.h"

/*
 * Is this a standby that has not replayed the WAL up to here yet?  Ask before
 * reading: what it has replayed since does no harm.  A primary lacks nothing, also
 * when the position is that of another one which was lost.
 */
extern bool sct_standby_lacks(XLogRecPtr position);

#endif							/* SCT_STANDBY_H */
