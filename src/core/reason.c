/*
 * reason.c
 *		The public words of the reasons, see reason.h.
 */
#include "../compat.h"

#include "reason.h"

static const char *const reason_words[] = {
#define X(symbol, word, error) [symbol] = word,
	SCT_REASONS(X)
#undef X
};

static const char *const reason_errors[] = {
#define X(symbol, word, error) [symbol] = error,
	SCT_REASONS(X)
#undef X
};

const char *
sct_reason_word(SctReason reason)
{
	return reason_words[reason];
}

const char *
sct_reason_error(SctReason reason)
{
	return reason_errors[reason];
}
