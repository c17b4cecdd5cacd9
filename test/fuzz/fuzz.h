/*
 * fuzz.h
 *		What the harnesses have in common.
 *
 * A harness does more than to see that nothing crashes: it states what must hold
 * for every input, and ends the program where it does not.  What it does depends
 * on the input alone, keys included, so that an input that was found says it all.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "../../src/compat.h"

#include <openssl/err.h>
#include <openssl/rand.h>

#include "../unit/memory_context.h"

/* What libFuzzer calls */
extern int	LLVMFuzzerInitialize(int *argc, char ***argv);
extern int	LLVMFuzzerTestOneInput(const uint8 *data, size_t size);

/* The part of an input that is not read yet */
typedef struct Input
{
	const uint8 *at;
	size_t		len;
} Input;

/* Of the bytes that stand for random ones */
static uint64 same_state = 0;

/* States what holds for every input. */
static inline void
must(bool holds, const char *claim)
{
	if (!holds)
	{
		fprintf(stderr, "does not hold: %s\n", claim);
		abort();
	}
}

/* The beginning of each input */
static inline Input
input_of(const uint8 *data, size_t size)
{
	Input		input = {data, size};

	same_state = 0;
	return input;
}

/* The next byte, 0 at the end */
static inline uint8
take_byte(Input *input)
{
	if (input->len == 0)
		return 0;
	input->len--;
	return *input->at++;
}

/* A number of that many bytes */
static inline uint64
take_number(Input *input, int bytes)
{
	uint64		number = 0;

	while (bytes-- > 0)
		number = number << 8 | take_byte(input);
	return number;
}

/* So many bytes, or all of it */
static inline Input
take(Input *input, size_t len)
{
	Input		part = {input->at, len < input->len ? len : input->len};

	input->at += part.len;
	input->len -= part.len;
	return part;
}

/* What stands before the next such byte, which is skipped, or all of it */
static inline Input
take_until(Input *input, uint8 end)
{
	const uint8 *found = input->len == 0 ? NULL :
		memchr(input->at, end, input->len);
	Input		part = take(input, found == NULL ? input->len :
							(size_t) (found - input->at));

	if (found != NULL)
		take_byte(input);
	return part;
}

/*
 * A copy in memory of that size and no more, so that the sanitizer sees each byte
 * too many.  The caller frees it.
 */
static inline void *
exact(const void *data, size_t len)
{
	void	   *copy = malloc(len);

	if (len > 0)
		memcpy(copy, data, len);
	return copy;
}

/* FNV-1a: a choice that depends on the input, and on each bit of it */
static inline uint32
choice(const void *data, size_t len)
{
	uint32		hash = 2166136261U;

	for (size_t i = 0; i < len; i++)
		hash = (uint32) ((hash ^ ((const uint8 *) data)[i]) * UINT64CONST(16777619));
	return hash;
}

/* The end of each input: nothing stays behind. */
static inline int
done_with_input(void)
{
	must(ERR_peek_error() == 0, "OpenSSL's error queue is empty");
	memory_context_reset();
	return 0;
}

/* splitmix64, from its beginning for each input */
static inline int
same_bytes(unsigned char *bytes, int count)
{
	for (int i = 0; i < count; i++)
	{
		uint64		z = (same_state += UINT64CONST(0x9E3779B97F4A7C15));

		z = (z ^ (z >> 30)) * UINT64CONST(0xBF58476D1CE4E5B9);
		z = (z ^ (z >> 27)) * UINT64CONST(0x94D049BB133111EB);
		bytes[i] = (unsigned char) (z ^ (z >> 31));
	}
	return 1;
}

/* Makes OpenSSL's keys and signatures the same each time. */
static inline void
without_randomness(void)
{
	static const RAND_METHOD method = {
		.bytes = same_bytes, .pseudorand = same_bytes
	};

	RAND_set_rand_method(&method);
}

#endif							/* FUZZ_H */
