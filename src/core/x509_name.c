/*
 * x509_name.c
 *		Whom a certificate names, see x509_name.h.
 *
 * Nothing here reads a name through a C string: a NUL inside one is a character
 * like any other, and equal to nothing that can be registered but itself.
 */
#include "../compat.h"

#include <arpa/inet.h>

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "x509_dn.h"
#include "x509_name.h"

#define MAX_DNS		253			/* RFC 1035 2.3.4 */
#define MAX_LABEL	63
#define IPV4_LEN	4
#define IPV6_LEN	16

/* In the order of SctX509Member. */
static const char *const member_names[SCT_X509_MEMBERS] = {
	"tls_client_auth_subject_dn",
	"tls_client_auth_san_dns",
	"tls_client_auth_san_uri",
	"tls_client_auth_san_ip",
	"tls_client_auth_san_email"
};

const char *
sct_x509_member_name(SctX509Member member)
{
	return member_names[member];
}

bool
sct_x509_member_lookup(const char *name, size_t len, SctX509Member *member)
{
	for (int i = 0; i < SCT_X509_MEMBERS; i++)
	{
		if (len == strlen(member_names[i]) &&
			memcmp(name, member_names[i], len) == 0)
		{
			*member = (SctX509Member) i;
			return true;
		}
	}
	return false;
}

static bool
equal_but_for_case(const uint8 *a, const char *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
	{
		if (pg_ascii_tolower(a[i]) != pg_ascii_tolower((unsigned char) b[i]))
			return false;
	}
	return true;
}

/* Labels of letters, digits, "-" and "_", with dots between them. */
static bool
is_dns_name(const char *value, size_t len)
{
	size_t		label = 0;

	if (len > MAX_DNS)
		return false;
	for (size_t i = 0; i < len; i++)
	{
		char		c = value[i];

		if (c == '.')
		{
			if (label == 0)
				return false;
			label = 0;
		}
		else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
				 (c >= '0' && c <= '9') || c == '-' || c == '_')
		{
			if (++label > MAX_LABEL)
				return false;
		}
		else
			return false;
	}
	return label > 0;
}

/* Visible ASCII with a scheme before it (RFC 3986 3.1), and something behind it. */
static bool
is_uri(const char *value, size_t len)
{
	size_t		scheme = 0;

	for (size_t i = 0; i < len; i++)
	{
		if (value[i] <= ' ' || value[i] > '~')
			return false;
	}
	for (; scheme < len && value[scheme] != ':'; scheme++)
	{
		char		c = value[scheme];
		bool		letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (!letter && (scheme == 0 || strchr("0123456789+-.", c) == NULL))
			return false;
	}
	return scheme > 0 && scheme + 1 < len;
}

/* ASCII with one "@", a local part and a host (RFC 5280 4.2.1.6). */
static bool
is_mailbox(const char *value, size_t len)
{
	const char *at = memchr(value, '@', len);

	if (at == NULL || at == value)
		return false;
	for (const char *c = value; c < at; c++)
	{
		if (*c <= ' ' || *c > '~')
			return false;
	}
	return is_dns_name(at + 1, len - (at + 1 - value));
}

/* The address in binary (RFC 5952 8); its length, 0 when it is none. */
static size_t
ip_address(const char *value, size_t len, uint8 *address)
{
	char		text[INET6_ADDRSTRLEN];

	if (len >= sizeof(text) || memchr(value, '\0', len) != NULL)
		return 0;
	memcpy(text, value, len);
	text[len] = '\0';
	if (inet_pton(AF_INET, text, address) == 1)
		return IPV4_LEN;
	return inet_pton(AF_INET6, text, address) == 1 ? IPV6_LEN : 0;
}

static bool
is_spiffe(const char *value, size_t len)
{
	static const char scheme[] = "spiffe://";

	return len >= strlen(scheme) &&
		equal_but_for_case((const uint8 *) scheme, value, strlen(scheme));
}

