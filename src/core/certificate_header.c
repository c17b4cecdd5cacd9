/*
 * certificate_header.c
 *		The client certificate as proxies forward it, see certificate_header.h.
 *
 * A form is told by how the text begins; a format is the forms that its sender
 * has.  A cursor reads characters as the sender meant them, so that a fault is
 * known by its place in the text as it came.
 */
#include "../compat.h"

#include "base64url.h"
#include "certificate.h"
#include "certificate_header.h"
#include "percent.h"

#define PEM_BOUNDARY	"-----"
#define PEM_BEGIN		"-----BEGIN CERTIFICATE-----"
#define PEM_END			"-----END CERTIFICATE-----"
#define PEM_BEGIN_FORM	"-----BEGIN+"	/* application/x-www-form-urlencoded */

#define HEX_LEN			(2 * SCT_SHA256_LEN)
#define SHA1_HEX_LEN	40
#define BASE64_LEN		44
#define BASE64URL_LEN	43

/* The forms of a text */
#define FORM_RFC9440		0x01	/* :base64: */
#define FORM_XFCC			0x02	/* key=value;key=value */
#define FORM_PEM			0x04
#define FORM_PEM_ESCAPED	0x08
#define FORM_BASE64			0x10
#define FORM_BASE64_ESCAPED 0x20
#define FORM_FINGERPRINT	0x40
#define FORM_CHAIN			0x80	/* issuers may follow the certificate */

typedef struct FormatRule
{
	const char *word;
	int			forms;

	/*
	 * Where the sender escapes, what it leaves as it is besides unreserved
	 * characters; NULL: it may be anybody.
	 */
	const char *bare;
} FormatRule;

static const FormatRule rules[] = {
	[SCT_FORMAT_AUTO] = {"auto", ~0, NULL},
	[SCT_FORMAT_RFC9440] = {"rfc9440", FORM_RFC9440, ""},
	[SCT_FORMAT_NGINX] = {"nginx", FORM_PEM | FORM_PEM_ESCAPED, ""},
	[SCT_FORMAT_ENVOY] = {"envoy", FORM_XFCC | FORM_PEM_ESCAPED, ""},
	[SCT_FORMAT_HAPROXY] = {"haproxy", FORM_RFC9440 | FORM_PEM |
	FORM_PEM_ESCAPED | FORM_BASE64 | FORM_BASE64_ESCAPED, ""},
	[SCT_FORMAT_APACHE] = {"apache", FORM_PEM, ""},
	[SCT_FORMAT_AWS_ALB] = {"aws_alb", FORM_PEM_ESCAPED | FORM_CHAIN, "+/="},
	[SCT_FORMAT_TRAEFIK] = {"traefik", FORM_BASE64 | FORM_BASE64_ESCAPED |
	FORM_CHAIN, ","},
	[SCT_FORMAT_CLOUD_FOUNDRY] = {"cloud_foundry", FORM_BASE64, ""},
	[SCT_FORMAT_PEM] = {"pem", FORM_PEM | FORM_CHAIN, ""},
	[SCT_FORMAT_BASE64] = {"base64", FORM_BASE64, ""},
	[SCT_FORMAT_FINGERPRINT] = {"fingerprint", FORM_FINGERPRINT, ""}
};

typedef enum XfccKey
{
	XFCC_BY,
	XFCC_HASH,
	XFCC_CERT,
	XFCC_CHAIN,
	XFCC_SUBJECT,
	XFCC_URI,
	XFCC_DNS,
	XFCC_KEYS					/* how many; none of them */
} XfccKey;

static const struct
{
	const char *name;
	bool		repeats;		/* one for each name in the certificate */
	bool		chosen;			/* by whoever has the client's certificate */
}			xfcc_keys[XFCC_KEYS] = {
	[XFCC_BY] = {"By=", true, false},
	[XFCC_HASH] = {"Hash=", false, false},
	[XFCC_CERT] = {"Cert=", false, false},
	[XFCC_CHAIN] = {"Chain=", false, false},
	[XFCC_SUBJECT] = {"Subject=", false, true},
	[XFCC_URI] = {"URI=", true, true},
	[XFCC_DNS] = {"DNS=", true, true}
};

