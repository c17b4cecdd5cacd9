/*
 * certificate.c
 *		Thumbprints, contents and names of client certificates (RFC 8705), called
 *		from SQL.
 */
#include "sctoken.h"

#include <arpa/inet.h>

#include "catalog/pg_collation.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datetime.h"
#include "utils/json.h"

#include "core/base64url.h"
#include "core/certificate.h"
#include "core/crypto.h"
#include "core/x509_info.h"
#include "core/x509_name.h"
#include "core/x509_store.h"
#include "certificate.h"
#include "encoding.h"
#include "interval.h"
#include "json_object.h"

PG_FUNCTION_INFO_V1(sctoken_certificate_thumbprint);
PG_FUNCTION_INFO_V1(sctoken_certificate_info);
PG_FUNCTION_INFO_V1(sctoken_certificate_matches);
PG_FUNCTION_INFO_V1(sctoken_certificate_name_valid);
PG_FUNCTION_INFO_V1(sctoken_trust_anchor_valid);

bool
sct_certificate_thumbprint(const bytea *certificate, char *thumbprint)
{
	const uint8 *der = (const uint8 *) VARDATA_ANY(certificate);
	size_t		len = VARSIZE_ANY_EXHDR(certificate);
	uint8		digest[SCT_SHA256_LEN];

	if (!sct_certificate_outline(der, len))
		return false;
	if (sct_crypto_sha256(der, len, digest) != SCT_OK)
		elog(ERROR, "libcrypto failed");
	sct_base64url_encode(digest, SCT_SHA256_LEN, thumbprint);
	return true;
}

static void
not_a_certificate(const char *name)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("argument \"%s\" is not a certificate in DER", name),
			 errhint("sctoken.certificate_from_header() makes one of what a proxy forwards, or of PEM.")));
}

void
sct_certificate_argument(const bytea *certificate, const char *name,
						 char *thumbprint)
{
	if (!sct_certificate_thumbprint(certificate, thumbprint))
		not_a_certificate(name);
}

Datum
sctoken_certificate_thumbprint(PG_FUNCTION_ARGS)
{
	char		thumbprint[BINDING_THUMBPRINT_LEN];

	sct_certificate_argument(PG_GETARG_BYTEA_PP(0), "certificate", thumbprint);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(thumbprint, BINDING_THUMBPRINT_LEN));
}

static void
add_text(JsonObject *object, const char *name, const char *utf8)
{
	sct_json_object_text(object, name, sct_utf8_to_text(utf8, strlen(utf8)));
}

/* Seconds since 1970, as a timestamp of RFC 3339. */
static void
add_time(JsonObject *object, const char *name, int64 seconds)
{
	char		buf[MAXDATELEN + 1];
	int			utc = 0;

	JsonEncodeDateTime(buf,
					   TimestampTzGetDatum((seconds - UNIX_EPOCH_SECONDS) * USECS_PER_SEC),
					   TIMESTAMPTZOID, &utc);
	sct_json_object_string(object, name, buf, strlen(buf));
}

/*
 * A SAN as text.  It may hold any byte: one that is no visible ASCII is shown as
 * a backslash and two digits, as in RFC 4514, and so is a backslash.
 */
static text *
san_text(const SctX509San *san)
{
	StringInfoData buf;
	char		address[INET6_ADDRSTRLEN];

	if (san->type == SCT_SAN_IP && (san->len == 4 || san->len == 16) &&
		inet_ntop(san->len == 4 ? AF_INET : AF_INET6, san->data,
				  address, sizeof(address)) != NULL)
		return cstring_to_text(address);
	initStringInfo(&buf);
	for (size_t i = 0; i < san->len; i++)
	{
		if (san->type == SCT_SAN_IP || san->data[i] <= ' ' ||
			san->data[i] > '~' || san->data[i] == '\\')
			appendStringInfo(&buf, "\\%02x", san->data[i]);
		else
			appendStringInfoChar(&buf, (char) san->data[i]);
	}
	return cstring_to_text_with_len(buf.data, buf.len);
}

