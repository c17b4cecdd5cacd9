/*
 * test_certificate_header.c
 *		What each proxy writes gives its certificate, byte for byte; all else is
 *		refused where it goes wrong.  Vectors: test/vectors/mtls.
 */
#include <openssl/err.h>

#include "senders.h"

#include "../../src/core/x509.h"

static const char *const words[] = {
	"auto", "rfc9440", "nginx", "envoy", "haproxy", "apache", "aws_alb",
	"traefik", "cloud_foundry", "pem", "base64", "fingerprint"
};

static const Certificate *client;	/* RFC 8705 Appendix A */
static const Certificate *other;

static SctCertificateFormat
format(const char *word)
{
	SctCertificateFormat found = SCT_FORMAT_AUTO;

	if (!sct_certificate_format_lookup(word, strlen(word), &found))
		ok(false, "%s is a format", word);
	return found;
}

/* Is the client's certificate in value? */
static void
accepted(const char *value, const char *word, const char *claim)
{
	ok(is_certificate(forwarded(value, strlen(value), format(word)), client,
					  true), "%s", claim);
}

/* Is value refused for that reason, at the byte where rest begins? */
static void
refused(const char *value, const char *word, SctCertificateFault fault,
		const char *rest, const char *claim)
{
	const Forwarded *result = forwarded(value, strlen(value), format(word));
	bool		holds = result->reason == SCT_CERTIFICATE &&
		result->header.fault == fault &&
		value + result->header.at == rest;

	ok(holds, "%s", claim);
	if (!holds)
		note("reason %d, fault \"%s\" at %zu", (int) result->reason,
			 result->header.fault != SCT_FAULT_NONE ?
			 sct_certificate_fault_text(result->header.fault) : "none",
			 result->header.at);
}

/* text with what is behind the first old in place of it. */
static char *
replaced(const char *text, const char *old, const char *new)
{
	const char *at = strstr(text, old);

	if (at == NULL)
	{
		ok(false, "the text has %s", old);
		return pstrdup(text);
	}
	return psprintf("%.*s%s%s", (int) (at - text), text, new, at + strlen(old));
}

/* The kinds of faults that cert_headers.tsv tells from each other. */
static bool
is_of_kind(SctCertificateFault fault, const char *kind)
{
	if (strcmp(kind, "bad-der") == 0)
		return fault == SCT_FAULT_DER;
	if (strcmp(kind, "bad-b64") == 0)
		return fault == SCT_FAULT_BASE64 || fault == SCT_FAULT_BLANK;
	if (strcmp(kind, "bad-pct") == 0)
		return fault == SCT_FAULT_CHARACTER;
	if (strcmp(kind, "bad-rfc9440") == 0)
		return fault == SCT_FAULT_BASE64 || fault == SCT_FAULT_BLANK ||
			fault == SCT_FAULT_CHARACTER || fault == SCT_FAULT_MORE;
	if (strcmp(kind, "bad-xfcc") == 0)
		return fault == SCT_FAULT_XFCC_KEY || fault == SCT_FAULT_XFCC_TWICE;
	if (strcmp(kind, "xfcc-multi") == 0)
		return fault == SCT_FAULT_XFCC_ELEMENTS;
	if (strcmp(kind, "xfcc-hash-mismatch") == 0)
		return fault == SCT_FAULT_XFCC_MISMATCH;
	return false;
}

