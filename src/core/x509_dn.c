/*
 * x509_dn.c
 *		Distinguished names as strings (RFC 4514), see x509_dn.h.
 *
 * The parser does not decide whether two names are equal: it makes an X509_NAME,
 * and OpenSSL compares.
 */
#include "../compat.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/objects.h>
#include <openssl/x509.h>

#include "mb/pg_wchar.h"

#include "characters.h"
#include "x509_dn.h"
#include "x509_name.h"

#define MAX_ATTRIBUTES	64
#define MAX_TYPE		64		/* bytes of an attribute type */
#define MAX_OID			127		/* characters of an OID that is written */

/* One attribute as it stands in the string */
typedef struct Attribute
{
	const char *type;
	size_t		type_len;
	const char *value;			/* without spaces around it */
	size_t		value_len;
	bool		continues;		/* the one before it is in the same RDN */
} Attribute;

/* Names of RFC 4514 3 and of other software that OpenSSL spells otherwise. */
static const struct
{
	const char *name;
	int			nid;
} other_names[] = {
	{"STREET", NID_streetAddress},
	{"S", NID_stateOrProvinceName},
	{"E", NID_pkcs9_emailAddress},
	{"EMAIL", NID_pkcs9_emailAddress},
	{"G", NID_givenName},
	{"I", NID_initials},
	{"T", NID_title},
	{"GENERATION", NID_generationQualifier},
	{"DNQ", NID_dnQualifier}
};

static bool
is_special(char c)
{
	return c != '\0' && strchr("\"+,;<>\\", c) != NULL;
}