SctReason
sct_x509_name_check(SctX509Member member, const char *value, size_t len)
{
	X509_NAME  *name;
	uint8		address[IPV6_LEN];
	SctReason	reason;
	bool		good = false;

	if (len == 0 || len > SCT_X509_MAX_NAME)
		return SCT_NAME_SYNTAX;
	switch (member)
	{
		case SCT_X509_SUBJECT_DN:
			ERR_set_mark();
			reason = sct_x509_dn_parse(value, len, &name);

			/* an empty name is that of whoever has none */
			if (reason == SCT_OK && X509_NAME_entry_count(name) == 0)
				reason = SCT_NAME_SYNTAX;
			X509_NAME_free(name);
			ERR_pop_to_mark();
			return reason;
		case SCT_X509_SAN_DNS:
			good = is_dns_name(value, len);
			break;
		case SCT_X509_SAN_URI:
			good = is_uri(value, len);
			break;
		case SCT_X509_SAN_IP:
			good = ip_address(value, len, address) > 0;
			break;
		case SCT_X509_SAN_EMAIL:
			good = is_mailbox(value, len);
			break;
	}
	return good ? SCT_OK : SCT_NAME_SYNTAX;
}

static SctReason
match_subject(X509 *x509, const char *value, size_t len)
{
	X509_NAME  *name;
	SctReason	reason = sct_x509_dn_parse(value, len, &name);

	if (reason != SCT_OK)
		return reason;
	if (X509_NAME_cmp(X509_get_subject_name(x509), name) != 0)
		reason = SCT_NAME;
	X509_NAME_free(name);
	return reason;
}

/* Is one SAN what was registered, whose syntax was checked? */
static bool
san_equals(const GENERAL_NAME *san, SctX509Member member,
		   const char *value, size_t len)
{
	const ASN1_STRING *string = san->d.ia5;
	const uint8 *data = ASN1_STRING_get0_data(string);
	size_t		data_len = (size_t) ASN1_STRING_length(string);
	uint8		address[IPV6_LEN];
	size_t		local;

	switch (member)
	{
		case SCT_X509_SAN_DNS:
			return data_len == len && equal_but_for_case(data, value, len);
		case SCT_X509_SAN_URI:
			return data_len == len && memcmp(data, value, len) == 0;
		case SCT_X509_SAN_IP:
			return data_len == ip_address(value, len, address) &&
				memcmp(data, address, data_len) == 0;
		case SCT_X509_SAN_EMAIL:
			/* RFC 5280 7.5: the local part as it is, the host in any case */
			local = (const char *) memchr(value, '@', len) - value;
			return data_len == len && memcmp(data, value, local) == 0 &&
				equal_but_for_case(data + local, value + local, len - local);
		case SCT_X509_SUBJECT_DN:
			break;
	}
	return false;
}

static SctReason
match_san(X509 *x509, SctX509Member member, const char *value, size_t len)
{
	static const int types[SCT_X509_MEMBERS] = {
		-1, GEN_DNS, GEN_URI, GEN_IPADD, GEN_EMAIL
	};
	GENERAL_NAMES *sans;
	int			of_type = 0;
	int			equal = 0;

	/* NULL too when there are two such extensions, or it is malformed */
	sans = X509_get_ext_d2i(x509, NID_subject_alt_name, NULL, NULL);
	for (int i = 0; i < sk_GENERAL_NAME_num(sans); i++)
	{
		const GENERAL_NAME *san = sk_GENERAL_NAME_value(sans, i);

		if (san->type != types[member])
			continue;
		of_type++;
		if (san_equals(san, member, value, len))
			equal++;
	}
	GENERAL_NAMES_free(sans);
	if (member == SCT_X509_SAN_URI && is_spiffe(value, len) && of_type > 1)
		return SCT_NAME;
	return equal > 0 ? SCT_OK : SCT_NAME;
}

SctReason
sct_x509_name_match(SctX509 *x509, SctX509Member member,
					const char *value, size_t len)
{
	SctReason	reason = sct_x509_name_check(member, value, len);

	if (reason != SCT_OK)
		return reason;
	ERR_set_mark();
	if (member == SCT_X509_SUBJECT_DN)
		reason = match_subject(x509, value, len);
	else
		reason = match_san(x509, member, value, len);
	ERR_pop_to_mark();
	return reason;
}
