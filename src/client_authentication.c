/*
 * client_authentication.c
 *		sctoken.certificate_authenticate(): a client authenticates with the
 *		certificate of its TLS connection (RFC 8705 2).
 *
 * The tables are read first.  What then handles OpenSSL's objects does not throw,
 * so that none is lost.
 */
#include "sctoken.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "core/base64url.h"
#include "core/certificate.h"
#include "core/crypto.h"
#include "core/x509_cache.h"
#include "core/x509_info.h"
#include "core/x509_name.h"
#include "argument.h"
#include "binding.h"
#include "encoding.h"
#include "interval.h"
#include "policy.h"
#include "query.h"
#include "stats.h"
#include "trust_anchor.h"

/* Columns of the result */
enum
{
	COL_VALID,
	COL_METHOD,
	COL_REASON,
	COL_X5T,
	COL_SUBJECT,
	COLUMNS
};

#define MAX_CACHED			4096	/* bytes of DER */

#define METHOD_PKI			"tls_client_auth"
#define METHOD_SELF_SIGNED	"self_signed_tls_client_auth"

/*
 * Columns from the third in the order of SctX509Member.  Most clients have one
 * method: the second column saves them the other query.
 */
static PreparedQuery pki_query = {
	.sql = "SELECT set_name,"
	" EXISTS (SELECT FROM sctoken.client_certificate"
	" WHERE client_id OPERATOR(pg_catalog.=) $1),"
	" tls_client_auth_subject_dn, tls_client_auth_san_dns,"
	" tls_client_auth_san_uri, tls_client_auth_san_ip, tls_client_auth_san_email"
	" FROM sctoken.tls_client_auth WHERE client_id OPERATOR(pg_catalog.=) $1",
	.nargs = 1,
	.argtypes = {TEXTOID}
};

static PreparedQuery self_signed_query = {
	.sql = "SELECT match OPERATOR(pg_catalog.=) 'key', thumbprint, check_validity,"
	" not_before OPERATOR(pg_catalog.<=) $2 IS NOT FALSE"
	" AND not_after OPERATOR(pg_catalog.>=) $2 IS NOT FALSE"
	" FROM sctoken.client_certificate WHERE client_id OPERATOR(pg_catalog.=) $1",
	.nargs = 2,
	.argtypes = {TEXTOID, TIMESTAMPTZOID}
};

/* How the client has registered for tls_client_auth */
typedef struct PkiRegistration
{
	SctX509Store *store;		/* NULL: not at all */
	SctX509Member member;
	const char *value;			/* UTF-8 */
	size_t		value_len;
} PkiRegistration;

/* A certificate or key registered for self_signed_tls_client_auth */
typedef struct SelfSignedRegistration
{
	bool		by_key;			/* thumbprint is that of the key (RFC 7638) */
	char		thumbprint[SCT_THUMBPRINT_LEN];
	bool		check_validity;
	bool		current;		/* within its own dates */
} SelfSignedRegistration;

/* A certificate that was presented. */
typedef struct PresentedCertificate
{
	const uint8 *der;
	size_t		len;
	uint8		digest[SCT_SHA256_LEN];
	SctX509    *x509;			/* NULL: not read */
	bool		cached;			/* x509 belongs to the cache */
	bool		needed;			/* for the answer that it was good */
} PresentedCertificate;

typedef struct Attempt
{
	/* arguments */
	text	   *client_id;
	TimestampTz at;
	int64		seconds;		/* the same since 1970, rounded down */
	int			count;
	PresentedCertificate certificates[1 + SCT_X509_MAX_CHAIN];	/* the leaf is first */

	/* what the tables say */
	PkiRegistration pki;
	SelfSignedRegistration *self_signed;
	int			self_signed_count;

	/* the answer */
	const char *method;
	const char *reason;			/* NULL: authenticated */
	char		x5t[SCT_THUMBPRINT_LEN];
	char	   *subject;		/* UTF-8, from malloc; NULL: not read */
} Attempt;

PG_FUNCTION_INFO_V1(sctoken_certificate_authenticate);

static void
add_certificate(Attempt *attempt, const bytea *certificate)
{
	PresentedCertificate *presented = &attempt->certificates[attempt->count++];

	presented->der = (const uint8 *) VARDATA_ANY(certificate);
	presented->len = VARSIZE_ANY_EXHDR(certificate);
}

