/*
 * test_uri.c
 *		Two URIs are one where RFC 3986 6.2.2 and 6.2.3 say so, and only there.
 *
 * "HU n" are the rows of the DPoP cases that hold a proof's htu against the
 * request (RFC 9449 4.3 (9)).
 */
#include "unit.h"

#include "../../src/core/uri.h"

#define TOKEN_URL "https://server.example.com/token"

/* Normalises with no byte to spare on either side, for the sanitizer to see. */
static bool
normalize(const char *uri, size_t len, char *normal)
{
	char	   *exact = malloc(len > 0 ? len : 1);
	char	   *dst = malloc(len + 1);
	size_t		dst_len = 99;
	bool		valid;

	memcpy(exact, uri, len);
	valid = sct_uri_normalize(exact, len, dst, &dst_len) == SCT_OK;
	if (valid)
	{
		memcpy(normal, dst, dst_len);
		normal[dst_len] = '\0';
	}
	free(dst);
	free(exact);
	return valid;
}

static void
becomes(const char *uri, const char *expected, const char *claim)
{
	char		normal[256];
	char		again[256];
	bool		valid = normalize(uri, strlen(uri), normal);
	bool		holds = valid && strcmp(normal, expected) == 0;

	/* whatever comes out stays as it is */
	holds = holds && normalize(normal, strlen(normal), again) &&
		strcmp(again, normal) == 0;
	ok(holds, "%s", claim);
	if (!holds)
		note("%s became %s", uri, valid ? normal : "nothing");
}

static void
refused_len(const char *uri, size_t len, const char *claim)
{
	char		normal[16384];

	ok(!normalize(uri, len, normal), "%s", claim);
}

static void
refused(const char *uri, const char *claim)
{
	refused_len(uri, strlen(uri), claim);
}

static void
compare(const char *htu, const char *url, bool expected, const char *claim)
{
	char		normal_htu[256];
	char		normal_url[256];
	bool		same = normalize(url, strlen(url), normal_url) &&
		normalize(htu, strlen(htu), normal_htu) &&
		strcmp(normal_htu, normal_url) == 0;

	ok(same == expected, "%s", claim);
}

static void
match(const char *htu, const char *url, const char *claim)
{
	compare(htu, url, true, claim);
}

static void
differ(const char *htu, const char *url, const char *claim)
{
	compare(htu, url, false, claim);
}