static void
run_row(const HeaderRow *row)
{
	const Forwarded *result = forwarded(row->value, row->len, SCT_FORMAT_AUTO);
	const SctCertificateHeader *header = &result->header;
	char		thumbprint[SCT_BASE64URL_ENCODED_LEN(SCT_SHA256_LEN) + 1] = {0};
	SctX509    *x509;
	bool		parsed;

	if (strcmp(row->kind, "absent") == 0)
		ok(result->reason == SCT_MISSING, "%s: absent", row->name);
	else if (absent(row->thumbprint))
		ok(result->reason == SCT_CERTIFICATE &&
		   is_of_kind(header->fault, row->kind),
		   "%s: %s at %zu", row->name,
		   result->reason == SCT_CERTIFICATE ?
		   sct_certificate_fault_text(header->fault) : "accepted", header->at);
	else
	{
		sct_base64url_encode(header->sha256, SCT_SHA256_LEN, thumbprint);
		parsed = result->reason == SCT_OK &&
			sct_x509_parse(result->der, header->der_len, &x509) == SCT_OK;
		ok(parsed && strcmp(thumbprint, row->thumbprint) == 0,
		   "%s: the certificate", row->name);
		if (parsed)
			sct_x509_free(x509);
	}
}

/* A format takes what its sender writes, and nothing else (B49). */
static void
each_format_each_form(void)
{
	Sent		sent[MAX_SENT];
	int			count = send_everywhere(client, other, sent);

	for (int i = 0; i < count; i++)
	{
		for (size_t j = 0; j < lengthof(words); j++)
		{
			const Forwarded *result = forwarded(sent[i].value,
												strlen(sent[i].value),
												format(words[j]));

			if (strstr(sent[i].formats, psprintf(" %s ", words[j])) != NULL)
				ok(is_certificate(result, client, has_certificate(&sent[i])),
				   "%s takes %s", words[j], sent[i].how);
			else
				ok(result->reason == SCT_CERTIFICATE,
				   "%s refuses %s", words[j], sent[i].how);
		}
	}
}

/* The same for other certificates: of other lengths, names and keys. */
static void
every_certificate(void)
{
	Sent		sent[MAX_SENT];
	int			values = 0;
	bool		exact = true;

	for (int i = 0; i < certificate_count; i++)
	{
		const Certificate *issuer = &certificates[(i + 1) % certificate_count];
		int			count = send_everywhere(&certificates[i], issuer, sent);

		for (int j = 0; j < count; j++, values++)
			exact = is_certificate(forwarded(sent[j].value,
											 strlen(sent[j].value),
											 SCT_FORMAT_AUTO),
								   &certificates[i],
								   has_certificate(&sent[j])) && exact;
	}
	ok(exact && values >= 500,
	   "%d certificates in all ways to send them (%d values) come out as they were",
	   certificate_count, values);
}

/* White space around a value, and what stands for no certificate (B28). */
static void
nothing_there(void)
{
	static const char *const nothing[] = {
		"", " ", "\t", " \t \t", "-", " - ", "(null)", "(null)\t"
	};
	bool		exact = true;

	for (size_t i = 0; i < lengthof(nothing); i++)
	{
		for (size_t j = 0; j < lengthof(words); j++)
			exact = exact && forwarded(nothing[i], strlen(nothing[i]),
									   format(words[j]))->reason == SCT_MISSING;
	}
	ok(exact, "an empty or blank value, - and (null) are no certificate in any format");
	ok(forwarded("(NULL)", 6, SCT_FORMAT_AUTO)->reason == SCT_CERTIFICATE &&
	   forwarded("--", 2, SCT_FORMAT_AUTO)->reason == SCT_CERTIFICATE &&
	   forwarded("\n", 1, SCT_FORMAT_AUTO)->reason == SCT_CERTIFICATE &&
	   forwarded("null", 4, SCT_FORMAT_AUTO)->reason == SCT_CERTIFICATE,
	   "nothing else stands for none: (NULL), --, null and a newline are refused");
}

