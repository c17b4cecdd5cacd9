/*
 * fuzz_uri.c
 *		URIs: a normal form stays as it is, and other spellings of it become it.
 */
#include "fuzz.h"

#include "../../src/core/characters.h"
#include "../../src/core/uri.h"

static SctReason
normalize(const char *uri, size_t len, char **normal, size_t *normal_len)
{
	char	   *copy = exact(uri, len);
	SctReason	reason;

	*normal = malloc(len + 1);
	reason = sct_uri_normalize(copy, len, *normal, normal_len);
	must(reason == SCT_OK || reason == SCT_URI, "a URI is one or is none");
	must(*normal_len <= len + 1, "a normal form is no longer than the text, and a slash");
	free(copy);
	return reason;
}

/* Is this spelling of the same URI taken for it? */
static void
must_become(const char *uri, size_t len, const char *normal, size_t normal_len)
{
	char	   *result;
	size_t		result_len;

	if (len <= SCT_URI_MAX_LEN)
	{
		must(normalize(uri, len, &result, &result_len) == SCT_OK,
			 "another spelling is a URI");
		must(result_len == normal_len && memcmp(result, normal, normal_len) == 0,
			 "another spelling has the same normal form");
		free(result);
	}
}

/*
 * Spells a normal form otherwise (RFC 3986 6.2.2, 6.2.3), as the choices say:
 * letters of scheme, host and triplets in the other case, unreserved characters
 * escaped, dot segments, query and fragment added.
 */
static size_t
spell_otherwise(const char *normal, size_t len, Input choices, char *other)
{
	const char *authority = (const char *) memchr(normal, ':', len) + 3;
	const char *path = memchr(authority, '/', normal + len - authority);
	const char *port = NULL;
	char	   *at = other;

	for (const char *c = authority; c < path; c++)
	{
		if (*c == ':' || *c == ']')
			port = *c == ':' ? c : NULL;
	}
	for (const char *c = normal; c < normal + len; c++)
	{
		uint8		how = take_byte(&choices);

		if (c == path && port == NULL && (how & 1) != 0)
			at += sprintf(at, ":%s",
						  (how & 2) == 0 ? "" :
						  normal[4] == 's' ? "000443" : "80");
		else if (c == path && port != NULL && (how & 1) != 0)
		{
			size_t		digits = path - (port + 1);

			/* leading zeros */
			memmove(at - digits + 2, at - digits, digits);
			memset(at - digits, '0', 2);
			at += 2;
		}
		if (*c == '/' && c >= path && (how & 4) != 0)
			at += sprintf(at, "%s", (how & 8) != 0 ? "/." : "/x%41/%2E.");
		if (*c == '%')
		{
			*at++ = *c++;
			*at++ = (how & 1) != 0 ? pg_tolower(*c) : *c;
			c++;
			*at++ = (how & 2) != 0 ? pg_tolower(*c) : *c;
		}
		else if ((how & 16) != 0 && c >= authority && sct_is_unreserved(*c) &&
				 (port == NULL || c < port || c >= path) && *authority != '[')
			at += sprintf(at, (how & 1) != 0 ? "%%%02X" : "%%%02x", *c);
		else if ((how & 32) != 0 && c < path)
			*at++ = pg_toupper(*c);
		else
			*at++ = *c;
	}
	if ((take_byte(&choices) & 1) != 0)
		at += sprintf(at, "?a=b/../c%%20");
	if ((take_byte(&choices) & 1) != 0)
		at += sprintf(at, "#?f");
	return at - other;
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	Input		input = input_of(data, size);
	Input		uri = take_until(&input, '\n');
	char	   *normal;
	char	   *again;
	char	   *other;
	size_t		normal_len;
	size_t		again_len;

	if (normalize((const char *) uri.at, uri.len, &normal, &normal_len) == SCT_OK)
	{
		must(normalize(normal, normal_len, &again, &again_len) == SCT_OK ||
			 normal_len > SCT_URI_MAX_LEN, "a normal form is a URI");
		must(normal_len > SCT_URI_MAX_LEN ||
			 (again_len == normal_len && memcmp(again, normal, normal_len) == 0),
			 "a normal form stays as it is");
		free(again);

		other = malloc(16 * normal_len + 64);
		must_become(other, spell_otherwise(normal, normal_len, input, other),
					normal, normal_len);
		free(other);
	}
	free(normal);
	return done_with_input();
}