static void
htu_rows(void)
{
	match(TOKEN_URL "?a=b", TOKEN_URL, "HU 1: query in htu");
	match(TOKEN_URL "#f", TOKEN_URL, "HU 2: fragment in htu");
	match(TOKEN_URL "?a=b#f", TOKEN_URL, "HU 3: query and fragment in htu");
	match(TOKEN_URL "?#", TOKEN_URL, "HU 4: empty query and fragment");
	match(TOKEN_URL, TOKEN_URL "?a=b", "HU 5: query in the request");
	match(TOKEN_URL "?c=d", TOKEN_URL "?a=b", "HU 6: different queries");
	match("HTTPS://Server.EXAMPLE.com/token", TOKEN_URL,
		  "HU 7: upper-case scheme and host");
	match("https://server.example.com:443/token", TOKEN_URL,
		  "HU 8: default port in htu");
	match(TOKEN_URL, "https://server.example.com:443/token",
		  "HU 9: default port in the request");
	match("https://server.example.com:/token", TOKEN_URL, "HU 10: empty port");
	match("http://server.example.com/token",
		  "http://server.example.com:80/token", "HU 11: default port of http");
	match("https://server.example.com", "https://server.example.com/",
		  "HU 12: empty path in htu");
	match("https://server.example.com/", "https://server.example.com",
		  "HU 13: empty path in the request");
	match("https://server.example.com/%7Ea%2Db%41",
		  "https://server.example.com/~a-bA",
		  "HU 14: encoded unreserved characters");
	match("https://server.example.com/a%2fb",
		  "https://server.example.com/a%2Fb", "HU 15: lower-case triplets");
	match("https://server.example.com/x/../token", TOKEN_URL,
		  "HU 16: dot segments");
	match("https://server.example.com/./token", TOKEN_URL,
		  "HU 17: a single dot segment");
	match("https://server.example.com/x/%2E%2e/token", TOKEN_URL,
		  "HU 18: encoded dot segments");
	match("https://server.example.com/../token", TOKEN_URL,
		  "HU 19: dot segments above the root");
	match("https://[2001:DB8::1]/token", "https://[2001:db8::1]/token",
		  "HU 20: an IPv6 literal");
	match("https://server.example.com:8443/token",
		  "https://server.example.com:8443/token", "HU 21: another port");
	match("https://server.example.com//token",
		  "https://server.example.com//token", "HU 22: a double slash");
	match("https://server.example.com/a%2Fb",
		  "https://server.example.com/a%2Fb", "HU 23: an encoded slash");
	differ("https://server.example.com/tokens", TOKEN_URL,
		   "HU 24: a different path");
	differ(TOKEN_URL "/x", TOKEN_URL, "HU 25: a path that goes on");
	differ(TOKEN_URL "/", TOKEN_URL, "HU 26: a trailing slash added");
	differ(TOKEN_URL, TOKEN_URL "/", "HU 27: a trailing slash missing");
	differ("https://server.example.com/Token", TOKEN_URL,
		   "HU 28: case of the path");
	differ("https://other.example.com/token", TOKEN_URL,
		   "HU 29: a different host");
	differ("https://server.example.com.evil.example/token", TOKEN_URL,
		   "HU 30: a host that goes on");
	differ("http://server.example.com/token", TOKEN_URL,
		   "HU 31: http for https");
	differ("https://server.example.com:8443/token", TOKEN_URL,
		   "HU 32: a different port");
	differ("http://server.example.com:443/token",
		   "http://server.example.com/token", "HU 33: port 443 with http");
	differ("https://server.example.com@evil.example/token", TOKEN_URL,
		   "HU 34: the host as userinfo");
	differ("https://user@server.example.com/token", TOKEN_URL,
		   "HU 35: userinfo before the host");
	differ("https://server.example.com/a%2Fb",
		   "https://server.example.com/a/b",
		   "HU 36: an encoded slash is no slash");
	differ(TOKEN_URL "%3Fa=b", TOKEN_URL,
		   "HU 37: an encoded question mark starts no query");
	differ(TOKEN_URL "%23", TOKEN_URL,
		   "HU 38: an encoded hash starts no fragment");
	differ(TOKEN_URL "%00", TOKEN_URL, "HU 39: an encoded NUL ends nothing");
	differ("https://server.example.com/%2574oken", TOKEN_URL,
		   "HU 40: what is encoded twice is decoded once at most");
	differ("https://server.example.com//token", TOKEN_URL,
		   "HU 41: a double slash is no slash");
	differ("/token", TOKEN_URL, "HU 42: a relative reference");
	differ("//server.example.com/token", TOKEN_URL,
		   "HU 43: a network-path reference");
	differ("https:", TOKEN_URL, "HU 44: a scheme only");
	differ("https:///token", TOKEN_URL, "HU 45: no authority");
	differ("https:server.example.com/token", TOKEN_URL, "HU 46: no slashes");
	differ("https:/server.example.com/token", TOKEN_URL, "HU 47: one slash");
	differ("https:\\\\server.example.com\\token", TOKEN_URL,
		   "HU 48: backslashes");
	differ(" " TOKEN_URL, TOKEN_URL, "HU 49: a leading space");
	differ(TOKEN_URL "\n", TOKEN_URL, "HU 50: a trailing newline");
	differ("https://server.example.com/to\tken", TOKEN_URL, "HU 51: a tab");
	differ("https://server.example.com/to ken",
		   "https://server.example.com/to%20ken", "HU 52: a raw space");
	differ("https://server.example.com/t\xc3\xb6k",
		   "https://server.example.com/t%C3%B6k",
		   "HU 53: raw non-ASCII in the path");
	differ("https://s\xc3\xa9rver.example/token",
		   "https://xn--srver-bsa.example/token",
		   "HU 54: raw non-ASCII in the host");
	differ("https://server.example.com/%zz", TOKEN_URL,
		   "HU 55: an invalid triplet");
	differ(TOKEN_URL "%2", TOKEN_URL, "HU 56: a triplet cut short");
	differ("https://server.example.com:44a/token", TOKEN_URL,
		   "HU 57: a port that is no number");
	differ("https://server.example.com:65979/token", TOKEN_URL,
		   "HU 58: a port out of range does not wrap");
	match("https://server.example.com:0443/token", TOKEN_URL,
		  "HU 59: leading zeros of a port");
	differ("https://server.example.com./token", TOKEN_URL,
		   "HU 60: a trailing dot of the host counts");
	differ("ftp://server.example.com/token", TOKEN_URL, "HU 61: ftp");
	differ("javascript:alert(1)", TOKEN_URL, "HU 62: javascript");
	differ("", TOKEN_URL, "HU 63: the empty text");
	differ("https://server.example.com/token/../admin", TOKEN_URL,
		   "HU 64: dot segments to another path");
	differ(TOKEN_URL ";a=b", TOKEN_URL, "HU 65: a path parameter counts");
	match("https://%73erver.example.com/token", TOKEN_URL,
		  "HU 66: an encoded letter in the host");
	differ("https://[2001:db8::1/token", "https://[2001:db8::1]/token",
		   "HU 67: an open bracket");
}