static void
limits(void)
{
	char	   *base64 = base64_text(client->der, client->len);
	char	   *padded = palloc0(SCT_CERTIFICATE_HEADER_MAX_LEN + 2);
	uint8	   *large = palloc0(SCT_X509_MAX_LEN + 1);
	SctCertificateHeader header;
	SctReason	reason;
	const Forwarded *result;

	memset(padded, ' ', SCT_CERTIFICATE_HEADER_MAX_LEN + 1);
	memcpy(padded + 1, base64, strlen(base64));
	result = forwarded(padded, SCT_CERTIFICATE_HEADER_MAX_LEN, SCT_FORMAT_AUTO);
	ok(is_certificate(result, client, true) && result->header.at == 1,
	   "65536 bytes are read, blanks included");
	reason = sct_certificate_header_read(padded,
										 SCT_CERTIFICATE_HEADER_MAX_LEN + 1,
										 SCT_FORMAT_AUTO, NULL, &header);
	ok(reason == SCT_CERTIFICATE && header.fault == SCT_FAULT_TOO_LONG &&
	   header.at == 65536,
	   "B47 one more is refused, without a look at them or a place for a result");

	/* SEQUENCE {SEQUENCE, SEQUENCE, BIT STRING} of as many bytes */
	for (size_t len = SCT_X509_MAX_LEN; len <= SCT_X509_MAX_LEN + 1; len++)
	{
		size_t		rest = len - 4 - 2 - 2 - 4;

		memcpy(large, "\x30\x82\0\0\x30\0\x30\0\x03\x82", 10);
		large[2] = (uint8) ((len - 4) >> 8);
		large[3] = (uint8) (len - 4);
		large[10] = (uint8) (rest >> 8);
		large[11] = (uint8) rest;
		base64 = base64_text(large, len);
		result = forwarded(base64, strlen(base64), SCT_FORMAT_BASE64);
		if (len == SCT_X509_MAX_LEN)
			ok(result->reason == SCT_OK && result->header.der_len == len,
			   "a certificate of 16384 bytes is read");
		else
			ok(result->header.fault == SCT_FAULT_TOO_LARGE,
			   "one of 16385 bytes is refused");
	}
}

