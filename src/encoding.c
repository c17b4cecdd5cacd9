/*
 * encoding.c
 *		Text between UTF-8 and the database's encoding, see encoding.h.
 */
#include "sctoken.h"

#include "catalog/namespace.h"
#include "lib/stringinfo.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "encoding.h"

/*
 * Converts without errors; NULL when a character cannot be converted.  The result
 * is NUL-terminated.
 */
static char *
convert(const char *src, size_t len, int from, int to)
{
	Oid			proc = FindDefaultConversionProc(from, to);
	size_t		size = len * MAX_CONVERSION_GROWTH + 1;
	char	   *dst;

	if (!OidIsValid(proc) || size > MaxAllocSize)
		return NULL;
	dst = palloc(size);
	if (pg_do_encoding_conversion_buf(proc, from, to,
									  (unsigned char *) unconstify(char *, src),
									  (int) len, (unsigned char *) dst,
									  (int) size, true) < (int) len)
		return NULL;
	return dst;
}

/* Appends valid UTF-8 as ASCII, other characters as JSON spells them. */
static text *
escape(const char *utf8, size_t len, bool escape_backslash)
{
	StringInfoData buf;
	const unsigned char *p = (const unsigned char *) utf8;
	const unsigned char *end = p + len;

	initStringInfo(&buf);
	while (p < end)
	{
		pg_wchar	c;

		if (*p < 0x80)
		{
			if (*p == '\\' && escape_backslash)
				appendStringInfoChar(&buf, '\\');
			appendStringInfoChar(&buf, (char) *p++);
			continue;
		}
		c = utf8_to_unicode(p);
		p += pg_utf_mblen(p);
		if (c >= 0x10000)
			appendStringInfo(&buf, "\\u%04x\\u%04x",
							 0xd800 + ((c - 0x10000) >> 10),
							 0xdc00 + ((c - 0x10000) & 0x3ff));
		else
			appendStringInfo(&buf, "\\u%04x", c);
	}
	return cstring_to_text_with_len(buf.data, buf.len);
}

text *
sct_utf8_to_text(const char *utf8, size_t len)
{
	int			encoding = GetDatabaseEncoding();
	char	   *converted;

	if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII)
		return cstring_to_text_with_len(utf8, (int) len);
	converted = convert(utf8, len, PG_UTF8, encoding);
	return converted != NULL ? cstring_to_text(converted) : escape(utf8, len, true);
}

text *
sct_utf8_json_to_text(const char *utf8, size_t len)
{
	return GetDatabaseEncoding() == PG_UTF8 ?
		cstring_to_text_with_len(utf8, (int) len) : escape(utf8, len, false);
}

const char *
sct_text_to_utf8(const text *value, size_t *len)
{
	int			encoding = GetDatabaseEncoding();
	const char *utf8 = VARDATA_ANY(value);

	*len = VARSIZE_ANY_EXHDR(value);
	if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII)
		return utf8;
	utf8 = convert(utf8, *len, encoding, PG_UTF8);
	if (utf8 != NULL)
		*len = strlen(utf8);
	return utf8;
}