static void
scheme_and_authority(void)
{
	becomes("http://a", "http://a/", "an empty path becomes a slash");
	becomes("https://a", "https://a/", "https is taken like http");
	becomes("HtTpS://A/", "https://a/", "scheme and host are in lower case");
	becomes("http://a?q", "http://a/", "a query may follow the host");
	becomes("http://a#f", "http://a/", "a fragment may follow the host");
	becomes("http://a:8080?q", "http://a:8080/", "a query may follow the port");
	becomes("http://A.b-C_d~e/", "http://a.b-c_d~e/",
			"a host is made of unreserved characters");
	becomes("http://a!$&'()*+,;=/", "http://a!$&'()*+,;=/",
			"a host may have sub-delims");
	becomes("http://%41%2d%5A/", "http://a-z/",
			"unreserved characters of the host are decoded, then lowered");
	becomes("http://a%2f%c3%b6/", "http://a%2F%C3%B6/",
			"other triplets of the host stay, in upper case");
	becomes("http://a%40b/", "http://a%40b/",
			"an encoded at sign stays in the host");
	becomes("http://a%3A80/", "http://a%3A80/",
			"an encoded colon starts no port");
	becomes("http://127.0.0.1/", "http://127.0.0.1/", "IPv4 is a host");
	becomes("http://0x7f.1/", "http://0x7f.1/",
			"what only looks like IPv4 is a name and stays one");

	refused("httpss://a/", "httpss is another scheme");
	refused("htt://a/", "htt is another scheme");
	refused("http", "http alone is no URI");
	refused("http:/", "http:/ is no URI");
	refused("http://", "an authority is not empty");
	refused("https://", "an authority is not empty for https");
	refused("http://?q", "an authority is not empty before a query");
	refused("http://#f", "an authority is not empty before a fragment");
	refused("http://:80/", "a host is not empty before a port");
	refused("http://@a/", "empty userinfo is refused");
	refused("http://u:p@a/", "a password is refused");
	refused("http://a:80@b/", "a host and port as userinfo are refused");
	refused("http://a b/", "a space in the host is refused");
	refused("http://a\\b/", "a backslash in the host is refused");
	refused("http://a\"b/", "a quote in the host is refused");
	refused("http://a<b>/", "angle brackets in the host are refused");
	refused("http://a^b/", "a caret in the host is refused");
	refused("http://a|b/", "a bar in the host is refused");
	refused("http://%zz/", "an invalid triplet in the host is refused");
	refused("http://a%2/", "a triplet cut short by the path is refused");
	refused("http://a%2:80/", "a triplet cut short by the port is refused");
	refused("http://a%", "a triplet cut short by the end is refused");
	refused("http://\xe2\x84\xaa/", "KELVIN SIGN is no k");
	refused("http://\xef\xbd\x81/", "a full-width letter is no letter");
	refused("http://a]/", "a closing bracket alone is refused");
	refused("http://a[::1]/", "a bracket after a name is refused");
	refused_len("http://a\0b/", 11, "a NUL in the host is refused");
	refused_len("http://a\0", 9, "a NUL after the host is refused");
	refused_len("\0http://a/", 10, "a NUL in front is refused");
	refused_len("http\0://a/", 10, "a NUL in the scheme is refused");
	refused("http ://a/", "a space in the scheme is refused");
	refused("h\xc5\xbftp://a/", "a long s is no letter of the scheme");
}