/* The rows of the study that cert_headers.tsv does not have. */
static void
other_rows(void)
{
	char	   *pem = pem_text(client, "\n");
	char	   *base64 = base64_text(client->der, client->len);
	char	   *hash = psprintf("Hash=%s", client->hex);
	char	   *cert = psprintf("Cert=\"%s\"", escaped_text(pem, ""));
	char	   *other_cert = psprintf("Cert=\"%s\"",
									  escaped_text(pem_text(other, "\n"), ""));
	char	   *value;
	uint8	   *ber;

	accepted(without_end(pem_text(client, "\n\t"), 2), "nginx",
			 "B08 nginx, $ssl_client_cert: a TAB after each line break");
	accepted(escaped_text(psprintf("%s%s", pem, pem_text(other, "\n")), "+/="),
			 "aws_alb", "B14 AWS ALB, passthrough: the leaf comes first");
	accepted(psprintf("%s,%s", base64, base64_text(other->der, other->len)),
			 "traefik", "B15 Traefik v3: the leaf comes first");
	accepted(psprintf("By=a;%s;Subject=\"CN=\\\";Cert=x,O=a\\\\,C=b;\";%s",
					  hash, cert), "envoy",
			 "B20 Envoy: quotes, keys and separators in a quoted Subject are text");
	value = psprintf("Hash=%s;%s", other->hex, cert);
	refused(value, "envoy", SCT_FAULT_XFCC_MISMATCH, value + 5,
			"B21 Envoy: the Hash of another certificate is refused");
	ok(is_certificate(forwarded(hash, strlen(hash), SCT_FORMAT_ENVOY), client,
					  false),
	   "B22 Envoy: Hash alone gives the fingerprint");
	value = psprintf("%s;URI=spiffe://a\";%s;DNS=\"", hash, other_cert);
	refused(value, "envoy", SCT_FAULT_XFCC_QUOTES, strchr(value, '"'),
			"B24 Envoy: a quote in a URI is refused");
	accepted(base64, "cloud_foundry",
			 "B25 Cloud Foundry: base64 in the header that Envoy uses too");
	accepted(psprintf("-----BEGIN CERTIFICATE----- %s -----END CERTIFICATE-----",
					  base64), "haproxy",
			 "B26 HAProxy: base64 between two boundaries");
	value = psprintf("Certificate:\n%s", pem);
	refused(value, "auto", SCT_FAULT_CHARACTER, strchr(value, ':'),
			"B30 text before PEM is refused");
	value = psprintf("subject=CN = mtls\n%s", pem);
	refused(value, "auto", SCT_FAULT_XFCC_ORDER, value,
			"B30 a subject before PEM is refused");
	value = replaced(pem, "BEGIN CERT", "BEGIN TRUSTED CERT");
	refused(value, "pem", SCT_FAULT_PEM_BEGIN, value,
			"B31 BEGIN TRUSTED CERTIFICATE is refused");
	value = without_end(pem, strlen("-----\n") + 40);
	refused(value, "pem", SCT_FAULT_BASE64, value + strlen(value) - 1,
			"B33 PEM that is cut off is refused");
	value = without_end(pem, 1 + strlen("END CERTIFICATE-----"));
	refused(value, "pem", SCT_FAULT_PEM_END, value + strlen(value) - 5,
			"B33 PEM without its end is refused");
	value = without_end(base64, 4);
	refused(value, "base64", SCT_FAULT_DER, value,
			"B33 base64 that is cut off is refused");
	ber = palloc(client->len + 1);
	memcpy(ber, "\x30\x83\x00", 3);
	memcpy(ber + 3, client->der + 2, client->len - 2);
	value = base64_text(ber, client->len + 1);
	refused(value, "base64", SCT_FAULT_DER, value,
			"B36 a length of BER is refused");
	accepted(psprintf("%s%s", pem, pem_text(other, "\n")), "pem",
			 "B37 PEM of a chain: the first certificate");
	value = psprintf("%s;%s;URI=a,%s", hash, cert, other_cert);
	refused(value, "envoy", SCT_FAULT_XFCC_ELEMENTS, strchr(value, ','),
			"B40 Envoy: an element through a comma in a URI is refused");
	value = hex_text(client->sha256, SCT_SHA256_LEN, "0123456789ABCDEF");
	accepted(psprintf("Hash=%s;%s", value, cert), "envoy",
			 "B44 Envoy: Hash in capitals");
}

/* Thumbprints alone (B48). */
static void
fingerprints(void)
{
	uint8		sha256[SCT_SHA256_LEN];
	char		url[SCT_BASE64URL_ENCODED_LEN(SCT_SHA256_LEN) + 1] = {0};
	char	   *value;

	value = without_end(client->hex, 24);
	refused(value, "fingerprint", SCT_FAULT_SHA1, value,
			"B48 40 hexadecimal digits are SHA-1: refused");
	refused(value, "auto", SCT_FAULT_SHA1, value,
			"B48 40 hexadecimal digits are refused in auto");
	value = without_end(client->hex, 1);
	refused(value, "fingerprint", SCT_FAULT_FORM, value,
			"B48 63 hexadecimal digits are refused");
	refused(value, "auto", SCT_FAULT_BASE64, value + 62,
			"B48 63 hexadecimal digits are refused in auto");
	value = replaced(client->hex, "f", "g");
	refused(value, "fingerprint", SCT_FAULT_FORM, value,
			"64 characters with one that is no digit are refused");

	memset(sha256, 0xfb, sizeof(sha256));
	sct_base64url_encode(sha256, sizeof(sha256), url);
	ok(forwarded(url, 43, SCT_FORMAT_FINGERPRINT)->reason == SCT_OK,
	   "43 characters of base64url with a minus are taken");
	value = without_end(base64_text(sha256, sizeof(sha256)), 1);
	refused(value, "fingerprint", SCT_FAULT_FORM, value,
			"B48 43 characters with a plus are refused");
	refused(value, "auto", SCT_FAULT_BASE64, value + 42,
			"B48 43 characters with a plus are refused in auto");
	memset(sha256, 0xff, sizeof(sha256));
	value = without_end(base64_text(sha256, sizeof(sha256)), 1);
	refused(value, "fingerprint", SCT_FAULT_FORM, value,
			"B48 43 characters with a slash are refused");
	value = base64_text(sha256, sizeof(sha256) - 1);
	refused(value, "fingerprint", SCT_FAULT_FORM, value,
			"44 characters of base64 that are 31 bytes are refused");
	value = psprintf("%s=", url);
	refused(value, "fingerprint", SCT_FAULT_FORM, value,
			"base64url with padding is refused");
	value[42] = 'x';
	value[43] = '\0';
	refused(value, "fingerprint", SCT_FAULT_FORM, value,
			"base64url with stray bits is refused");
}

