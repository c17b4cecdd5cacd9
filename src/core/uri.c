/*
 * uri.c
 *		http and https URIs in the normal form of RFC 3986, see uri.h.
 *
 * Every byte is held against the grammar before it is used, on the text as it
 * is escaped: no white space is trimmed, no backslash becomes a slash, no name
 * is looked up, as WHATWG's URL standard would have it.
 */
#include "../compat.h"

#include "characters.h"
#include "uri.h"

#define TRIPLET_LEN	3			/* %XX */
#define MAX_PORT	65535

/* The part of the text that is not read yet, and the end of what is written. */
typedef struct UriState
{
	const char *src;
	const char *end;
	char	   *dst;
} UriState;

static char
to_lower(char c)
{
	return (char) (c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
}

/* RFC 3986 2.2 */
static bool
is_sub_delim(char c)
{
	switch (c)
	{
		case '!':
		case '$':
		case '&':
		case '\'':
		case '(':
		case ')':
		case '*':
		case '+':
		case ',':
		case ';':
		case '=':
			return true;
		default:
			return false;
	}
}

/*
 * Moves one character or triplet from src to dst, in its normal form (RFC 3986
 * 6.2.2.1, 6.2.2.2).  extra lists what may stand here besides unreserved,
 * sub-delims and pct-encoded.
 */
static bool
move_character(UriState *uri, const char *extra)
{
	char		c = *uri->src;
	int			high;
	int			low;

	if (c == '%')
	{
		if (uri->end - uri->src < TRIPLET_LEN)
			return false;
		high = sct_hex_value(uri->src[1]);
		low = sct_hex_value(uri->src[2]);
		if (high < 0 || low < 0)
			return false;
		uri->src += TRIPLET_LEN;
		c = (char) (high << 4 | low);
		if (sct_is_unreserved(c))
			*uri->dst++ = c;
		else
		{
			*uri->dst++ = '%';
			*uri->dst++ = "0123456789ABCDEF"[high];
			*uri->dst++ = "0123456789ABCDEF"[low];
		}
		return true;
	}
	if (!sct_is_unreserved(c) && !is_sub_delim(c) &&
		(c == '\0' || strchr(extra, c) == NULL))
		return false;
	*uri->dst++ = c;
	uri->src++;
	return true;
}

/* Is it four dec-octets between dots (RFC 3986 3.2.2)? */
static bool
is_ipv4(const char *text, size_t len)
{
	size_t		i = 0;

	for (int octet = 0; octet < 4; octet++)
	{
		size_t		start;
		int			value = 0;

		if (octet > 0 && (i >= len || text[i++] != '.'))
			return false;
		start = i;
		while (i < len && i - start < 3 && text[i] >= '0' && text[i] <= '9')
			value = value * 10 + (text[i++] - '0');
		if (i == start || value > 255 || (text[start] == '0' && i - start > 1))
			return false;
	}
	return i == len;
}

/*
 * Is it an IPv6address (RFC 3986 3.2.2)?  Eight groups of up to four digits, or
 * fewer with "::" for the missing ones, the last two as IPv4 if one likes.
 */
static bool
is_ipv6(const char *text, size_t len)
{
	size_t		i = 0;
	int			groups = 0;
	bool		elided = false;

	if (len >= 2 && text[0] == ':' && text[1] == ':')
	{
		elided = true;
		i = 2;
	}
	while (i < len)
	{
		size_t		start = i;

		while (i < len && sct_hex_value(text[i]) >= 0)
			i++;
		if (i < len && text[i] == '.')
		{
			if (!is_ipv4(text + start, len - start))
				return false;
			groups += 2;
			break;
		}
		if (i == start || i - start > 4)
			return false;
		groups++;
		if (i == len)
			break;
		if (text[i++] != ':' || i == len)
			return false;
		if (text[i] == ':')
		{
			if (elided)
				return false;
			elided = true;
			i++;
		}
	}
	return elided ? groups <= 7 : groups == 8;
}

/* Takes scheme, in lower case and with its "://", if that is what comes. */
static bool
read_scheme(UriState *uri, const char *scheme)
{
	size_t		len = strlen(scheme);

	if ((size_t) (uri->end - uri->src) < len)
		return false;
	for (size_t i = 0; i < len; i++)
	{
		if (to_lower(uri->src[i]) != scheme[i])
			return false;
	}
	memcpy(uri->dst, scheme, len);
	uri->dst += len;
	uri->src += len;
	return true;
}

/*
 * An IP-literal or a reg-name, of which an IPv4 address is one, up to the end
 * of the authority or the colon before the port.  An "@" fits neither, so there
 * can be no userinfo.
 */
static bool
read_host(UriState *uri, const char *authority_end)
{
	const char *src = uri->src;
	char	   *dst = uri->dst;

	if (src < authority_end && *src == '[')
	{
		const char *close = memchr(src, ']', authority_end - src);

		if (close == NULL || !is_ipv6(src + 1, close - (src + 1)))
			return false;
		while (src <= close)
			*dst++ = to_lower(*src++);
		uri->src = src;
		uri->dst = dst;
		return src == authority_end || *src == ':';
	}

	while (uri->src < authority_end && *uri->src != ':')
	{
		if (!move_character(uri, ""))
			return false;
	}

	/* lower case, but for the digits of the triplets that are left */
	for (; dst < uri->dst; dst++)
	{
		if (*dst == '%')
			dst += TRIPLET_LEN - 1;
		else
			*dst = to_lower(*dst);
	}
	return uri->src > src;
}

/* Nothing, or ":" and digits; written only if it is not the scheme's own. */
static bool
read_port(UriState *uri, const char *authority_end, int default_port)
{
	int			port = 0;

	if (uri->src == authority_end)
		return true;
	uri->src++;
	if (uri->src == authority_end)
		return true;
	for (; uri->src < authority_end; uri->src++)
	{
		if (*uri->src < '0' || *uri->src > '9')
			return false;
		port = port * 10 + (*uri->src - '0');
		if (port > MAX_PORT)
			return false;
	}
	if (port != default_port)
	{
		char		digits[5];
		int			count = 0;

		do
		{
			digits[count++] = (char) ('0' + port % 10);
			port /= 10;
		} while (port > 0);
		*uri->dst++ = ':';
		while (count > 0)
			*uri->dst++ = digits[--count];
	}
	return true;
}

/*
 * Removes "." and ".." segments in place (RFC 3986 5.2.4) from a path that
 * starts with "/"; returns its new end.
 */
static char *
remove_dot_segments(char *path, char *end)
{
	char	   *in = path;
	char	   *out = path;

	while (in < end)
	{
		char	   *next = memchr(in + 1, '/', end - (in + 1));
		size_t		len;
		bool		dot;
		bool		dot_dot;

		if (next == NULL)
			next = end;

		/* the slash counts */
		len = next - in;
		dot = len == 2 && in[1] == '.';
		dot_dot = len == 3 && in[1] == '.' && in[2] == '.';
		if (dot_dot)
		{
			/* back to before the slash of the segment written last, if any */
			while (out > path && *--out != '/')
				;
		}
		if (!dot && !dot_dot)
		{
			memmove(out, in, len);
			out += len;
		}
		else if (next == end)
			*out++ = '/';
		in = next;
	}
	return out;
}

/*
 * Is what follows the path made of characters that query and fragment allow
 * (RFC 3986 3.4, 3.5)?
 */
static bool
check_rest(const UriState *uri)
{
	char		dropped[TRIPLET_LEN];
	UriState	rest = {uri->src, uri->end, dropped};
	bool		in_fragment = false;

	while (rest.src < rest.end)
	{
		if (*rest.src == '#' && !in_fragment)
		{
			in_fragment = true;
			rest.src++;
		}
		else if (!move_character(&rest, ":@/?"))
			return false;
		rest.dst = dropped;
	}
	return true;
}

/* The first byte from src on that is one of stops, or the end. */
static const char *
find_first(const UriState *uri, const char *stops)
{
	const char *at = uri->src;

	while (at < uri->end && (*at == '\0' || strchr(stops, *at) == NULL))
		at++;
	return at;
}

SctReason
sct_uri_normalize(const char *uri, size_t len, char *dst, size_t *dst_len)
{
	UriState	state = {uri, uri + len, dst};
	const char *authority_end;
	const char *path_end;
	char	   *path;
	int			default_port;

	*dst_len = 0;
	if (len > SCT_URI_MAX_LEN)
		return SCT_URI;
	if (read_scheme(&state, "https://"))
		default_port = 443;
	else if (read_scheme(&state, "http://"))
		default_port = 80;
	else
		return SCT_URI;

	authority_end = find_first(&state, "/?#");
	if (!read_host(&state, authority_end) ||
		!read_port(&state, authority_end, default_port))
		return SCT_URI;

	path = state.dst;
	path_end = find_first(&state, "?#");
	while (state.src < path_end)
	{
		if (!move_character(&state, ":@/"))
			return SCT_URI;
	}
	if (state.dst == path)
		*state.dst++ = '/';		/* RFC 3986 6.2.3 */

	/* "%2e%2e" has become ".." by now and counts */
	state.dst = remove_dot_segments(path, state.dst);

	if (!check_rest(&state))
		return SCT_URI;
	*dst_len = state.dst - dst;
	return SCT_OK;
}