static void
ports(void)
{
	becomes("http://a:80/", "http://a/", "port 80 is dropped for http");
	becomes("https://a:443/", "https://a/", "port 443 is dropped for https");
	becomes("http://a:443/", "http://a:443/", "port 443 stays for http");
	becomes("https://a:80/", "https://a:80/", "port 80 stays for https");
	becomes("http://a:/", "http://a/", "an empty port is dropped");
	becomes("http://a:", "http://a/", "an empty port is dropped at the end");
	becomes("http://a:0/", "http://a:0/", "port 0 is a port");
	becomes("http://a:000/", "http://a:0/", "port 000 is port 0");
	becomes("http://a:1/", "http://a:1/", "port 1 is a port");
	becomes("http://a:65535/", "http://a:65535/", "port 65535 is a port");
	becomes("http://a:00080/", "http://a/", "port 00080 is port 80");
	becomes("https://a:0000000000000000000443/", "https://a/",
			"any number of leading zeros is dropped");
	becomes("http://a:8080", "http://a:8080/", "a port may end the text");
	becomes("http://[::1]:80/", "http://[::1]/",
			"a port may follow an IP literal");
	becomes("http://[::1]:8080/", "http://[::1]:8080/",
			"another port stays after an IP literal");
	refused("http://a:65536/", "port 65536 is refused");
	refused("http://a:4294967376/", "port 80 + 2^32 is refused");
	refused("http://a:18446744073709551696/", "port 80 + 2^64 is refused");
	refused("http://a:-1/", "a negative port is refused");
	refused("http://a:+80/", "a plus sign is refused");
	refused("http://a: 80/", "a space before the port is refused");
	refused("http://a:80 /", "a space after the port is refused");
	refused("http://a:8o/", "a letter in the port is refused");
	refused("http://a:%38%30/", "an encoded port is refused");
	refused("http://a:80:80/", "two ports are refused");
	refused("http://a::80/", "two colons are refused");
	refused("http://a:\xd9\xa8/", "a digit above ASCII is refused");
}