static void
percent_encoding(void)
{
	char	   *pem = pem_text(client, "\n");
	char	   *escaped = escaped_text(pem, "");
	char	   *alb = escaped_text(pem, "+/=");
	char	   *value;

	value = replaced(escaped, "%0A", "%0");
	refused(value, "auto", SCT_FAULT_ESCAPE, strstr(value, "%0M"),
			"a percent sign before one digit is refused");
	value = without_end(escaped, 2);
	refused(value, "auto", SCT_FAULT_ESCAPE, value + strlen(value) - 1,
			"a percent sign at the end is refused");
	value = replaced(escaped, "%0A", "%00");
	refused(value, "auto", SCT_FAULT_CHARACTER, strstr(value, "%00"),
			"%%00 is refused");
	value = replaced(escaped, "%0A", "%C2%A0");
	refused(value, "auto", SCT_FAULT_CHARACTER, strstr(value, "%C2"),
			"an escaped character beyond ASCII is refused");
	value = replaced(escaped, "%0A", "%250A");
	refused(value, "auto", SCT_FAULT_CHARACTER, strstr(value, "%25"),
			"what is escaped twice is refused");

	accepted(alb, "auto", "a plus is a plus, where a blank is %20");
	value = replaced(form_text(pem), "%2B", "+");
	refused(value, "auto", SCT_FAULT_BASE64, strstr(value, "%3D"),
			"a plus is a blank, where the first line has one for it");

	value = replaced(escaped, "%2B", "+");
	refused(value, "nginx", SCT_FAULT_CHARACTER, strchr(value, '+'),
			"nginx escapes a plus: a bare one is refused");
	accepted(value, "auto", "and somebody does not");
	value = replaced(alb, "+", "%2B");
	refused(value, "aws_alb", SCT_FAULT_CHARACTER, strstr(value, "%2B"),
			"AWS ALB does not: an escaped one is refused");
	value = replaced(escaped, "MIIB", "%4DIIB");
	refused(value, "nginx", SCT_FAULT_CHARACTER, strstr(value, "%4D"),
			"nobody escapes a letter");
}