static void
add_chain(Attempt *attempt, ArrayType *chain)
{
	Datum	   *values;
	bool	   *nulls;
	int			count;

	deconstruct_array(chain, BYTEAOID, -1, false, TYPALIGN_INT,
					  &values, &nulls, &count);
	if (count > SCT_X509_MAX_CHAIN)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must have at most %d certificates",
						"chain", SCT_X509_MAX_CHAIN)));
	for (int i = 0; i < count; i++)
	{
		if (nulls[i])
			ereport(ERROR,
					(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
					 errmsg("argument \"%s\" must not contain nulls", "chain")));
		add_certificate(attempt, DatumGetByteaPP(values[i]));
	}
}

static void
read_arguments(FunctionCallInfo fcinfo, Attempt *attempt)
{
	attempt->client_id = sct_argument_text(fcinfo, 0, "client_id", true,
										   ARGUMENT_MAX_ID);
	if (!PG_ARGISNULL(1))
		add_certificate(attempt, PG_GETARG_BYTEA_PP(1));
	if (!PG_ARGISNULL(1) && !PG_ARGISNULL(2))
		add_chain(attempt, PG_GETARG_ARRAYTYPE_P(2));
	attempt->at = PG_ARGISNULL(3) ? GetCurrentTimestamp() : PG_GETARG_TIMESTAMPTZ(3);
	if (TIMESTAMP_NOT_FINITE(attempt->at))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must be finite", "at")));
	attempt->seconds = attempt->at / USECS_PER_SEC -
		(attempt->at % USECS_PER_SEC < 0 ? 1 : 0) + UNIX_EPOCH_SECONDS;
}

/* False: there is no other registration to read. */
static bool
read_pki_registration(Attempt *attempt)
{
	PkiRegistration *pki = &attempt->pki;
	Datum		values[1];
	HeapTuple	tuple;
	TupleDesc	tupdesc;
	Datum		value;
	bool		isnull;
	text	   *set_name;
	bool		has_other;

	values[0] = PointerGetDatum(attempt->client_id);
	if (sct_query_run(&pki_query, values, NULL) == 0)
		return true;
	tuple = SPI_tuptable->vals[0];
	tupdesc = SPI_tuptable->tupdesc;
	set_name = DatumGetTextPP(SPI_getbinval(tuple, tupdesc, 1, &isnull));
	has_other = DatumGetBool(SPI_getbinval(tuple, tupdesc, 2, &isnull));

	/* exactly one is not null: a CHECK of the table */
	for (int i = 0; i < SCT_X509_MEMBERS; i++)
	{
		value = SPI_getbinval(tuple, tupdesc, 3 + i, &isnull);
		if (isnull)
			continue;
		pki->member = (SctX509Member) i;
		pki->value = sct_text_to_utf8(DatumGetTextPP(value), &pki->value_len);
	}
	if (pki->value == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("table \"%s\" has a row that cannot be read",
						"sctoken.tls_client_auth"),
				 errhint("Delete the client's row, and register it again.")));
	pki->store = sct_trust_anchor_store(set_name);
	return has_other;
}

static void
read_self_signed_registrations(Attempt *attempt)
{
	Datum		values[2];
	uint64		count;

	values[0] = PointerGetDatum(attempt->client_id);
	values[1] = TimestampTzGetDatum(attempt->at);
	count = sct_query_run(&self_signed_query, values, NULL);
	attempt->self_signed = palloc0((count + 1) * sizeof(SelfSignedRegistration));
	attempt->self_signed_count = (int) count;
	for (uint64 i = 0; i < count; i++)
	{
		SelfSignedRegistration *registration = &attempt->self_signed[i];
		HeapTuple	tuple = SPI_tuptable->vals[i];
		TupleDesc	tupdesc = SPI_tuptable->tupdesc;
		text	   *thumbprint;
		bool		isnull;

		/* none may be null, and a CHECK says how long a thumbprint is */
		registration->by_key = DatumGetBool(SPI_getbinval(tuple, tupdesc, 1, &isnull));
		thumbprint = DatumGetTextPP(SPI_getbinval(tuple, tupdesc, 2, &isnull));
		memcpy(registration->thumbprint, VARDATA_ANY(thumbprint),
			   Min(VARSIZE_ANY_EXHDR(thumbprint), SCT_THUMBPRINT_LEN));
		registration->check_validity =
			DatumGetBool(SPI_getbinval(tuple, tupdesc, 3, &isnull));
		registration->current = DatumGetBool(SPI_getbinval(tuple, tupdesc, 4, &isnull));
	}
}

