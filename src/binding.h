/*
 * binding.h
 *		Confirmations (cnf, RFC 7800 3.1, RFC 9449 6.1, RFC 8705 3.1): what was
 *		presented with a call, and what a family is bound to.
 */
#ifndef SCT_BINDING_H
#define SCT_BINDING_H

#include "fmgr.h"
#include "utils/jsonb.h"

#include "policy.h"

#define BINDING_THUMBPRINT_LEN	43	/* base64url of a SHA-256 */

/*
 * The members that we know.  The last one is legacy (Token Binding,
 * draft-ietf-oauth-token-binding-08): it binds like the others, but meets no
 * required_binding.
 */
typedef enum BindingMember
{
	BINDING_JKT,
	BINDING_X5T_S256,
	BINDING_TBH
} BindingMember;

#define BINDING_MEMBERS	(BINDING_TBH + 1)

typedef struct Binding
{
	bool		has[BINDING_MEMBERS];
	char		thumbprint[BINDING_MEMBERS][BINDING_THUMBPRINT_LEN];
} Binding;

/*
 * Reads a cnf argument; NULL is nothing presented.  An error when it is no object
 * or a known member is no SHA-256 in base64url; for an unknown member, or an
 * object without members, an error when strict, otherwise they are ignored.
 */
extern void sct_binding_parse(Jsonb *cnf, bool strict, Binding *binding);

/* The same of an argument that must name a key or certificate: strict, not null. */
extern void sct_binding_argument(FunctionCallInfo fcinfo, int argno,
								 const char *name, Binding *binding);

/* The cnf of the known members; NULL when there are none. */
extern Jsonb *sct_binding_to_cnf(const Binding *binding);

/* Is nothing there? */
extern bool sct_binding_is_empty(const Binding *binding);

/* Does it have what a policy asks for?  Any is a DPoP key or a certificate. */
extern bool sct_binding_satisfies(const Binding *binding, RequiredBinding required);

/*
 * Does every member of a stored binding equal the presented one?  A stored member
 * that is unknown here is not equal to anything, and a binding without members
 * matches nothing.
 */
extern bool sct_binding_matches(Jsonb *stored, const Binding *presented);

#endif							/* SCT_BINDING_H */