static void
pem_and_base64(void)
{
	char	   *pem = pem_text(client, "\n");
	char	   *base64 = base64_text(client->der, client->len);
	char	   *value;

	value = replaced(pem, "/Au08", "-Au08");
	refused(value, "pem", SCT_FAULT_PEM_END, strstr(value, "-Au08"),
			"base64url within PEM is refused");
	value = replaced(pem, "/Au08", "_Au08");
	refused(value, "pem", SCT_FAULT_CHARACTER, strstr(value, "_Au08"),
			"an underscore within PEM is refused");
	value = replaced(pem, "/Au08", "=Au08");
	refused(value, "pem", SCT_FAULT_CHARACTER, strstr(value, "Au08"),
			"what follows padding within PEM is refused");
	value = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n";
	refused(value, "pem", SCT_FAULT_CHARACTER, strchr(value, '\n') + 1,
			"PEM around nothing is refused");
	value = psprintf("%sx", pem);
	refused(value, "pem", SCT_FAULT_CHARACTER, value + strlen(pem),
			"text behind PEM is refused");
	value = psprintf("%s%s", pem, "-----BEGIN PRIVATE KEY-----\n");
	refused(value, "pem", SCT_FAULT_PEM_BEGIN, value + strlen(pem),
			"a chain with another thing in it is refused");
	value = psprintf("%s%s", pem, without_end(pem, 40));
	refused(value, "pem", SCT_FAULT_BASE64, value + strlen(value) - 1,
			"a chain whose second certificate is cut off is refused");
	value = psprintf("%s%s", pem, pem);
	refused(value, "nginx", SCT_FAULT_MORE, value + strlen(pem),
			"nginx sends one certificate: a second one is refused");

	value = psprintf("%s,", base64);
	refused(value, "traefik", SCT_FAULT_END, value + strlen(value),
			"a list that ends in a comma is refused");
	value = psprintf("%s, %s", base64, base64);
	refused(value, "traefik", SCT_FAULT_BLANK, strchr(value, ' '),
			"two headers joined to one list are refused");
	value = psprintf(",%s", base64);
	refused(value, "traefik", SCT_FAULT_CHARACTER, value,
			"a list that begins with a comma is refused");
	value = psprintf("%s,%s", base64, base64);
	refused(value, "base64", SCT_FAULT_MORE, strchr(value, ','),
			"a list where one certificate is sent is refused");
	value = "::";
	refused(value, "rfc9440", SCT_FAULT_CHARACTER, value + 1,
			"an empty byte sequence is refused");
	value = psprintf(":%s", base64);
	refused(value, "rfc9440", SCT_FAULT_END, value + strlen(value),
			"a byte sequence without its end is refused");
	value = ":";
	refused(value, "rfc9440", SCT_FAULT_END, value + 1,
			"a colon alone is refused");
	value = psprintf("%s\xc3\xa4", base64);
	refused(value, "base64", SCT_FAULT_NOT_ASCII, value + strlen(base64),
			"what is not ASCII is refused");
	ok(forwarded("MIIB\0", 5, SCT_FORMAT_AUTO)->header.fault ==
	   SCT_FAULT_CHARACTER, "a NUL is refused");
}

