/*
 * binding.c
 *		Confirmations, see binding.h.
 */
#include "sctoken.h"

#include "fmgr.h"

#include "core/base64url.h"
#include "core/crypto.h"
#include "binding.h"
#include "json_object.h"

/* In the order of BindingMember. */
static const char *const member_names[BINDING_MEMBERS] = {
	"jkt", "x5t#S256", "tbh"
};

PG_FUNCTION_INFO_V1(sctoken_cnf_matches);

static int
member_index(const JsonbValue *name)
{
	for (int i = 0; i < BINDING_MEMBERS; i++)
	{
		if (name->val.string.len == (int) strlen(member_names[i]) &&
			memcmp(name->val.string.val, member_names[i], name->val.string.len) == 0)
			return i;
	}
	return -1;
}

static bool
is_thumbprint(const JsonbValue *value)
{
	uint8		digest[SCT_SHA256_LEN];
	size_t		len;

	return value->type == jbvString &&
		value->val.string.len == BINDING_THUMBPRINT_LEN &&
		sct_base64url_decode(value->val.string.val, value->val.string.len,
							 digest, &len) == SCT_OK;
}

/*
 * Reads the members of an object.  Returns the name of the first member that is
 * known but no thumbprint, or NULL; *unknown says whether one was not known.
 */
static const char *
read_members(Jsonb *cnf, Binding *binding, bool *unknown)
{
	JsonbIterator *it = JsonbIteratorInit(&cnf->root);
	JsonbValue	value;
	JsonbIteratorToken token;

	*unknown = false;
	memset(binding, 0, sizeof(Binding));
	while ((token = JsonbIteratorNext(&it, &value, true)) != WJB_DONE)
	{
		int			member;

		if (token != WJB_KEY)
			continue;
		member = member_index(&value);
		(void) JsonbIteratorNext(&it, &value, true);
		if (member < 0)
		{
			*unknown = true;
			continue;
		}
		if (!is_thumbprint(&value))
			return member_names[member];
		binding->has[member] = true;
		memcpy(binding->thumbprint[member], value.val.string.val,
			   BINDING_THUMBPRINT_LEN);
	}
	return NULL;
}

void
sct_binding_parse(Jsonb *cnf, bool strict, Binding *binding)
{
	const char *malformed;
	bool		unknown;

	memset(binding, 0, sizeof(Binding));
	if (cnf == NULL)
		return;
	if (!JB_ROOT_IS_OBJECT(cnf))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be a JSON object", "cnf")));
	malformed = read_members(cnf, binding, &unknown);
	if (malformed != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("member \"%s\" of argument \"%s\" is not a SHA-256 thumbprint in base64url",
						malformed, "cnf")));
	if (strict && unknown)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" has an unknown member", "cnf"),
				 errdetail("A token bound to something that cannot be checked would not be bound."),
				 errhint("Known members are jkt, x5t#S256 and tbh.")));
	if (strict && sct_binding_is_empty(binding))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" has no member", "cnf"),
				 errhint("Use null for a token that is not bound.")));
}

void
sct_binding_argument(FunctionCallInfo fcinfo, int argno, const char *name,
					 Binding *binding)
{
	if (PG_ARGISNULL(argno))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", name)));
	sct_binding_parse(PG_GETARG_JSONB_P(argno), true, binding);
}

Jsonb *
sct_binding_to_cnf(const Binding *binding)
{
	JsonObject	object;

	if (sct_binding_is_empty(binding))
		return NULL;
	sct_json_object_begin(&object);
	for (int i = 0; i < BINDING_MEMBERS; i++)
	{
		if (binding->has[i])
			sct_json_object_string(&object, member_names[i],
								   binding->thumbprint[i], BINDING_THUMBPRINT_LEN);
	}
	return sct_json_object_end(&object);
}

bool
sct_binding_is_empty(const Binding *binding)
{
	for (int i = 0; i < BINDING_MEMBERS; i++)
	{
		if (binding->has[i])
			return false;
	}
	return true;
}

bool
sct_binding_satisfies(const Binding *binding, RequiredBinding required)
{
	switch (required)
	{
		case BINDING_NONE:
			return true;
		case BINDING_DPOP:
			return binding->has[BINDING_JKT];
		case BINDING_MTLS:
			return binding->has[BINDING_X5T_S256];
		case BINDING_ANY:
			/* the two that FAPI 2.0 allows; tbh is neither */
			return binding->has[BINDING_JKT] || binding->has[BINDING_X5T_S256];
	}
	return false;
}

bool
sct_binding_matches(Jsonb *stored, const Binding *presented)
{
	Binding		binding;
	bool		unknown;

	if (!JB_ROOT_IS_OBJECT(stored) ||
		read_members(stored, &binding, &unknown) != NULL || unknown ||
		sct_binding_is_empty(&binding))
		return false;
	for (int i = 0; i < BINDING_MEMBERS; i++)
	{
		if (binding.has[i] &&
			(!presented->has[i] ||
			 !sct_crypto_equal(binding.thumbprint[i], presented->thumbprint[i],
							   BINDING_THUMBPRINT_LEN)))
			return false;
	}
	return true;
}

Datum
sctoken_cnf_matches(PG_FUNCTION_ARGS)
{
	Jsonb	   *presented;
	Binding		binding;
	bool		unknown;

	/* never null: a null condition may pass for true, as in a CHECK */
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		PG_RETURN_BOOL(false);
	presented = PG_GETARG_JSONB_P(1);
	PG_RETURN_BOOL(JB_ROOT_IS_OBJECT(presented) &&
				   read_members(presented, &binding, &unknown) == NULL &&
				   sct_binding_matches(PG_GETARG_JSONB_P(0), &binding));
}