static void
ip_literals(void)
{
	becomes("http://[1:2:3:4:5:6:7:8]/", "http://[1:2:3:4:5:6:7:8]/",
			"eight groups are an IPv6 address");
	becomes("http://[ABCD:EF01::]/", "http://[abcd:ef01::]/",
			"an IPv6 address is in lower case");
	becomes("http://[::]/", "http://[::]/", ":: is an IPv6 address");
	becomes("http://[::1]", "http://[::1]/", "::1 is an IPv6 address");
	becomes("http://[1::]/", "http://[1::]/", "1:: is an IPv6 address");
	becomes("http://[1:2:3:4:5:6:7::]/", "http://[1:2:3:4:5:6:7::]/",
			":: may stand for one group at the end");
	becomes("http://[::2:3:4:5:6:7:8]/", "http://[::2:3:4:5:6:7:8]/",
			":: may stand for one group at the start");
	becomes("http://[1:2:3::5:6:7:8]/", "http://[1:2:3::5:6:7:8]/",
			":: may stand for one group inside");
	becomes("http://[::ffff:192.0.2.1]/", "http://[::ffff:192.0.2.1]/",
			"the last two groups may be IPv4");
	becomes("http://[1:2:3:4:5:6:255.255.255.255]/",
			"http://[1:2:3:4:5:6:255.255.255.255]/",
			"six groups and IPv4 are an IPv6 address");
	becomes("http://[::0.0.0.0]/", "http://[::0.0.0.0]/",
			"IPv4 may follow :: at once");
	becomes("http://[0:0::0001]/", "http://[0:0::0001]/",
			"zeros of an IPv6 address stay as they are");

	refused("http://[]/", "an empty literal is refused");
	refused("http://[:]/", "one colon is refused");
	refused("http://[:::]/", "three colons are refused");
	refused("http://[1:2:3:4:5:6:7]/", "seven groups are refused");
	refused("http://[1:2:3:4:5:6:7:8:9]/", "nine groups are refused");
	refused("http://[1:2:3:4:5:6:7:8::]/",
			":: stands for at least one group");
	refused("http://[::1:2:3:4:5:6:7:8]/",
			":: stands for at least one group, in front too");
	refused("http://[1::2::3]/", ":: comes once");
	refused("http://[1:]/", "a single colon at the end is refused");
	refused("http://[:1]/", "a single colon at the start is refused");
	refused("http://[:1:2:3:4:5:6:7:8]/", "a colon before eight groups");
	refused("http://[1:2:3:4:5:6:7:8:]/", "a colon after eight groups");
	refused("http://[12345::]/", "a group has four digits at most");
	refused("http://[00001::]/", "a group has four digits, zeros included");
	refused("http://[g::]/", "a group is hexadecimal");
	refused("http://[1.2.3.4]/", "IPv4 alone is no literal");
	refused("http://[1.2.3.4::]/", "IPv4 comes last");
	refused("http://[::1.2.3.4:5]/", "nothing comes after IPv4");
	refused("http://[1:2:3:4:5:6:7:1.2.3.4]/", "IPv4 is two groups");
	refused("http://[::1.2.3]/", "IPv4 has four octets");
	refused("http://[::1.2.3.4.5]/", "IPv4 has no five octets");
	refused("http://[::1.2.3.256]/", "an octet is below 256");
	refused("http://[::1.2.3.04]/", "an octet has no leading zero");
	refused("http://[::1.2.3.]/", "an octet is not empty");
	refused("http://[::.1.2.3]/", "the first octet is not empty");
	refused("http://[::a.1.2.3]/", "an octet is decimal");
	refused("http://[fe80::1%25eth0]/", "a zone is refused");
	refused("http://[fe80::1%eth0]/", "a raw zone is refused");
	refused("http://[v1.a]/", "IPvFuture is refused");
	refused("http://[::1]a/", "a name after a literal is refused");
	refused("http://[::1]]/", "a second bracket is refused");
	refused("http://[[::1]]/", "nested brackets are refused");
	refused("http://[::1", "an open literal is refused");
	refused("http://[::1/]", "a literal ends within the authority");
	refused("http://[%3a:1]/", "a literal has no triplets");
	refused("http://[ ::1]/", "a literal has no spaces");
}