/* Reads a certificate, if it was not read lately. */
static SctReason
certificate_read(PresentedCertificate *certificate)
{
	SctReason	reason = sct_crypto_sha256(certificate->der, certificate->len,
										   certificate->digest);

	if (reason != SCT_OK)
		return reason;
	certificate->x509 = sct_x509_cache_find(certificate->digest);
	certificate->cached = certificate->x509 != NULL;
	if (certificate->cached)
		return SCT_OK;
	return sct_x509_parse(certificate->der, certificate->len, &certificate->x509);
}

/*
 * Lets go of what was read.  What was good is worth keeping, unless it is so large
 * that a few clients could fill the session's memory; until then nothing may enter
 * the cache, since what was found in it could have to give way.
 */
static void
certificates_release(Attempt *attempt)
{
	for (int i = 0; i < attempt->count; i++)
	{
		PresentedCertificate *certificate = &attempt->certificates[i];

		if (certificate->x509 == NULL || certificate->cached)
			continue;
		if (attempt->reason == NULL && certificate->needed &&
			certificate->len <= MAX_CACHED &&
			sct_x509_cache_find(certificate->digest) == NULL)
			sct_x509_cache_add(certificate->digest, certificate->x509);
		else
			sct_x509_free(certificate->x509);
	}
}

/* RFC 8705 2.1: the chain leads to a trusted CA, and the name is the client's. */
static SctReason
verify_pki(Attempt *attempt)
{
	const PkiRegistration *pki = &attempt->pki;
	SctX509    *leaf = attempt->certificates[0].x509;
	SctX509    *chain[SCT_X509_MAX_CHAIN];
	bool		used[SCT_X509_MAX_CHAIN];
	SctReason	reason;
	SctReason	name_reason;

	for (int i = 1; i < attempt->count; i++)
	{
		reason = certificate_read(&attempt->certificates[i]);
		if (reason != SCT_OK)
			return reason;
		chain[i - 1] = attempt->certificates[i].x509;
	}

	/* always both, so that the time taken does not tell whose name it is not */
	reason = sct_x509_store_verify(pki->store, leaf, chain, attempt->count - 1,
								   attempt->seconds, used);
	name_reason = sct_x509_name_match(leaf, pki->member, pki->value, pki->value_len);
	if (reason != SCT_OK)
		return reason;
	for (int i = 1; i < attempt->count; i++)
		attempt->certificates[i].needed = used[i - 1];
	return name_reason;
}

static SctReason
verify_dates(const Attempt *attempt)
{
	SctX509Validity validity;
	SctReason	reason = sct_x509_validity(attempt->certificates[0].x509, &validity);

	if (reason != SCT_OK)
		return reason;
	if (attempt->seconds < validity.not_before)
		return SCT_NOT_YET_VALID;

	/* the last second is past, as it is for X509_verify_cert() */
	return attempt->seconds >= validity.not_after ? SCT_EXPIRED : SCT_OK;
}

/* The thumbprint of the key; false when it has none. */
static bool
key_thumbprint(SctX509 *x509, char *thumbprint)
{
	SctJwk		jwk;

	return sct_x509_jwk(x509, &jwk) &&
		sct_thumbprint_key(&jwk, thumbprint) == SCT_OK;
}

/* RFC 8705 2.2: the certificate, or its key, is one that the client registered. */
static SctReason
verify_self_signed(Attempt *attempt)
{
	SctX509    *leaf = attempt->certificates[0].x509;
	SctReason	reason = SCT_NOT_REGISTERED;
	char		jkt[SCT_THUMBPRINT_LEN];
	bool		has_jkt = key_thumbprint(leaf, jkt);

	/* as X509_verify_cert() does at the security level of the other method */
	if (!sct_x509_is_strong(leaf))
		return SCT_WEAK;
	for (int i = 0; i < attempt->self_signed_count; i++)
	{
		const SelfSignedRegistration *registration = &attempt->self_signed[i];

		if (registration->by_key && !has_jkt)
			continue;
		if (!sct_crypto_equal(registration->thumbprint,
							  registration->by_key ? jkt : attempt->x5t,
							  SCT_THUMBPRINT_LEN))
			continue;
		if (!registration->current)
			reason = SCT_REGISTRATION_DATES;
		else
			reason = registration->check_validity ? verify_dates(attempt) : SCT_OK;
		if (reason == SCT_OK)
			break;
	}
	return reason;
}