/* A value of X-Forwarded-Client-Cert; one that is there begins behind 0. */
typedef struct XfccValue
{
	size_t		at;
	size_t		end;
} XfccValue;

/* The part of the text that is not read yet. */
typedef struct Cursor
{
	const char *value;
	size_t		at;
	size_t		end;
	bool		escaped;
	bool		plus_is_space;
	const char *bare;			/* as in FormatRule */
} Cursor;

/* What peek() gives besides characters */
#define PEEK_END		(-1)
#define PEEK_BAD_ESCAPE (-2)
#define PEEK_MISFIT		(-3)	/* not as the sender escapes */

static const char *const fault_texts[] = {
#define X(symbol, text, hint) [symbol] = text,
	SCT_CERTIFICATE_FAULTS(X)
#undef X
};

static const char *const fault_hints[] = {
#define X(symbol, text, hint) [symbol] = hint,
	SCT_CERTIFICATE_FAULTS(X)
#undef X
};

const char *
sct_certificate_fault_text(SctCertificateFault fault)
{
	return fault_texts[fault];
}

const char *
sct_certificate_fault_hint(SctCertificateFault fault)
{
	return fault_hints[fault];
}

bool
sct_certificate_format_lookup(const char *word, size_t len,
							  SctCertificateFormat *format)
{
	for (size_t i = 0; i < lengthof(rules); i++)
	{
		if (len == strlen(rules[i].word) &&
			memcmp(word, rules[i].word, len) == 0)
		{
			*format = (SctCertificateFormat) i;
			return true;
		}
	}
	return false;
}

static SctReason
refuse(SctCertificateHeader *header, SctCertificateFault fault, size_t at)
{
	header->fault = fault;
	header->at = at;
	return SCT_CERTIFICATE;
}