static void
envoy(void)
{
	char	   *pem = pem_text(client, "\n");
	char	   *hash = psprintf("Hash=%s", client->hex);
	char	   *cert = psprintf("Cert=\"%s\"", escaped_text(pem, ""));
	char	   *chain = psprintf("Chain=\"%s%s\"",
								 escaped_text(pem_text(other, "\n"), ""),
								 escaped_text(pem, ""));
	char	   *value;

	accepted(cert, "envoy", "Cert without Hash");
	accepted(psprintf("%s;%s", cert, hash), "envoy", "Cert before Hash");
	value = replaced(replaced(cert, "\"", ""), "\"", "");
	accepted(psprintf("%s;%s", hash, value), "envoy", "Cert without quotes");
	accepted(psprintf("Hash=\"%s\";%s", client->hex, cert), "envoy",
			 "Hash in quotes");
	accepted(psprintf("%s;%s;%s", hash, cert, chain), "envoy",
			 "Cert beside Chain: Cert");
	accepted(psprintf("By=a;By=b;%s;URI=a;URI=b;DNS=;DNS=c;%s", hash, cert),
			 "envoy", "By, URI and DNS come once for each name");
	value = psprintf("%s;%s", hash, chain);
	refused(value, "envoy", SCT_FAULT_XFCC_MISMATCH, value + 5,
			"Chain: the first certificate must be the Hash's");

	value = psprintf("%s;%s;Cert=a", hash, cert);
	refused(value, "envoy", SCT_FAULT_XFCC_TWICE, strstr(value, "Cert=a"),
			"a second Cert is refused");
	value = psprintf("%s;%s", hash, hash);
	refused(value, "envoy", SCT_FAULT_XFCC_TWICE, strchr(value, ';') + 1,
			"a second Hash is refused, also an equal one");
	value = psprintf("%s;Subject=\"\";SUBJECT=\"\"", hash);
	refused(value, "envoy", SCT_FAULT_XFCC_TWICE, strstr(value, "SUBJECT"),
			"a second Subject is refused");
	value = psprintf("%s;Chain=a;%s", hash, chain);
	refused(value, "envoy", SCT_FAULT_XFCC_TWICE, strstr(value, "Chain=\""),
			"a second Chain is refused");
	value = psprintf("%s;", hash);
	refused(value, "envoy", SCT_FAULT_XFCC_KEY, value + strlen(value),
			"a semicolon at the end is refused");
	value = psprintf("%s; URI=a", hash);
	refused(value, "envoy", SCT_FAULT_XFCC_KEY, strchr(value, ' '),
			"a blank before a key is refused");
	value = psprintf("%s;Email=a", hash);
	refused(value, "envoy", SCT_FAULT_XFCC_KEY, strstr(value, "Email"),
			"an unknown key is refused");
	value = psprintf("%s,", hash);
	refused(value, "envoy", SCT_FAULT_XFCC_ELEMENTS, strchr(value, ','),
			"an element of which nothing is there is refused");

	value = psprintf("%s;Subject=\"CN=a", hash);
	refused(value, "envoy", SCT_FAULT_XFCC_QUOTES, value + strlen(value),
			"a quote without an end is refused");
	value = psprintf("%s;Subject=\"CN=a\\\"", hash);
	refused(value, "envoy", SCT_FAULT_XFCC_QUOTES, value + strlen(value),
			"a quote whose end is escaped is refused");
	value = psprintf("%s;Subject=\"CN=a\\", hash);
	refused(value, "envoy", SCT_FAULT_XFCC_QUOTES, value + strlen(value),
			"a quote that ends in a backslash is refused");
	value = psprintf("%s;Subject=\"CN=a\"b", hash);
	refused(value, "envoy", SCT_FAULT_XFCC_QUOTES, value + strlen(value) - 1,
			"a value of which a part is quoted is refused");

	value = psprintf("URI=spiffe://a;%s", cert);
	refused(value, "envoy", SCT_FAULT_XFCC_ORDER, value,
			"a URI without Hash before it is refused: it may have written the rest");
	value = psprintf("%s;DNS=a", cert);
	refused(value, "envoy", SCT_FAULT_XFCC_ORDER, strstr(value, "DNS"),
			"a DNS name without Hash is refused");
	value = psprintf("Subject=CN=a;%s;%s", hash, cert);
	refused(value, "envoy", SCT_FAULT_XFCC_ORDER, value,
			"an unquoted Subject before Hash is refused");
	accepted(psprintf("Subject=\"CN=a\";%s", cert), "envoy",
			 "a quoted Subject cannot have written the rest");

	value = replaced(hash, "f", "g");
	refused(value, "envoy", SCT_FAULT_XFCC_HASH, value + 5,
			"a Hash that is not hexadecimal is refused");
	value = psprintf("%s0", hash);
	refused(value, "envoy", SCT_FAULT_XFCC_HASH, value + 5,
			"a Hash of 65 digits is refused");
	value = "By=a";
	refused(value, "envoy", SCT_FAULT_XFCC_EMPTY, value,
			"a value without Cert, Chain and Hash is refused");
	value = psprintf("%s;Cert=\"\"", hash);
	refused(value, "envoy", SCT_FAULT_FORM, value + strlen(value) - 1,
			"an empty Cert is refused");
	value = psprintf("%s;Cert=\"%s\"", hash,
					 base64_text(client->der, client->len));
	refused(value, "auto", SCT_FAULT_FORM, strstr(value, "MII"),
			"a Cert that is not PEM is refused");
	value = psprintf("%s;Cert=\"%s\"", hash, pem);
	refused(value, "envoy", SCT_FAULT_FORM, strstr(value, "-----"),
			"a Cert that is not escaped is refused");
	value = psprintf("%s;Cert=\"%s%s\"", hash, escaped_text(pem, ""),
					 escaped_text(pem, ""));
	refused(value, "envoy", SCT_FAULT_MORE,
			strstr(strstr(value, "END"), "-----BEGIN"),
			"a Cert of two certificates is refused");
}

