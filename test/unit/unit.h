/*
 * unit.h
 *		A harness for tests of the core that need no server: each claim is one
 *		line of TAP, the plan comes last, and the exit status tells the verdict.
 */
#ifndef UNIT_H
#define UNIT_H

#include "../../src/compat.h"

static int	unit_count = 0;
static int	unit_failed = 0;

/* Prints the verdict on a claim, a rule in words, whatever becomes of the next. */
static inline void pg_attribute_printf(2, 3)
ok(bool holds, const char *claim,...)
{
	va_list		args;

	printf("%sok %d - ", holds ? "" : "not ", ++unit_count);
	va_start(args, claim);
	vprintf(claim, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	if (!holds)
		unit_failed++;
}

/* Says why a claim failed, or anything else that a reader may want to know. */
static inline void pg_attribute_printf(1, 2)
note(const char *text,...)
{
	va_list		args;

	printf("# ");
	va_start(args, text);
	vprintf(text, args);
	va_end(args);
	printf("\n");
}

/* A claim that cannot be judged, for a reason. */
static inline void
skip(const char *claim, const char *reason)
{
	printf("ok %d - %s # SKIP %s\n", ++unit_count, claim, reason);
}

/*
 * By how much to divide what a test repeats: UNIT_DIVISOR, for where each call takes
 * long, and 1 otherwise.
 */
static inline int
divisor(void)
{
	const char *text = getenv("UNIT_DIVISOR");

	return text != NULL && atoi(text) > 0 ? atoi(text) : 1;
}

/* The plan of a program that has nothing to test; gives its exit status. */
static inline int
skip_all(const char *reason, const char *detail)
{
	printf("1..0 # SKIP %s%s\n", reason, detail);
	return 0;
}

/* Prints the plan; gives the exit status of the program. */
static inline int
done(void)
{
	printf("1..%d\n", unit_count);
	return unit_failed == 0 ? 0 : 1;
}

#endif							/* UNIT_H */
