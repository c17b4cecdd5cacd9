/*
 * certificate_header.c
 *		The client certificate as proxies forward it, called from SQL.
 *
 * The forms are in core/certificate_header.c, the arguments and errors here.
 */
#include "sctoken.h"

#include "access/detoast.h"
#include "fmgr.h"
#include "utils/builtins.h"

#include "core/base64url.h"
#include "core/certificate_header.h"
#include "core/x509.h"

PG_FUNCTION_INFO_V1(sctoken_certificate_from_header);
PG_FUNCTION_INFO_V1(sctoken_thumbprint_from_header);

static SctCertificateFormat
format_by_name(text *name)
{
	SctCertificateFormat format;

	if (!sct_certificate_format_lookup(VARDATA_ANY(name),
									   VARSIZE_ANY_EXHDR(name), &format))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" is not a known format", "format"),
				 errhint("Use auto, rfc9440, nginx, envoy, haproxy, apache, aws_alb, traefik, cloud_foundry, pem, base64 or fingerprint.")));
	return format;
}

/* Says what is wrong and where, and nothing of the value itself. */
pg_noreturn static void
refuse(SctCertificateFault fault, size_t at)
{
	const char *hint = sct_certificate_fault_hint(fault);

	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("argument \"%s\" is not a certificate as a proxy forwards it",
					"value"),
			 errdetail("At byte %zu: %s.", at + 1,
					   sct_certificate_fault_text(fault)),
			 hint != NULL ? errhint("%s", hint) : 0));
}

/* The arguments value and format; NULL when there is no certificate. */
static bytea *
read_arguments(FunctionCallInfo fcinfo, SctCertificateHeader *header)
{
	SctCertificateFormat format = format_by_name(PG_GETARG_TEXT_PP(1));
	Size		len = toast_raw_datum_size(PG_GETARG_DATUM(0)) - VARHDRSZ;
	text	   *value;
	bytea	   *der;

	/* before it is decompressed, and before there is room for a result */
	if (len > SCT_CERTIFICATE_HEADER_MAX_LEN)
		refuse(SCT_FAULT_TOO_LONG, SCT_CERTIFICATE_HEADER_MAX_LEN);
	value = PG_GETARG_TEXT_PP(0);
	der = palloc(VARHDRSZ + len);
	switch (sct_certificate_header_read(VARDATA_ANY(value), len, format,
										(uint8 *) VARDATA(der), header))
	{
		case SCT_OK:
			break;
		case SCT_MISSING:
			return NULL;
		case SCT_CERTIFICATE:
			refuse(header->fault, header->at);
		default:
			elog(ERROR, "libcrypto failed");
	}
	SET_VARSIZE(der, VARHDRSZ + header->der_len);
	return der;
}

Datum
sctoken_certificate_from_header(PG_FUNCTION_ARGS)
{
	SctCertificateHeader header;
	bytea	   *der = read_arguments(fcinfo, &header);
	SctX509    *x509;

	if (der == NULL)
		PG_RETURN_NULL();
	if (header.der_len == 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" has only the fingerprint of a certificate",
						"value"),
				 errhint("Use thumbprint_from_header(), or let the proxy forward the certificate.")));
	if (sct_x509_parse((const uint8 *) VARDATA(der), header.der_len,
					   &x509) != SCT_OK)
		refuse(SCT_FAULT_DER, header.at);
	sct_x509_free(x509);
	PG_RETURN_BYTEA_P(der);
}

Datum
sctoken_thumbprint_from_header(PG_FUNCTION_ARGS)
{
	SctCertificateHeader header;
	char		thumbprint[SCT_BASE64URL_ENCODED_LEN(SCT_SHA256_LEN)];

	if (read_arguments(fcinfo, &header) == NULL)
		PG_RETURN_NULL();
	sct_base64url_encode(header.sha256, SCT_SHA256_LEN, thumbprint);
	PG_RETURN_TEXT_P(cstring_to_text_with_len(thumbprint, sizeof(thumbprint)));
}