/* The names of one type as an array; no member when there is none. */
static void
add_sans(JsonObject *object, const char *name, const SctX509Info *info,
		 SctX509SanType type)
{
	Datum	   *values = palloc((info->san_count + 1) * sizeof(Datum));
	int			count = 0;

	for (int i = 0; i < info->san_count; i++)
	{
		if (info->sans[i].type == type)
			values[count++] = PointerGetDatum(san_text(&info->sans[i]));
	}
	if (count > 0)
		sct_json_object_texts(object, name,
							  construct_array(values, count, TEXTOID, -1, false,
											  TYPALIGN_INT));
}

static Jsonb *
sans_object(const SctX509Info *info)
{
	JsonObject	object;

	sct_json_object_begin(&object);
	add_sans(&object, "dns", info, SCT_SAN_DNS);
	add_sans(&object, "uri", info, SCT_SAN_URI);
	add_sans(&object, "ip", info, SCT_SAN_IP);
	add_sans(&object, "email", info, SCT_SAN_EMAIL);
	return sct_json_object_end(&object);
}

static Jsonb *
key_object(const SctX509Info *info)
{
	JsonObject	object;
	char		canonical[SCT_JWK_CANONICAL_MAX];
	uint8		digest[SCT_SHA256_LEN];
	char		jkt[BINDING_THUMBPRINT_LEN];

	sct_json_object_begin(&object);
	if (info->key_type != NULL)
	{
		add_text(&object, "type", info->key_type);
		sct_json_object_integer(&object, "bits", info->key_bits);
	}
	if (info->has_jwk)
	{
		if (sct_crypto_sha256(canonical, sct_jwk_canonical(&info->jwk, canonical),
							  digest) != SCT_OK)
			elog(ERROR, "libcrypto failed");
		sct_base64url_encode(digest, SCT_SHA256_LEN, jkt);
		sct_json_object_string(&object, "jkt", jkt, sizeof(jkt));
	}
	return sct_json_object_end(&object);
}

static Jsonb *
info_object(const SctX509Info *info, const char *thumbprint)
{
	JsonObject	object;
	Datum		usage;

	sct_json_object_begin(&object);
	add_text(&object, "subject", info->subject);
	add_text(&object, "issuer", info->issuer);
	add_text(&object, "serial", info->serial);
	add_time(&object, "not_before", info->validity.not_before);
	add_time(&object, "not_after", info->validity.not_after);
	sct_json_object_bool(&object, "ca", info->is_ca);
	if (info->extended_key_usage != NULL)
	{
		usage = DirectFunctionCall2Coll(text_to_array, C_COLLATION_OID,
										CStringGetTextDatum(info->extended_key_usage),
										CStringGetTextDatum(" "));
		sct_json_object_texts(&object, "extended_key_usage",
							  DatumGetArrayTypeP(usage));
	}
	sct_json_object_jsonb(&object, "san", sans_object(info));
	sct_json_object_jsonb(&object, "key", key_object(info));
	sct_json_object_string(&object, "x5t#S256", thumbprint, BINDING_THUMBPRINT_LEN);
	return sct_json_object_end(&object);
}

Datum
sctoken_certificate_info(PG_FUNCTION_ARGS)
{
	bytea	   *certificate = PG_GETARG_BYTEA_PP(0);
	char		thumbprint[BINDING_THUMBPRINT_LEN];
	SctX509    *x509;
	SctX509Info info;
	SctReason	reason;
	Jsonb	   *volatile result = NULL;

	sct_certificate_argument(certificate, "certificate", thumbprint);
	reason = sct_x509_parse((const uint8 *) VARDATA_ANY(certificate),
							VARSIZE_ANY_EXHDR(certificate), &x509);
	if (reason == SCT_OK)
	{
		reason = sct_x509_info_make(x509, &info);
		if (reason != SCT_OK)
			sct_x509_free(x509);
	}
	if (reason == SCT_CERTIFICATE)
		not_a_certificate("certificate");
	if (reason != SCT_OK)
		elog(ERROR, "libcrypto failed");

	PG_TRY();
	{
		result = info_object(&info, thumbprint);
	}
	PG_FINALLY();
	{
		sct_x509_info_free(&info);
		sct_x509_free(x509);
	}
	PG_END_TRY();
	PG_RETURN_JSONB_P(result);
}

