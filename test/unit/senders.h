/*
 * senders.h
 *		How proxies write a certificate into a header, and what the core makes of
 *		it in buffers of exactly the size that it asks for.
 *
 * Texts are allocated and never freed: the programs are short.
 */
#ifndef SENDERS_H
#define SENDERS_H

#include "lines.h"

#include "../../src/core/base64url.h"
#include "../../src/core/certificate_header.h"

#define MAX_CERTIFICATES	64

/* A certificate of the vectors. */
typedef struct Certificate
{
	char	   *name;
	uint8	   *der;
	size_t		len;
	uint8		sha256[SCT_SHA256_LEN];
	char	   *hex;			/* of that */
} Certificate;

/* A row of cert_headers.tsv. */
typedef struct HeaderRow
{
	char	   *name;
	char	   *value;
	size_t		len;
	char	   *kind;
	char	   *thumbprint;		/* "-": none may come out */
} HeaderRow;

/* One way to forward a certificate. */
typedef struct Sent
{
	const char *how;
	char	   *value;
	const char *formats;		/* that take it, with blanks around each */
} Sent;

/* What the core gave. */
typedef struct Forwarded
{
	SctReason	reason;
	SctCertificateHeader header;
	uint8		der[SCT_CERTIFICATE_HEADER_MAX_LEN];
} Forwarded;

static Certificate certificates[MAX_CERTIFICATES];
static int	certificate_count = 0;
static HeaderRow header_rows[MAX_CERTIFICATES];
static int	header_row_count = 0;

static inline char *
hex_text(const uint8 *bytes, size_t len, const char *digits)
{
	char	   *text = palloc0(2 * len + 1);

	for (size_t i = 0; i < len; i++)
	{
		text[2 * i] = digits[bytes[i] >> 4];
		text[2 * i + 1] = digits[bytes[i] & 15];
	}
	return text;
}

static inline char *
base64_text(const uint8 *bytes, size_t len)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char	   *text = palloc0((len + 2) / 3 * 4 + 1);
	char	   *at = text;

	for (size_t i = 0; i < len; i += 3)
	{
		size_t		left = len - i;
		uint32		group = bytes[i] << 16;

		group |= left > 1 ? bytes[i + 1] << 8 : 0;
		group |= left > 2 ? bytes[i + 2] : 0;

		*at++ = digits[group >> 18];
		*at++ = digits[group >> 12 & 63];
		*at++ = left > 1 ? digits[group >> 6 & 63] : '=';
		*at++ = left > 2 ? digits[group & 63] : '=';
	}
	return text;
}

/* PEM with those line breaks, the last one too. */
static inline char *
pem_text(const Certificate *certificate, const char *line_break)
{
	const char *rest = base64_text(certificate->der, certificate->len);
	char	   *text = psprintf("-----BEGIN CERTIFICATE-----%s", line_break);

	for (; *rest != '\0'; rest += strnlen(rest, 64))
		text = psprintf("%s%.64s%s", text, rest, line_break);
	return psprintf("%s-----END CERTIFICATE-----%s", text, line_break);
}

/* Percent-encodes all but unreserved characters and those of bare. */
static inline char *
escaped_text(const char *text, const char *bare)
{
	char	   *escaped = palloc0(3 * strlen(text) + 1);
	char	   *at = escaped;

	for (; *text != '\0'; text++)
	{
		if (isalnum((unsigned char) *text) || strchr("-._~", *text) != NULL ||
			strchr(bare, *text) != NULL)
			*at++ = *text;
		else
			at += sprintf(at, "%%%02X", (unsigned char) *text);
	}
	return escaped;
}

/* application/x-www-form-urlencoded: a blank is a plus. */
static inline char *
form_text(const char *text)
{
	char	   *form = escaped_text(text, " ");

	for (char *at = form; *at != '\0'; at++)
		*at = *at == ' ' ? '+' : *at;
	return form;
}

/* text without what it ends in */
static inline char *
without_end(char *text, size_t len)
{
	return psprintf("%.*s", (int) (strlen(text) - len), text);
}

static inline Certificate *
certificate_named(const char *name)
{
	for (int i = 0; i < certificate_count; i++)
	{
		if (strcmp(certificates[i].name, name) == 0)
			return &certificates[i];
	}
	note("no certificate %s in the vectors", name);
	exit(1);
}

static inline HeaderRow *
header_row(const char *id)
{
	for (int i = 0; i < header_row_count; i++)
	{
		if (strncmp(header_rows[i].name, id, strlen(id)) == 0)
			return &header_rows[i];
	}
	note("no row %s in the vectors", id);
	exit(1);
}

/* Reads the vectors; false where there are none. */
static inline bool
read_vectors(void)
{
	FILE	   *file = lines_open("certificates.txt");
	char	   *field[MAX_FIELDS];
	int			count;

	if (file == NULL)
		return false;
	while ((count = lines_next(file, field)) > 0)
	{
		if (count == 3 && certificate_count < MAX_CERTIFICATES)
		{
			Certificate *next = &certificates[certificate_count++];

			next->name = pstrdup(field[1]);
			next->len = unhex(field[2]);
			next->der = palloc(next->len);
			memcpy(next->der, field[2], next->len);
			if (sct_crypto_sha256(next->der, next->len, next->sha256) != SCT_OK)
				exit(1);
			next->hex = hex_text(next->sha256, SCT_SHA256_LEN,
								 "0123456789abcdef");
		}
		else if (count == 5 && header_row_count < MAX_CERTIFICATES)
		{
			HeaderRow  *next = &header_rows[header_row_count++];

			next->name = pstrdup(field[1]);
			next->len = unhex(field[2]);
			next->value = pstrdup(field[2]);
			next->kind = pstrdup(field[3]);
			next->thumbprint = pstrdup(field[4]);
		}
		else
			exit(1);
	}
	fclose(file);
	return true;
}

