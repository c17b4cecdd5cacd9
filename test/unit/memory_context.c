/*
 * memory_context.c
 *		What a memory context of the server does for the core, see
 *		memory_context.h.
 *
 * PostgreSQL's JSON parser forgets its strings when it meets an error: in the
 * server their memory goes with the context that it is in.  Here each piece stays
 * known, so that it is no leak, and a leak of the core itself is not lost among
 * such.  The linker puts these functions in the place of those they are named for
 * (--wrap).
 */
#include "../../src/compat.h"

#include "memory_context.h"

extern void *__real_palloc(Size size);
extern void *__real_palloc0(Size size);
extern char *__real_pstrdup(const char *string);
extern void *__real_repalloc(void *pointer, Size size);
extern void __real_pfree(void *pointer);

extern void *__wrap_palloc(Size size);
extern void *__wrap_palloc0(Size size);
extern char *__wrap_pstrdup(const char *string);
extern void *__wrap_repalloc(void *pointer, Size size);
extern void __wrap_pfree(void *pointer);

static void **pieces = NULL;
static int	count = 0;
static int	room = 0;

static void *
keep(void *piece)
{
	if (count == room)
	{
		room = room == 0 ? 64 : 2 * room;
		pieces = realloc(pieces, room * sizeof(void *));
		if (pieces == NULL)
			abort();
	}
	pieces[count++] = piece;
	return piece;
}

/* What goes first is mostly what came last. */
static void
forget(const void *piece)
{
	for (int i = count - 1; i >= 0; i--)
	{
		if (pieces[i] == piece)
		{
			pieces[i] = pieces[--count];
			return;
		}
	}
}

void *
__wrap_palloc(Size size)
{
	return keep(__real_palloc(size));
}

void *
__wrap_palloc0(Size size)
{
	return keep(__real_palloc0(size));
}

char *
__wrap_pstrdup(const char *string)
{
	return keep(__real_pstrdup(string));
}

void *
__wrap_repalloc(void *pointer, Size size)
{
	forget(pointer);
	return keep(__real_repalloc(pointer, size));
}

void
__wrap_pfree(void *pointer)
{
	forget(pointer);
	__real_pfree(pointer);
}

int
memory_context_reset(void)
{
	int			freed = count;

	while (count > 0)
		__real_pfree(pieces[--count]);
	return freed;
}
