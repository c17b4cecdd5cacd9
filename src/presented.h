/*
 * presented.h
 *		What a client presents with a call of issue or rotate besides its token:
 *		a confirmation that the caller has verified, a DPoP proof, a certificate.
 */
#ifndef SCT_PRESENTED_H
#define SCT_PRESENTED_H

#include "binding.h"
#include "dpop_check.h"
#include "grant.h"

/* Arguments in a row: dpop_proof, htm, htu, certificate */
typedef struct Presented
{
	Binding		binding;		/* everything that was proven */
	Jsonb	   *cnf;			/* the same; NULL: nothing */
	char	   *x5t;			/* thumbprint of the certificate; NULL: none presented */
	DpopCheck  *proof;			/* NULL: none was presented */
	text	   *next_nonce;		/* to be handed out; NULL: none */
} Presented;

/*
 * Reads the arguments; an error for what a caller must not pass.  proof_argno is
 * that of dpop_proof.  strict: unknown members of cnf are an error.
 */
extern void sct_presented_read(Presented *presented, FunctionCallInfo fcinfo,
							   int cnf_argno, int proof_argno, bool strict);

/*
 * Verifies the proof and its nonce, and adds its key and the certificate to the
 * binding, each of which must agree with what the caller has verified.  Writes
 * nothing.  False with *outcome and *reason when it does not hold.
 */
extern bool sct_presented_examine(Presented *presented, const Policy *policy,
								  Outcome *outcome, const char **reason);

/*
 * Remembers the proof, so that it is accepted once: the last of all checks that
 * can fail.  False with *outcome and *reason when it was known.
 */
extern bool sct_presented_record(Presented *presented, Outcome *outcome,
								 const char **reason);

#endif							/* SCT_PRESENTED_H */
