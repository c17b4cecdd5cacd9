/*
 * interval.h
 *		Lengths of time.
 */
#ifndef SCT_INTERVAL_H
#define SCT_INTERVAL_H

#include "utils/timestamp.h"

/*
 * An interval in microseconds: a day is 24 hours, a month 30 days.  Not by
 * timestamptz arithmetic, whose answer depends on the session's time zone.
 * False when it does not fit.
 */
extern bool sct_interval_microseconds(const Interval *interval, int64 *result);

#endif							/* SCT_INTERVAL_H */
