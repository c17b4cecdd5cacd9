/*
 * interval.h
 *		Lengths of time, and the moment from which others count it.
 */
#ifndef SCT_INTERVAL_H
#define SCT_INTERVAL_H

#include "utils/timestamp.h"

/* Seconds from 1970-01-01, where JWT and UUIDv7 count from, to 2000-01-01 */
#define UNIX_EPOCH_SECONDS \
	((POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * (int64) SECS_PER_DAY)

/*
 * An interval in microseconds: a day is 24 hours, a month 30 days.  Not by
 * timestamptz arithmetic, whose answer depends on the session's time zone.
 * False when it does not fit.
 */
extern bool sct_interval_microseconds(const Interval *interval, int64 *result);

#endif							/* SCT_INTERVAL_H */