static void
paths(void)
{
	becomes("http://a/b/c/./../../g", "http://a/g",
			"RFC 3986 5.2.4: /a/b/c/./../../g");
	becomes("http://a/.", "http://a/", "/. is /");
	becomes("http://a/..", "http://a/", "/.. is /");
	becomes("http://a/./", "http://a/", "/./ is /");
	becomes("http://a/../", "http://a/", "/../ is /");
	becomes("http://a/../../..", "http://a/", "nothing is above the root");
	becomes("http://a/b/.", "http://a/b/", "a dot at the end leaves the slash");
	becomes("http://a/b/..", "http://a/", "two dots at the end leave it too");
	becomes("http://a/b/c/..", "http://a/b/", "two dots take one segment");
	becomes("http://a/b/c/../", "http://a/b/", "two dots and a slash too");
	becomes("http://a/b/../c", "http://a/c", "two dots inside take one too");
	becomes("http://a/b//../c", "http://a/b/c", "an empty segment is one");
	becomes("http://a/b/..//c", "http://a//c",
			"an empty segment after two dots stays");
	becomes("http://a//..", "http://a/", "an empty segment is taken");
	becomes("http://a//", "http://a//", "slashes are not merged");
	becomes("http://a/...", "http://a/...", "three dots are a name");
	becomes("http://a/.b", "http://a/.b", "a dot may start a name");
	becomes("http://a/b.", "http://a/b.", "a dot may end a name");
	becomes("http://a/..b", "http://a/..b", "two dots may start a name");
	becomes("http://a/b..", "http://a/b..", "two dots may end a name");
	becomes("http://a/b/%2e", "http://a/b/", "an encoded dot is a dot");
	becomes("http://a/b/%2E.", "http://a/", "half encoded dots are dots");
	becomes("http://a/b/.%2e/c", "http://a/c", "the other half too");
	becomes("http://a/b/%252e%252e/c", "http://a/b/%252e%252e/c",
			"dots encoded twice are a name");
	becomes("http://a/b/..%2fc", "http://a/b/..%2Fc",
			"an encoded slash ends no segment");
	becomes("http://a/..;/b", "http://a/..;/b",
			"dots with a parameter are a name");
	becomes("http://a/A%61/b", "http://a/Aa/b",
			"case of the path stays when it is decoded");
	becomes("http://a/-._~!$&'()*+,;=:@", "http://a/-._~!$&'()*+,;=:@",
			"a path is made of pchar");
	becomes("http://a/%2d%2e%5f%7e%30%39%41%5a%61%7a", "http://a/-._~09AZaz",
			"all unreserved characters are decoded");
	becomes("http://a/%21%24%26%27%28%29%2a%2b%2c%3b%3d%3a%40%2f",
			"http://a/%21%24%26%27%28%29%2A%2B%2C%3B%3D%3A%40%2F",
			"no reserved character is decoded");
	becomes("http://a/%00%1f%20%7f%80%ff", "http://a/%00%1F%20%7F%80%FF",
			"nothing else is decoded");
	becomes("http://a/%25", "http://a/%25", "an encoded percent sign stays");
	becomes("http://a/%2541", "http://a/%2541", "nothing is decoded twice");

	refused("http://a/%", "a percent sign alone is refused");
	refused("http://a/%4", "a triplet of two is refused");
	refused("http://a/%4g", "a triplet is hexadecimal");
	refused("http://a/%%41", "a percent sign is no digit");
	refused("http://a/%?41", "a triplet ends before the query");
	refused("http://a/\"", "a quote in the path is refused");
	refused("http://a/<", "an angle bracket in the path is refused");
	refused("http://a/[", "a bracket in the path is refused");
	refused("http://a/{b}", "braces in the path are refused");
	refused("http://a/b|c", "a bar in the path is refused");
	refused("http://a/b^c", "a caret in the path is refused");
	refused("http://a/b`c", "a backtick in the path is refused");
	refused("http://a/b\\c", "a backslash in the path is refused");
	refused("http://a/\x7f", "DEL in the path is refused");
	refused("http://a/\x1f", "a control character is refused");
	refused("http://a/\xff", "0xFF in the path is refused");
	refused("http://a/ ", "a trailing space is refused");
	refused("http://a/\r\n", "a line end is refused");
	refused_len("http://a/\0", 10, "a NUL at the end is refused");
	refused_len("http://a/\0b", 11, "a NUL in the path is refused");
}