/*
 * What needs no registration to be refused, so that it costs nothing to speak of.
 */
static SctReason
verify_first(const Attempt *attempt)
{
	const PresentedCertificate *leaf = &attempt->certificates[0];
	Policy		policy;

	if (attempt->count == 0)
		return SCT_MISSING;
	sct_policy_get(attempt->client_id, &policy);
	if (!policy.enabled)
		return SCT_DISABLED;
	return sct_certificate_outline(leaf->der, leaf->len) ? SCT_OK : SCT_CERTIFICATE;
}

static SctReason
verify(Attempt *attempt)
{
	PresentedCertificate *leaf = &attempt->certificates[0];
	SctReason	reason;

	reason = certificate_read(leaf);
	if (reason != SCT_OK)
		return reason;
	leaf->needed = true;
	sct_base64url_encode(leaf->digest, SCT_SHA256_LEN, attempt->x5t);
	reason = sct_x509_subject(leaf->x509, &attempt->subject);
	if (reason != SCT_OK)
		return reason;

	/* a client that changes from one method to the other has both for a while */
	reason = SCT_NOT_REGISTERED;
	if (attempt->pki.store != NULL)
	{
		attempt->method = METHOD_PKI;
		reason = verify_pki(attempt);
	}
	if (reason != SCT_OK && attempt->self_signed_count > 0)
	{
		SctReason	pki_reason = reason;

		reason = verify_self_signed(attempt);
		if (reason == SCT_OK || attempt->method == NULL)
			attempt->method = METHOD_SELF_SIGNED;
		else
			reason = pki_reason;
	}
	return reason;
}

static Datum
make_result(FunctionCallInfo fcinfo, const Attempt *attempt)
{
	Datum		values[COLUMNS] = {0};
	bool		nulls[COLUMNS];
	TupleDesc	tupdesc;

	if (get_call_result_type(fcinfo, NULL, &tupdesc) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	memset(nulls, true, sizeof(nulls));
	nulls[COL_VALID] = false;
	values[COL_VALID] = BoolGetDatum(attempt->reason == NULL);
	if (attempt->method != NULL)
	{
		nulls[COL_METHOD] = false;
		values[COL_METHOD] = CStringGetTextDatum(attempt->method);
	}
	if (attempt->reason != NULL)
	{
		nulls[COL_REASON] = false;
		values[COL_REASON] = CStringGetTextDatum(attempt->reason);
	}
	if (attempt->subject != NULL)
	{
		nulls[COL_X5T] = nulls[COL_SUBJECT] = false;
		values[COL_X5T] = PointerGetDatum(cstring_to_text_with_len(attempt->x5t,
																   SCT_THUMBPRINT_LEN));
		values[COL_SUBJECT] = PointerGetDatum(sct_utf8_to_text(attempt->subject,
															   strlen(attempt->subject)));
	}
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(tupdesc), values, nulls));
}

Datum
sctoken_certificate_authenticate(PG_FUNCTION_ARGS)
{
	MemoryContext caller_context = CurrentMemoryContext;
	Attempt		attempt = {0};
	QueryScope	scope;
	SctReason	reason;
	volatile Datum result = (Datum) 0;

	read_arguments(fcinfo, &attempt);

	sct_query_begin(&scope);
	reason = verify_first(&attempt);
	if (reason == SCT_OK)
	{
		if (read_pki_registration(&attempt))
			read_self_signed_registrations(&attempt);
		reason = verify(&attempt);
	}
	attempt.reason = sct_reason_word(reason);
	sct_stats_count_certificate(reason);
	certificates_release(&attempt);

	PG_TRY();
	{
		if (reason == SCT_INTERNAL)
			elog(ERROR, "libcrypto failed");

		/* the row outlives the SPI context */
		MemoryContextSwitchTo(caller_context);
		result = make_result(fcinfo, &attempt);
	}
	PG_FINALLY();
	{
		free(attempt.subject);
	}
	PG_END_TRY();
	sct_query_end(&scope);
	return result;
}