static bool
is_blank(int c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool
is_base64(int c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		(c >= '0' && c <= '9') || c == '+' || c == '/' || c == '=';
}

/* The next character as it is meant, and of how many bytes; or PEEK_... */
static int
peek(const Cursor *c, size_t *width)
{
	char		here;
	int			high;
	int			low;
	bool		bare;

	if (c->at == c->end)
		return PEEK_END;
	*width = 1;
	here = c->value[c->at];
	if (!c->escaped)
		return (uint8) here;
	if (here == '+' && c->plus_is_space)
		return ' ';
	if (here == '%')
	{
		if (c->end - c->at < 3)
			return PEEK_BAD_ESCAPE;
		high = sct_hex_value(c->value[c->at + 1]);
		low = sct_hex_value(c->value[c->at + 2]);
		if (high < 0 || low < 0)
			return PEEK_BAD_ESCAPE;
		*width = 3;
		here = (char) (high << 4 | low);
	}
	if (c->bare != NULL)
	{
		bare = sct_is_unreserved(here) ||
			(here != '\0' && strchr(c->bare, here) != NULL);
		if (bare != (*width == 1))
			return PEEK_MISFIT;
	}
	return (uint8) here;
}

/* Steps over a literal; false, and stays, where something else stands. */
static bool
step_over(Cursor *c, const char *literal)
{
	Cursor		ahead = *c;

	for (; *literal != '\0'; literal++)
	{
		size_t		width;

		if (peek(&ahead, &width) != *literal)
			return false;
		ahead.at += width;
	}
	*c = ahead;
	return true;
}

/* Refuses what stands at the cursor. */
static SctReason
unexpected(const Cursor *c, SctCertificateHeader *header)
{
	size_t		width;
	int			here = peek(c, &width);
	SctCertificateFault fault = SCT_FAULT_CHARACTER;

	if (here == PEEK_END)
		fault = SCT_FAULT_END;
	else if (here == PEEK_BAD_ESCAPE)
		fault = SCT_FAULT_ESCAPE;
	else if (is_blank(here))
		fault = SCT_FAULT_BLANK;
	return refuse(header, fault, c->at);
}

/*
 * Decodes base64 up to the end of the text or to the character that may follow
 * it.  wrapped: blanks are skipped.  The characters are gathered where the bytes
 * go.
 */
static SctReason
read_base64(Cursor *c, bool wrapped, char follows,
			uint8 *bytes, size_t *len, SctCertificateHeader *header)
{
	char	   *text = (char *) bytes;
	size_t		text_len = 0;
	size_t		last = c->at;
	size_t		width;
	int			here;

	while ((here = peek(c, &width)) != PEEK_END && here != follows)
	{
		bool		padded = text_len > 0 && text[text_len - 1] == '=';

		if (is_base64(here) && (!padded || here == '='))
		{
			text[text_len++] = (char) here;
			last = c->at;
		}
		else if (!wrapped || !is_blank(here))
			return unexpected(c, header);
		c->at += width;
	}
	if (text_len == 0)
		return unexpected(c, header);
	if (!sct_base64_decode(text, text_len, bytes, len))
		return refuse(header, SCT_FAULT_BASE64, last);
	return SCT_OK;
}

/* Reads one certificate, with the white space behind PEM. */
static SctReason
read_item(Cursor *c, bool pem, uint8 *der, size_t *der_len,
		  SctCertificateHeader *header)
{
	SctReason	reason;
	size_t		width;

	if (!pem)
		return read_base64(c, false, ',', der, der_len, header);

	if (!step_over(c, PEM_BEGIN))
		return refuse(header, SCT_FAULT_PEM_BEGIN, c->at);
	reason = read_base64(c, true, '-', der, der_len, header);
	if (reason != SCT_OK)
		return reason;
	if (!step_over(c, PEM_END))
		return refuse(header, SCT_FAULT_PEM_END, c->at);
	while (is_blank(peek(c, &width)))
		c->at += width;
	return SCT_OK;
}

/* Is what was decoded a certificate, by its outline?  Takes its SHA-256. */
static SctReason
finish(const uint8 *der, SctCertificateHeader *header)
{
	if (header->der_len > SCT_X509_MAX_LEN)
		return refuse(header, SCT_FAULT_TOO_LARGE, header->at);
	if (!sct_certificate_outline(der, header->der_len))
		return refuse(header, SCT_FAULT_DER, header->at);
	return sct_crypto_sha256(der, header->der_len, header->sha256);
}

/* Reads PEM or base64, escaped or not. */
static SctReason
read_text(Cursor c, int forms, const char *bare,
		  uint8 *der, SctCertificateHeader *header)
{
	size_t		start = c.at;
	size_t		len = c.end - c.at;
	Cursor		probe;
	bool		pem;
	int			form;
	size_t		issuer_len;
	SctReason	reason;

	c.escaped = len > 0 && memchr(c.value + start, '%', len) != NULL;
	c.bare = bare;

	/*
	 * Some senders leave a plus as it is, some write a blank as one.  These
	 * have a blank already in the first line of PEM, and escape each plus.
	 */
	c.plus_is_space = bare == NULL && len > strlen(PEM_BEGIN_FORM) &&
		memcmp(c.value + start, PEM_BEGIN_FORM, strlen(PEM_BEGIN_FORM)) == 0;

	probe = c;
	pem = step_over(&probe, PEM_BOUNDARY);
	if (pem)
		form = c.escaped ? FORM_PEM_ESCAPED : FORM_PEM;
	else
		form = c.escaped ? FORM_BASE64_ESCAPED : FORM_BASE64;
	if (!(forms & form))
		return refuse(header, SCT_FAULT_FORM, start);

	reason = read_item(&c, pem, der, &header->der_len, header);
	while (reason == SCT_OK && c.at < c.end)
	{
		size_t		width;

		if (!(forms & FORM_CHAIN))
			return refuse(header, SCT_FAULT_MORE, c.at);

		/* an issuer is not used, but what is no chain must not pass for one */
		if (peek(&c, &width) != (pem ? '-' : ','))
			return unexpected(&c, header);
		if (!pem)
			c.at += width;
		reason = read_item(&c, pem, der + header->der_len, &issuer_len, header);
	}
	if (reason != SCT_OK)
		return reason;
	header->at = start;
	return finish(der, header);
}

/* Reads a byte sequence of structured fields (RFC 8941 3.3.5) and no more. */
static SctReason
read_rfc9440(Cursor c, uint8 *der, SctCertificateHeader *header)
{
	size_t		start = ++c.at;
	SctReason	reason;

	reason = read_base64(&c, false, ':', der, &header->der_len, header);
	if (reason != SCT_OK)
		return reason;
	if (c.at == c.end)
		return unexpected(&c, header);
	c.at++;
	if (c.at < c.end)
		return refuse(header, SCT_FAULT_MORE, c.at);
	header->at = start;
	return finish(der, header);
}

/* Steps over the key and its "="; where none stands it stays: XFCC_KEYS. */
static XfccKey
xfcc_key(Cursor *c)
{
	XfccKey		key;

	for (key = 0; key < XFCC_KEYS; key++)
	{
		size_t		len = strlen(xfcc_keys[key].name);

		if (c->end - c->at >= len &&
			pg_strncasecmp(c->value + c->at, xfcc_keys[key].name, len) == 0)
		{
			c->at += len;
			break;
		}
	}
	return key;
}

/*
 * Steps over a value, which is what stands between its quotes, if it has any.
 * False where these do not end, or are not around all of it.
 */
static bool
xfcc_value(Cursor *c, XfccValue *value)
{
	if (c->at < c->end && c->value[c->at] == '"')
	{
		value->at = ++c->at;
		while (c->at < c->end && c->value[c->at] != '"')
			c->at += c->value[c->at] == '\\' && c->end - c->at > 1 ? 2 : 1;
		if (c->at == c->end)
			return false;
		value->end = c->at++;
	}
	else
	{
		value->at = c->at;
		while (c->at < c->end && strchr("\";,", c->value[c->at]) == NULL)
			c->at++;
		value->end = c->at;
	}
	return c->at == c->end || c->value[c->at] == ';' || c->value[c->at] == ',';
}

/* Reads hexadecimal digits, two for each byte. */
static bool
read_hex(const char *text, size_t len, uint8 *bytes)
{
	for (size_t i = 0; i + 1 < len; i += 2)
	{
		int			high = sct_hex_value(text[i]);
		int			low = sct_hex_value(text[i + 1]);

		if (high < 0 || low < 0)
			return false;
		bytes[i / 2] = (uint8) (high << 4 | low);
	}
	return len % 2 == 0;
}

/*
 * Reads the one element that Envoy writes about the client next to it.
 *
 * Envoy does not quote names from the certificate (URI, DNS), so its owner can
 * write keys and elements into the header.  A second element, a second Hash,
 * Cert or Chain, and a Cert or Chain that is not the Hash's are therefore
 * refused, and such a name may only come behind the Hash, where Envoy has it.
 */
static SctReason
read_xfcc(Cursor c, const FormatRule *rule, uint8 *der,
		  SctCertificateHeader *header)
{
	XfccValue	values[XFCC_KEYS] = {0};
	const XfccValue *hash = &values[XFCC_HASH];
	const XfccValue *cert = &values[XFCC_CERT];
	int			forms = rule->forms & (FORM_PEM | FORM_PEM_ESCAPED);
	size_t		start = c.at;
	uint8		sha256[SCT_SHA256_LEN];
	SctReason	reason;

	for (;;)
	{
		size_t		at = c.at;
		XfccKey		key = xfcc_key(&c);

		if (key == XFCC_KEYS)
			return refuse(header, SCT_FAULT_XFCC_KEY, at);
		if (values[key].at > 0 && !xfcc_keys[key].repeats)
			return refuse(header, SCT_FAULT_XFCC_TWICE, at);
		if (!xfcc_value(&c, &values[key]))
			return refuse(header, SCT_FAULT_XFCC_QUOTES, c.at);
		if (xfcc_keys[key].chosen && hash->at == 0 &&
			c.value[values[key].at - 1] != '"')
			return refuse(header, SCT_FAULT_XFCC_ORDER, at);
		if (c.at == c.end)
			break;
		if (c.value[c.at] == ',')
			return refuse(header, SCT_FAULT_XFCC_ELEMENTS, c.at);
		c.at++;
	}

	if (hash->at > 0 &&
		(hash->end - hash->at != HEX_LEN ||
		 !read_hex(c.value + hash->at, HEX_LEN, sha256)))
		return refuse(header, SCT_FAULT_XFCC_HASH, hash->at);
	if (cert->at == 0)
	{
		cert = &values[XFCC_CHAIN];
		forms |= FORM_CHAIN;
	}
	if (cert->at == 0)
	{
		if (hash->at == 0)
			return refuse(header, SCT_FAULT_XFCC_EMPTY, start);
		memcpy(header->sha256, sha256, SCT_SHA256_LEN);
		header->at = hash->at;
		return SCT_OK;
	}

	c.at = cert->at;
	c.end = cert->end;
	reason = read_text(c, forms, rule->bare, der, header);
	if (reason == SCT_OK && hash->at > 0 &&
		memcmp(sha256, header->sha256, SCT_SHA256_LEN) != 0)
		return refuse(header, SCT_FAULT_XFCC_MISMATCH, hash->at);
	return reason;
}

/* Is it nothing but a SHA-256: hexadecimal, base64 or base64url? */
static bool
read_fingerprint(const char *text, size_t len, uint8 *sha256)
{
	uint8		bytes[SCT_BASE64URL_DECODED_LEN(BASE64_LEN)];
	size_t		bytes_len = 0;

	if (len == HEX_LEN)
		return read_hex(text, len, sha256);
	if (len == BASE64_LEN)
		(void) sct_base64_decode(text, len, bytes, &bytes_len);
	else if (len == BASE64URL_LEN)
		(void) sct_base64url_decode(text, len, bytes, &bytes_len);
	if (bytes_len != SCT_SHA256_LEN)
		return false;
	memcpy(sha256, bytes, SCT_SHA256_LEN);
	return true;
}

static bool
is_absent(const char *text, size_t len)
{
	return len == 0 || (len == 1 && text[0] == '-') ||
		(len == 6 && memcmp(text, "(null)", 6) == 0);
}

SctReason
sct_certificate_header_read(const char *value, size_t len,
							SctCertificateFormat format,
							uint8 *der, SctCertificateHeader *header)
{
	const FormatRule *rule = &rules[format];
	Cursor		c = {.value = value, .end = len};
	Cursor		probe;
	uint8		sha1[SHA1_HEX_LEN / 2];

	memset(header, 0, sizeof(SctCertificateHeader));
	if (len > SCT_CERTIFICATE_HEADER_MAX_LEN)
		return refuse(header, SCT_FAULT_TOO_LONG,
					  SCT_CERTIFICATE_HEADER_MAX_LEN);
	for (size_t i = 0; i < len; i++)
	{
		if (IS_HIGHBIT_SET(value[i]))
			return refuse(header, SCT_FAULT_NOT_ASCII, i);
	}

	/* optional white space around it is not part of a field (RFC 9110 5.5) */
	while (c.at < c.end && (value[c.at] == ' ' || value[c.at] == '\t'))
		c.at++;
	while (c.at < c.end &&
		   (value[c.end - 1] == ' ' || value[c.end - 1] == '\t'))
		c.end--;
	if (is_absent(value + c.at, c.end - c.at))
		return SCT_MISSING;

	if (value[c.at] == ':')
	{
		if (!(rule->forms & FORM_RFC9440))
			return refuse(header, SCT_FAULT_FORM, c.at);
		return read_rfc9440(c, der, header);
	}
	probe = c;
	if (xfcc_key(&probe) != XFCC_KEYS)
	{
		if (!(rule->forms & FORM_XFCC))
			return refuse(header, SCT_FAULT_FORM, c.at);
		return read_xfcc(c, rule, der, header);
	}
	if (rule->forms & FORM_FINGERPRINT)
	{
		if (read_fingerprint(value + c.at, c.end - c.at, header->sha256))
		{
			header->at = c.at;
			return SCT_OK;
		}
		if (c.end - c.at == SHA1_HEX_LEN &&
			read_hex(value + c.at, SHA1_HEX_LEN, sha1))
			return refuse(header, SCT_FAULT_SHA1, c.at);
	}
	return read_text(c, rule->forms, rule->bare, der, header);
}