static SctX509Member
member_argument(const text *member)
{
	SctX509Member result;

	if (!sct_x509_member_lookup(VARDATA_ANY(member), VARSIZE_ANY_EXHDR(member),
								&result))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" is not a member that names a client's certificate",
						"member"),
				 errhint("Members are tls_client_auth_subject_dn, tls_client_auth_san_dns, tls_client_auth_san_uri, tls_client_auth_san_ip and tls_client_auth_san_email (RFC 8705 section 2.1.2).")));
	return result;
}

Datum
sctoken_certificate_matches(PG_FUNCTION_ARGS)
{
	bytea	   *certificate;
	SctX509Member member;
	const char *value;
	size_t		value_len;
	SctX509    *x509;
	SctReason	reason;

	/* never null: a null condition may pass for true, as in a CHECK */
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		PG_RETURN_BOOL(false);
	certificate = PG_GETARG_BYTEA_PP(0);
	member = member_argument(PG_GETARG_TEXT_PP(1));
	value = sct_text_to_utf8(PG_GETARG_TEXT_PP(2), &value_len);

	reason = value == NULL ? SCT_NAME_SYNTAX :
		sct_x509_name_check(member, value, value_len);
	if (reason == SCT_OK)
		reason = sct_x509_parse((const uint8 *) VARDATA_ANY(certificate),
								VARSIZE_ANY_EXHDR(certificate), &x509);
	if (reason == SCT_OK)
	{
		reason = sct_x509_name_match(x509, member, value, value_len);
		sct_x509_free(x509);
	}
	if (reason == SCT_NAME_SYNTAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" is not a value of %s", "value",
						sct_x509_member_name(member)),
				 errhint("sctoken.certificate_name_valid() tells before it is registered.")));
	if (reason == SCT_INTERNAL)
		elog(ERROR, "libcrypto failed");
	PG_RETURN_BOOL(reason == SCT_OK);
}

Datum
sctoken_certificate_name_valid(PG_FUNCTION_ARGS)
{
	SctX509Member member = member_argument(PG_GETARG_TEXT_PP(0));
	size_t		len;
	const char *value = sct_text_to_utf8(PG_GETARG_TEXT_PP(1), &len);

	PG_RETURN_BOOL(value != NULL &&
				   sct_x509_name_check(member, value, len) == SCT_OK);
}

/* For the CHECK of sctoken.trust_anchor: a CA's certificate, or a CRL. */
Datum
sctoken_trust_anchor_valid(PG_FUNCTION_ARGS)
{
	text	   *kind = PG_GETARG_TEXT_PP(0);
	bytea	   *data = PG_GETARG_BYTEA_PP(1);
	const uint8 *der = (const uint8 *) VARDATA_ANY(data);
	size_t		len = VARSIZE_ANY_EXHDR(data);
	SctX509    *x509;
	bool		result;

	if (VARSIZE_ANY_EXHDR(kind) == 3 && memcmp(VARDATA_ANY(kind), "crl", 3) == 0)
		PG_RETURN_BOOL(sct_x509_is_crl(der, len));
	if (sct_x509_parse(der, len, &x509) != SCT_OK)
		PG_RETURN_BOOL(false);
	result = sct_x509_is_ca(x509);
	sct_x509_free(x509);
	PG_RETURN_BOOL(result);
}