/*
 * All ways to forward a certificate, or it and the one of its issuer; how many.
 */
static inline int
send_everywhere(const Certificate *leaf, const Certificate *issuer, Sent *sent)
{
	char	   *pem = pem_text(leaf, "\n");
	char	   *chain = psprintf("%s%s", pem, pem_text(issuer, "\n"));
	char	   *base64 = base64_text(leaf->der, leaf->len);
	char	   *issuer64 = base64_text(issuer->der, issuer->len);
	char	   *hash = psprintf("By=spiffe://td.example/as;Hash=%s", leaf->hex);
	char	   *cert = escaped_text(pem, "");
	char	   *fingerprint = base64_text(leaf->sha256, SCT_SHA256_LEN);
	char	   *fingerprint_url = palloc0(strlen(fingerprint) + 1);
	const Sent	ways[] = {
		{"RFC 9440", psprintf(":%s:", base64), " auto rfc9440 haproxy "},
		{"nginx, $ssl_client_escaped_cert", cert,
		" auto nginx envoy haproxy "},
		{"nginx, $ssl_client_cert",
			without_end(pem_text(leaf, "\n\t"), 2),
		" auto nginx haproxy apache pem "},
		{"the same, unfolded by the server",
			without_end(pem_text(leaf, " "), 1),
		" auto nginx haproxy apache pem "},
		{"Envoy, Cert",
			psprintf("%s;Cert=\"%s\";Subject=\"CN=mtls\";URI=", hash, cert),
		" auto envoy "},
		{"Envoy, Chain",
			psprintf("%s;Chain=\"%s\"", hash, escaped_text(chain, "")),
		" auto envoy "},
		{"Envoy, Hash alone (Istio)",
			psprintf("%s;Subject=\"\";URI=spiffe://td.example/a;URI=;DNS=a", hash),
		" auto envoy "},
		{"HAProxy, url_enc of base64", escaped_text(base64, ""),
		" auto haproxy traefik "},
		{"Apache", pem_text(leaf, " "), " auto nginx haproxy apache pem "},
		{"AWS ALB, leaf", escaped_text(pem, "+/="), " auto aws_alb "},
		{"AWS ALB, chain", escaped_text(chain, "+/="), " auto aws_alb "},
		{"Traefik, list", psprintf("%s,%s", base64, issuer64),
		" auto traefik "},
		{"Traefik v2, list",
			psprintf("%s,%s", escaped_text(base64, ""),
					 escaped_text(issuer64, "")),
		" auto traefik "},
		{"Cloud Foundry", base64,
		" auto haproxy traefik cloud_foundry base64 "},
		{"PEM", pem, " auto nginx haproxy apache pem "},
		{"PEM, CRLF", pem_text(leaf, "\r\n"),
		" auto nginx haproxy apache pem "},
		{"PEM, chain", chain, " auto pem "},
		{"PEM, form", form_text(pem), " auto "},
		{"a fingerprint in hexadecimal", leaf->hex, " auto fingerprint "},
		{"a fingerprint in capitals",
			hex_text(leaf->sha256, SCT_SHA256_LEN, "0123456789ABCDEF"),
		" auto fingerprint "},
		{"a fingerprint in base64 (GCP)", fingerprint, " auto fingerprint "},
		{"a fingerprint in base64url", fingerprint_url, " auto fingerprint "}
	};

	sct_base64url_encode(leaf->sha256, SCT_SHA256_LEN, fingerprint_url);
	memcpy(sent, ways, sizeof(ways));
	return lengthof(ways);
}

#define MAX_SENT	32

/* Has the certificate itself been sent, not only what identifies it? */
static inline bool
has_certificate(const Sent *sent)
{
	return strstr(sent->how, "fingerprint") == NULL &&
		strstr(sent->how, "Hash alone") == NULL;
}

static inline const Forwarded *
forwarded(const char *value, size_t len, SctCertificateFormat format)
{
	static Forwarded result;
	size_t		room = Min(len, SCT_CERTIFICATE_HEADER_MAX_LEN);
	char	   *exact = malloc(len > 0 ? len : 1);
	uint8	   *der = malloc(room > 0 ? room : 1);

	memcpy(exact, value, len);
	result.reason = sct_certificate_header_read(exact, len, format, der,
												&result.header);
	if (result.reason == SCT_OK)
		memcpy(result.der, der, result.header.der_len);
	free(exact);
	free(der);
	return &result;
}

/* Is it that certificate, or its fingerprint where that alone was sent? */
static inline bool
is_certificate(const Forwarded *result, const Certificate *certificate,
			   bool whole)
{
	if (result->reason != SCT_OK ||
		memcmp(result->header.sha256, certificate->sha256, SCT_SHA256_LEN) != 0)
		return false;
	if (!whole)
		return result->header.der_len == 0;
	return result->header.der_len == certificate->len &&
		memcmp(result->der, certificate->der, certificate->len) == 0;
}

#endif							/* SENDERS_H */
