/*
 * interval.c
 *		Lengths of time, see interval.h.
 */
#include "sctoken.h"

#include "common/int.h"

#include "interval.h"


bool
sct_interval_microseconds(const Interval *interval, int64 *result)
{
	int64		days;
	int64		microseconds;

	/* int32 months and days cannot overflow 64 bits here */
	days = (int64) interval->month * DAYS_PER_MONTH + interval->day;
	return !pg_mul_s64_overflow(days, USECS_PER_DAY, &microseconds) &&
		!pg_add_s64_overflow(microseconds, interval->time, result);
}