static void
dropped_parts(void)
{
	becomes("http://a/b?-._~!$&'()*+,;=:@/?%20", "http://a/b",
			"a query is made of pchar, slash and question mark");
	becomes("http://a/b#-._~!$&'()*+,;=:@/?%20", "http://a/b",
			"a fragment is made of the same");
	becomes("http://a/b?c/../..", "http://a/b", "dots in a query mean nothing");
	becomes("http://a/b?c#d", "http://a/b", "a fragment follows a query");
	becomes("http://a/b#c?d", "http://a/b",
			"a question mark is part of a fragment");
	becomes("http://a/b?http://c@d", "http://a/b",
			"a query may hold a URI");
	refused("http://a/b? ", "a space in the query is refused");
	refused("http://a/b?%2", "a triplet of the query cut short is refused");
	refused("http://a/b?%gg", "an invalid triplet of the query is refused");
	refused("http://a/b?[", "a bracket in the query is refused");
	refused("http://a/b?\xc3\xb6", "non-ASCII in the query is refused");
	refused("http://a/b?\"", "a quote in the query is refused");
	refused("http://a/b?c\n", "a newline after the query is refused");
	refused("http://a/b#c#d", "a fragment has no hash");
	refused("http://a/b#%", "a triplet of the fragment cut short is refused");
	refused("http://a/b#\x01", "a control character in it is refused");
	refused_len("http://a/b?\0", 12, "a NUL in the query is refused");
	refused_len("http://a/b#\0", 12, "a NUL in the fragment is refused");
}

static void
lengths(void)
{
	char		uri[SCT_URI_MAX_LEN + 2];
	char		normal[SCT_URI_MAX_LEN + 2];

	memset(uri, 'a', sizeof(uri));
	memcpy(uri, "http://a/", 9);
	ok(normalize(uri, SCT_URI_MAX_LEN, normal) &&
	   strlen(normal) == SCT_URI_MAX_LEN, "8192 bytes are read");
	refused_len(uri, SCT_URI_MAX_LEN + 1, "8193 bytes are too many");
	uri[8] = 'a';
	ok(normalize(uri, SCT_URI_MAX_LEN, normal) &&
	   strlen(normal) == SCT_URI_MAX_LEN + 1,
	   "a host of any length gets its slash");
	memset(uri + 8, '/', sizeof(uri) - 8);
	ok(normalize(uri, SCT_URI_MAX_LEN, normal), "8184 slashes are read");
	for (int i = 8; i + 2 < SCT_URI_MAX_LEN; i += 3)
		memcpy(uri + i, "/..", 3);
	ok(normalize(uri, SCT_URI_MAX_LEN - 1, normal) &&
	   strcmp(normal, "http://a/") == 0, "2727 times up is the root");
}

/* Pieces from which most texts are URIs and the rest nearly so. */
static const char *const pieces[] = {
	"/", "/", "/", "/..", "/.", "/%2e%2E", "/.%2e", "//", "/...", "..", ".",
	"a", "B", "%41", "%2f", "%2F", "%c3%b6", "%25", "%2e", "~", "-", ":", "@",
	";", "=", "?", "#", "%", "%4", "\\", " ", "[", "]", "\xc3\xb6", ":80",
	":443", ":8443", "%7E", "token"
};
static const char *const starts[] = {
	"http://a", "HTTPS://Server.Example", "https://[::1]",
	"http://[2001:DB8::]", "https://a:443", "https://a:0443", "http://a:80",
	"http://a:8080", "https://%41.b", "https://a%2Fb", "http://192.0.2.1",
	"http://", "https:/", "ftp://a", "", "http://u@a"
};