/* The byte that two hexadecimal digits at text stand for, or -1. */
static int
hex_pair(const char *text, size_t len)
{
	int			high = len < 2 ? -1 : sct_hex_value(text[0]);
	int			low = len < 2 ? -1 : sct_hex_value(text[1]);

	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

static void
skip_spaces(const char *text, size_t len, size_t *at)
{
	while (*at < len && text[*at] == ' ')
		(*at)++;
}

/*
 * Splits the string into attributes; how many, or -1 when it is malformed.  What
 * stands between the separators is not looked at, but for escapes.
 */
static int
split(const char *text, size_t len, Attribute *attributes)
{
	size_t		at = 0;
	int			count = 0;
	bool		continues = false;

	skip_spaces(text, len, &at);
	if (at == len)
		return 0;
	for (;;)
	{
		Attribute  *attribute = &attributes[count];
		size_t		end;		/* behind the last character that is no space */

		if (count++ == MAX_ATTRIBUTES)
			return -1;
		attribute->continues = continues;

		skip_spaces(text, len, &at);
		attribute->type = text + at;
		end = at;
		for (; at < len && text[at] != '='; at++)
		{
			if (is_special(text[at]))
				return -1;
			if (text[at] != ' ')
				end = at + 1;
		}
		if (at == len)
			return -1;
		attribute->type_len = (text + end) - attribute->type;

		at++;
		skip_spaces(text, len, &at);
		attribute->value = text + at;
		end = at;
		for (; at < len && text[at] != ',' && text[at] != '+'; at++)
		{
			if (text[at] == '\\')
			{
				/* a pair: whatever the second character is, it ends nothing */
				if (++at == len)
					return -1;
				end = at + 1;
			}
			else if (text[at] != ' ')
				end = at + 1;
		}
		attribute->value_len = (text + end) - attribute->value;

		if (at == len)
			return count;
		continues = text[at++] == '+';
	}
}

/*
 * The object of an attribute type, or NULL.  The caller frees it.  OpenSSL finds
 * names only as it spells them.
 */
static ASN1_OBJECT *
attribute_object(const Attribute *attribute)
{
	char		type[MAX_TYPE + 1];
	ASN1_OBJECT *object;

	if (attribute->type_len == 0 || attribute->type_len > MAX_TYPE ||
		memchr(attribute->type, '\0', attribute->type_len) != NULL)
		return NULL;
	memcpy(type, attribute->type, attribute->type_len);
	type[attribute->type_len] = '\0';

	/* a number is an OID and never the name of something (.NET: "OID.2.5.4.3") */
	if (type[0] >= '0' && type[0] <= '9')
		return OBJ_txt2obj(type, 1);
	if (pg_strncasecmp(type, "OID.", 4) == 0)
		return OBJ_txt2obj(type + 4, 1);
	for (size_t i = 0; i < lengthof(other_names); i++)
	{
		if (pg_strcasecmp(type, other_names[i].name) == 0)
			return OBJ_nid2obj(other_names[i].nid);
	}
	object = OBJ_txt2obj(type, 0);
	for (int nid = 1; object == NULL && nid < OBJ_new_nid(0); nid++)
	{
		const char *short_name = OBJ_nid2sn(nid);
		const char *long_name = OBJ_nid2ln(nid);

		if ((short_name != NULL && pg_strcasecmp(type, short_name) == 0) ||
			(long_name != NULL && pg_strcasecmp(type, long_name) == 0))
			object = OBJ_nid2obj(nid);
	}
	return object;
}

/* Is this a string type, which a name may have as a value? */
static bool
is_string(int type)
{
	switch (type)
	{
		case V_ASN1_UTF8STRING:
		case V_ASN1_NUMERICSTRING:
		case V_ASN1_PRINTABLESTRING:
		case V_ASN1_T61STRING:
		case V_ASN1_IA5STRING:
		case V_ASN1_VISIBLESTRING:
		case V_ASN1_UNIVERSALSTRING:
		case V_ASN1_BMPSTRING:
			return true;
		default:
			return false;
	}
}

/*
 * Reads the value in hexadecimal behind a "#": the BER of a string.  space has
 * room for SCT_X509_MAX_NAME bytes.
 */
static bool
hex_value(const Attribute *attribute, uint8 *space, ASN1_TYPE **value)
{
	const unsigned char *at = space;
	size_t		len = 0;

	*value = NULL;
	for (size_t i = 1; i < attribute->value_len; i += 2)
	{
		int			byte = hex_pair(attribute->value + i, attribute->value_len - i);

		if (byte < 0)
			return false;
		space[len++] = (uint8) byte;
	}
	*value = d2i_ASN1_TYPE(NULL, &at, (long) len);
	if (*value != NULL && at == space + len && is_string((*value)->type))
		return true;
	ASN1_TYPE_free(*value);
	*value = NULL;
	return false;
}

/*
 * Reads the value as a string without its escapes, into space.  False when it is
 * malformed, or no UTF-8.
 */
static bool
string_value(const Attribute *attribute, uint8 *space, size_t *len)
{
	const char *value = attribute->value;

	*len = 0;
	for (size_t i = 0; i < attribute->value_len; i++)
	{
		int			byte;

		if (value[i] == '\0' || (is_special(value[i]) && value[i] != '\\'))
			return false;
		if (value[i] != '\\')
		{
			space[(*len)++] = (uint8) value[i];
			continue;
		}
		i++;
		byte = hex_pair(value + i, attribute->value_len - i);
		if (byte >= 0)
			i++;
		else if (is_special(value[i]) ||
				 value[i] == ' ' || value[i] == '#' || value[i] == '=')
			byte = (uint8) value[i];
		else
			return false;
		space[(*len)++] = (uint8) byte;
	}

	/* character by character, since an escape may have given a NUL */
	for (size_t i = 0; i < *len;)
	{
		int			char_len = pg_utf_mblen(space + i);

		if ((size_t) char_len > *len - i || !pg_utf8_islegal(space + i, char_len))
			return false;
		i += char_len;
	}
	return true;
}

/* Puts an attribute behind the others of the name. */
static SctReason
add_attribute(X509_NAME *name, const Attribute *attribute, bool continues)
{
	ASN1_OBJECT *object = attribute_object(attribute);
	ASN1_TYPE  *typed = NULL;
	uint8		space[SCT_X509_MAX_NAME];
	size_t		len;
	SctReason	reason = SCT_NAME_SYNTAX;
	int			added = 0;

	if (object == NULL)
		return SCT_NAME_SYNTAX;
	if (attribute->value_len > 0 && attribute->value[0] == '#')
	{
		if (hex_value(attribute, space, &typed))
			added = X509_NAME_add_entry_by_OBJ(name, object, typed->type,
											   ASN1_STRING_get0_data(typed->value.asn1_string),
											   ASN1_STRING_length(typed->value.asn1_string),
											   -1, continues ? -1 : 0);
	}
	else if (string_value(attribute, space, &len))
	{
		/* the type as such, which no table of lengths bounds */
		added = X509_NAME_add_entry_by_OBJ(name, object, V_ASN1_UTF8STRING,
										   space, (int) len,
										   -1, continues ? -1 : 0);
	}
	if (added == 1)
		reason = SCT_OK;
	ASN1_TYPE_free(typed);
	ASN1_OBJECT_free(object);
	return reason;
}

SctReason
sct_x509_dn_parse(const char *text, size_t len, X509_NAME **name)
{
	Attribute	attributes[MAX_ATTRIBUTES];
	int			count;
	SctReason	reason = SCT_OK;

	*name = NULL;
	if (len > SCT_X509_MAX_NAME)
		return SCT_NAME_SYNTAX;
	count = split(text, len, attributes);
	if (count < 0)
		return SCT_NAME_SYNTAX;
	*name = X509_NAME_new();
	if (*name == NULL)
		return SCT_INTERNAL;

	/*
	 * The string has the last RDN first (RFC 4514 2.1).  Within an RDN the order
	 * is of no matter, so that all attributes may be taken backwards; then it is
	 * the one before it, in the string the one after it, that an attribute
	 * continues.
	 */
	for (int i = count - 1; i >= 0 && reason == SCT_OK; i--)
		reason = add_attribute(*name, &attributes[i],
							   i < count - 1 && attributes[i + 1].continues);

	/* a string in hexadecimal may be none in its type: equal to nothing */
	if (reason == SCT_OK && i2d_X509_NAME(*name, NULL) < 0)
		reason = SCT_NAME_SYNTAX;
	if (reason != SCT_OK)
	{
		X509_NAME_free(*name);
		*name = NULL;
	}
	return reason;
}

/* What OpenSSL compares as text whatever the type: other types are shown whole. */
static bool
compares_as_text(int type)
{
	return is_string(type) && type != V_ASN1_NUMERICSTRING;
}

/* OpenSSL escapes a "#" only where it begins a value that it does not end. */
static bool
is_lone_hash(const ASN1_STRING *value)
{
	unsigned char *text;
	int			len = ASN1_STRING_to_UTF8(&text, value);
	bool		lone = len == 1 && text[0] == '#';

	if (len >= 0)
		OPENSSL_free(text);
	return lone;
}

SctReason
sct_x509_object_print(BIO *bio, const ASN1_OBJECT *object)
{
	int			nid = OBJ_obj2nid(object);
	char		oid[MAX_OID + 1];
	int			len;

	if (nid != NID_undef)
		return BIO_puts(bio, OBJ_nid2sn(nid)) > 0 ? SCT_OK : SCT_INTERNAL;

	/* negative for numbers so large that OpenSSL does not compute them */
	len = OBJ_obj2txt(oid, sizeof(oid), object, 1);
	if (len <= 0 || len > MAX_OID)
		return SCT_CERTIFICATE;
	return BIO_puts(bio, oid) == len ? SCT_OK : SCT_INTERNAL;
}

static SctReason
print_attribute(BIO *bio, const X509_NAME_ENTRY *entry)
{
	const ASN1_OBJECT *object = X509_NAME_ENTRY_get_object(entry);
	const ASN1_STRING *value = X509_NAME_ENTRY_get_data(entry);
	unsigned long flags = (ASN1_STRFLGS_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
	SctReason	reason = sct_x509_object_print(bio, object);

	if (reason != SCT_OK)
		return reason;
	if (BIO_puts(bio, "=") != 1)
		return SCT_INTERNAL;

	/* RFC 4514 2.4: the value of a type that has no name is shown whole */
	if (OBJ_obj2nid(object) == NID_undef ||
		!compares_as_text(ASN1_STRING_type(value)))
		flags = ASN1_STRFLGS_DUMP_ALL | ASN1_STRFLGS_DUMP_DER;
	else if (is_lone_hash(value))
		return BIO_puts(bio, "\\#") == 2 ? SCT_OK : SCT_INTERNAL;
	return ASN1_STRING_print_ex(bio, value, flags) >= 0 ? SCT_OK : SCT_INTERNAL;
}

SctReason
sct_x509_dn_print(BIO *bio, const X509_NAME *name)
{
	int			count = X509_NAME_entry_count(name);
	int			rdn = -1;

	for (int i = count - 1; i >= 0; i--)
	{
		const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
		SctReason	reason;

		if (i < count - 1 &&
			BIO_puts(bio, X509_NAME_ENTRY_set(entry) == rdn ? "+" : ",") != 1)
			return SCT_INTERNAL;
		rdn = X509_NAME_ENTRY_set(entry);
		reason = print_attribute(bio, entry);
		if (reason != SCT_OK)
			return reason;
	}
	return SCT_OK;
}