/* Where the certificate begins, or what stands for it. */
static void
beginnings(void)
{
	char	   *pem = pem_text(client, "\n");
	char	   *base64 = base64_text(client->der, client->len);
	char	   *hash = psprintf("By=a;Hash=%s", client->hex);
	char	   *cert = psprintf("%s;Cert=\"%s\"", hash, escaped_text(pem, ""));
	struct
	{
		char	   *value;
		size_t		at;
		const char *what;
	}			cases[] = {
		{psprintf(" :%s: ", base64), 2, "behind the colon"},
		{psprintf(" %s", base64), 1, "at the base64"},
		{pem, 0, "at the PEM boundary"},
		{cert, strstr(cert, "-----") - cert, "at the PEM boundary in Cert"},
		{hash, strlen("By=a;Hash="), "at the Hash"},
		{psprintf("\t%s", client->hex), 1, "at the fingerprint"}
	};

	for (size_t i = 0; i < lengthof(cases); i++)
	{
		const Forwarded *result = forwarded(cases[i].value,
											strlen(cases[i].value),
											SCT_FORMAT_AUTO);

		ok(result->reason == SCT_OK && result->header.at == cases[i].at,
		   "a certificate begins %s", cases[i].what);
	}
}

/* The longest values of one thing, alone and behind a Hash. */
static void
bounded_work(void)
{
	static const char *const seas[] = {
		"AAAA,", "%41", "URI=;", "\\", "\"", ";", ":", "-----", "=", "%",
		"-----BEGIN CERTIFICATE-----AAAA-----END CERTIFICATE-----"
	};
	char	   *value = palloc(SCT_CERTIFICATE_HEADER_MAX_LEN);
	char	   *hash = psprintf("Hash=%s;", client->hex);
	bool		refuses = true;

	for (size_t i = 0; i < lengthof(seas); i++)
	{
		for (int quoted = 0; quoted < 2; quoted++)
		{
			size_t		len = quoted ? strlen(hash) : 0;

			memcpy(value, hash, len);
			while (len + strlen(seas[i]) <= SCT_CERTIFICATE_HEADER_MAX_LEN)
			{
				memcpy(value + len, seas[i], strlen(seas[i]));
				len += strlen(seas[i]);
			}
			refuses = forwarded(value, len, SCT_FORMAT_AUTO)->reason ==
				SCT_CERTIFICATE && refuses;
		}
	}
	ok(refuses, "64 KB of one thing are refused");
}

int
main(void)
{
	SctCertificateFormat found;

	if (!read_vectors())
		return skip_all("no vectors at ", "test/vectors/mtls");
	client = certificate_named("rfc8705_appendix_a.pem");
	other = certificate_named("leaf.pem");

	for (int i = 0; i < header_row_count; i++)
		run_row(&header_rows[i]);
	ok(header_row_count == 29, "there are 29 rows");
	other_rows();
	each_format_each_form();
	every_certificate();
	nothing_there();
	limits();
	fingerprints();
	percent_encoding();
	pem_and_base64();
	envoy();
	beginnings();
	bounded_work();
	ok(!sct_certificate_format_lookup("NGINX", 5, &found) &&
	   !sct_certificate_format_lookup("ngin", 4, &found) &&
	   !sct_certificate_format_lookup("", 0, &found),
	   "a format is known by its word alone");
	ok(ERR_peek_error() == 0, "OpenSSL's queue of errors is as it was");
	return done();
}