/*
 * Properties of many generated texts: the normal form is its own normal form,
 * is no longer than the header says, has no dot segment, query or fragment
 * left, and does not change when a query is added.
 */
static void
properties(void)
{
	uint32		seed = 20240607;
	int			normalized = 0;
	int			refusals = 0;
	bool		idempotent = true;
	bool		short_enough = true;
	bool		clean = true;
	bool		query_ignored = true;

	for (int round = 0; round < 20000; round++)
	{
		char		uri[512];
		char		normal[512];
		char		again[512];
		const char *path;
		int			count;

		seed = seed * 1664525 + 1013904223;
		strcpy(uri, starts[(seed >> 16) % lengthof(starts)]);
		count = (seed >> 8) % 12;
		for (int i = 0; i < count; i++)
		{
			seed = seed * 1664525 + 1013904223;
			strcat(uri, pieces[(seed >> 16) % lengthof(pieces)]);
		}
		if (!normalize(uri, strlen(uri), normal))
		{
			refusals++;
			continue;
		}
		normalized++;
		if (!normalize(normal, strlen(normal), again) ||
			strcmp(normal, again) != 0)
		{
			idempotent = false;
			note("not idempotent: %s", uri);
		}
		if (strlen(normal) > strlen(uri) + 1)
			short_enough = false;

		/* a host may be "." or "..", so the path only */
		path = strchr(normal + strlen("https://"), '/');
		if (path == NULL || strpbrk(normal, "?# \\") != NULL ||
			strstr(path, "/../") != NULL || strstr(path, "/./") != NULL)
		{
			clean = false;
			note("not clean: %s became %s", uri, normal);
		}
		if (strchr(uri, '#') == NULL)
		{
			strcat(uri, "?x=/../y");
			if (!normalize(uri, strlen(uri), again) ||
				strcmp(normal, again) != 0)
				query_ignored = false;
		}
	}
	note("%d generated URIs, %d generated texts that are none",
		 normalized, refusals);
	ok(normalized > 4000 && refusals > 4000, "the generator makes both kinds");
	ok(idempotent, "the normal form of a normal form is itself");
	ok(short_enough, "the normal form is at most one byte longer");
	ok(clean, "no dot segment, query or fragment is left");
	ok(query_ignored, "a query never changes the normal form");
}

/* Each byte in each part: does the grammar hold for all 256? */
static void
every_byte(void)
{
	const char *unreserved_and_sub_delims =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
		"-._~!$&'()*+,;=";
	bool		exact = true;

	for (int c = 0; c < 256; c++)
	{
		bool		common = c != 0 &&
			strchr(unreserved_and_sub_delims, c) != NULL;
		bool		legal[4];
		const char *const before[4] = {"http://a", "http://a/", "http://a/?",
		"http://a/#"};

		legal[0] = common || c == ':' || c == '/' || c == '?' || c == '#';
		legal[1] = common || (c != 0 && strchr(":@/?#", c) != NULL);
		legal[2] = legal[1];
		legal[3] = common || (c != 0 && strchr(":@/?", c) != NULL);
		for (int part = 0; part < 4; part++)
		{
			char		uri[32];
			char		normal[32];
			size_t		len = strlen(before[part]);

			memcpy(uri, before[part], len);
			uri[len] = (char) c;
			if (normalize(uri, len + 1, normal) != legal[part])
			{
				exact = false;
				note("byte 0x%02x after %s", c, before[part]);
			}
		}
	}
	ok(exact, "of 256 bytes each part takes those of RFC 3986 A");
}

int
main(void)
{
	htu_rows();
	scheme_and_authority();
	ports();
	ip_literals();
	paths();
	dropped_parts();
	lengths();
	properties();
	every_byte();
	return done();
}
