/*
 * memory_context.h
 *		Memory that palloc() gave, and that can be given back as a whole.
 */
#ifndef MEMORY_CONTEXT_H
#define MEMORY_CONTEXT_H

/* Frees what was palloc'd and not pfree'd; how many pieces that were. */
extern int	memory_context_reset(void);

#endif							/* MEMORY_CONTEXT_H */
