/*
 * client_certificate.c
 *		sctoken.register_client_certificates(): what a client authenticates with
 *		whoever issued it (RFC 8705 2.2), from its JWK Set.
 *
 * Where the set comes from, the client's metadata or its jwks_uri, is the caller's
 * business: a database fetches nothing.
 */
#include "sctoken.h"

#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

#include "core/client_jwk.h"
#include "argument.h"
#include "encoding.h"
#include "lock.h"
#include "query.h"

/* A registration that stays keeps what an operator has set in it. */
static PreparedQuery replace_query = {
	.sql = "WITH gone AS ("
	"DELETE FROM sctoken.client_certificate"
	" WHERE client_id OPERATOR(pg_catalog.=) $1 AND match OPERATOR(pg_catalog.=) $2"
	" AND NOT thumbprint OPERATOR(pg_catalog.=) ANY ($3))"
	" INSERT INTO sctoken.client_certificate (client_id, match, thumbprint)"
	" SELECT $1, $2, thumbprint FROM pg_catalog.unnest($3) AS t(thumbprint)"
	" ON CONFLICT DO NOTHING",
	.nargs = 3,
	.argtypes = {TEXTOID, TEXTOID, TEXTARRAYOID}
};

PG_FUNCTION_INFO_V1(sctoken_register_client_certificates);

/* Error: the key with that number, from 1, must not be registered. */
pg_noreturn static void
refuse_key(int number, SctReason reason)
{
	const char *detail;

	switch (reason)
	{
		case SCT_PRIVATE_KEY:
			detail = "It has a member of a private or symmetric key, which nobody but the client must know.";
			break;
		case SCT_KEY:
			detail = "It is not safe: RSA of 2048 to 4096 bits, or a point that is no key.";
			break;
		case SCT_X5C:
			detail = "Its x5c is not an array that begins with one certificate, DER in base64.";
			break;
		case SCT_X5C_KEY:
			detail = "The certificate in its x5c has another key, or another x5t#S256, than the JWK.";
			break;
		default:
			detail = "It must be an EC, RSA or OKP key in strict JSON, its members in canonical base64url.";
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("key %d of argument \"%s\" cannot be registered", number, "jwks"),
			 errdetail_internal("%s", detail)));
}

static SctJson *
parse_argument(const text *jwks)
{
	size_t		len;
	const char *utf8 = sct_text_to_utf8(jwks, &len);
	SctJson    *json = palloc(sizeof(SctJson));

	if (utf8 == NULL || len > SCT_JSON_MAX_LEN ||
		sct_json_parse(utf8, len, palloc(SCT_JSON_SPACE(len)), json) != SCT_OK)
		return NULL;
	return json;
}

static bool
contains(const Datum *thumbprints, int count, const char *thumbprint)
{
	for (int i = 0; i < count; i++)
	{
		if (memcmp(VARDATA_ANY(DatumGetPointer(thumbprints[i])), thumbprint,
				   SCT_THUMBPRINT_LEN) == 0)
			return true;
	}
	return false;
}

/* The thumbprints of all that can be registered, each one once. */
static ArrayType *
read_thumbprints(const SctJson *json, bool by_key)
{
	const SctJsonNode *keys = json == NULL ? NULL :
		sct_json_member(json, &json->nodes[0], "keys");
	Datum		thumbprints[SCT_JSON_MAX_NODES];
	int			count = 0;
	int			number = 0;

	if (keys == NULL || keys->type != SCT_JSON_ARRAY)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" is not a JWK Set", "jwks"),
				 errdetail("It must be an object with the member keys, an array, in strict JSON of at most %d bytes and %d values.",
						   SCT_JSON_MAX_LEN, SCT_JSON_MAX_NODES)));
	for (int i = 0; i < json->count; i++)
	{
		char		thumbprint[SCT_THUMBPRINT_LEN];
		SctReason	reason;

		if (json->nodes[i].parent != keys - json->nodes)
			continue;
		number++;
		reason = sct_client_jwk_read(json, &json->nodes[i], by_key, thumbprint);
		if (reason == SCT_INTERNAL)
			elog(ERROR, "libcrypto failed");
		if (reason == SCT_NOT_REGISTERED)
			continue;
		if (reason != SCT_OK)
			refuse_key(number, reason);
		if (!contains(thumbprints, count, thumbprint))
			thumbprints[count++] =
				PointerGetDatum(cstring_to_text_with_len(thumbprint,
														 SCT_THUMBPRINT_LEN));
	}
	if (count == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" has nothing to register", "jwks"),
				 by_key ? 0 : errdetail("No key has an x5c."),
				 errhint("Delete the client's rows from sctoken.client_certificate if it shall not authenticate any more.")));
	return construct_array(thumbprints, count, TEXTOID, -1, false, TYPALIGN_INT);
}

static bool
match_argument(const text *match)
{
	char	   *word = text_to_cstring(match);

	if (strcmp(word, "key") != 0 && strcmp(word, "certificate") != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be %s or %s", "match",
						"certificate", "key")));
	return strcmp(word, "key") == 0;
}

Datum
sctoken_register_client_certificates(PG_FUNCTION_ARGS)
{
	text	   *client_id;
	text	   *match;
	text	   *jwks;
	ArrayType  *thumbprints;
	Datum		values[3];
	QueryScope	scope;

	PreventCommandIfReadOnly("sctoken.register_client_certificates()");
	PreventCommandDuringRecovery("sctoken.register_client_certificates()");
	client_id = sct_argument_text(fcinfo, 0, "client_id", true, ARGUMENT_MAX_ID);
	jwks = sct_argument_text(fcinfo, 1, "jwks", true, SCT_JSON_MAX_LEN);
	match = sct_argument_text(fcinfo, 2, "match", true, ARGUMENT_MAX_ID);
	thumbprints = read_thumbprints(parse_argument(jwks), match_argument(match));

	sct_query_begin(&scope);

	/* of two sets that come at once the later one holds, not both */
	sct_lock_require(sct_lock_client(client_id, ExclusiveLock));
	values[0] = PointerGetDatum(client_id);
	values[1] = PointerGetDatum(match);
	values[2] = PointerGetDatum(thumbprints);
	(void) sct_query_run(&replace_query, values, NULL);
	sct_query_end(&scope);
	PG_RETURN_INT32(ArrayGetNItems(ARR_NDIM(thumbprints), ARR_DIMS(thumbprints)));
}
