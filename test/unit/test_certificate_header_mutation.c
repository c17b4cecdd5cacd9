/*
 * test_certificate_header_mutation.c
 *		A value that was changed on its way gives its certificate, or nothing, or
 *		just the bytes that it now spells; never another certificate than its Hash.
 */
#include "senders.h"

#define CERTIFICATE	"rfc8705_appendix_a.pem"
#define MUTATIONS	50000
#define MAX_MUTANT	8192

/* What became of mutated values */
static int	same = 0;
static int	refused = 0;
static int	spelled = 0;

/* xorshift32: the same sequence in each run */
static uint32
next_random(uint32 limit)
{
	static uint32 state = 20260601;

	state ^= state << 13;
	state ^= state >> 17;
	state ^= state << 5;
	return state % limit;
}

/* Decodes percent-encoding, wrong escapes as they are. */
static char *
naive_unescape(const char *text)
{
	char	   *plain = palloc0(strlen(text) + 1);
	char	   *at = plain;
	bool		form = strncmp(text, "-----BEGIN+", 11) == 0;
	unsigned int c;

	if (strchr(text, '%') == NULL)
		return pstrdup(text);
	for (; *text != '\0'; text++)
	{
		if (*text == '%' && isxdigit((unsigned char) text[1]) &&
			isxdigit((unsigned char) text[2]) &&
			sscanf(text + 1, "%2x", &c) == 1)
		{
			*at++ = (char) c;
			text += 2;
		}
		else
			*at++ = *text == '+' && form ? ' ' : *text;
	}
	return plain;
}

/*
 * The first base64 of a value, decoded by looking for it and believing it: as
 * different from the core's way as can be.
 */
static size_t
naive_certificate(const char *value, uint8 *der)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *begin = strcasestr(value, "cert=");
	const char *digit;
	char	   *text;
	size_t		len = 0;
	uint32		bits = 0;
	int			count = 0;

	if (begin == NULL)
		begin = strcasestr(value, "chain=");
	if (begin != NULL)
		value = strchr(begin, '=') + 1;
	value += strspn(value, " \t:\"");
	text = naive_unescape(value);
	if (strstr(text, "BEGIN CERTIFICATE-----") != NULL)
		text = strstr(text, "BEGIN CERTIFICATE-----") + 22;
	for (; *text != '\0'; text++)
	{
		if (strchr(" \t\r\n", *text) != NULL)
			continue;
		digit = strchr(digits, *text);
		if (digit == NULL)
			break;
		bits = bits << 6 | (uint32) (digit - digits);
		if (++count % 4 != 1)
			der[len++] = (uint8) (bits >> (6 - 2 * ((count - 1) % 4)));
	}
	return len;
}

/* Says something of a Hash in the value, as far as this test can tell. */
static bool
has_hash(const char *value)
{
	const char *hash = strcasestr(value, "hash=");

	return hash != NULL && (hash == value || strchr("; \t", hash[-1]) != NULL);
}

/* Is the length that of a SHA-256 alone? */
static bool
is_fingerprint_length(const char *value)
{
	size_t		len;

	value += strspn(value, " \t");
	len = strlen(value);
	while (len > 0 && strchr(" \t", value[len - 1]) != NULL)
		len--;
	return len == 43 || len == 44 || len == 64;
}

/* Is what came out of a mutated value what may come out? */
static bool
is_right(const char *value, const Certificate *certificate)
{
	const Forwarded *result = forwarded(value, strlen(value), SCT_FORMAT_AUTO);
	uint8		naive[MAX_MUTANT];

	if (result->reason != SCT_OK)
	{
		refused++;
		return result->reason == SCT_CERTIFICATE ||
			result->reason == SCT_MISSING;
	}
	if (memcmp(result->header.sha256, certificate->sha256, SCT_SHA256_LEN) == 0)
	{
		same++;
		return result->header.der_len == 0 ||
			is_certificate(result, certificate, true);
	}
	spelled++;
	if (result->header.der_len == 0)
		return is_fingerprint_length(value);
	return !has_hash(value) &&
		naive_certificate(value, naive) == result->header.der_len &&
		memcmp(naive, result->der, result->header.der_len) == 0;
}

/* A byte that means something to one of the forms, or any. */
static char
random_byte(void)
{
	static const char special[] = "%;,=\"\\:-+/ \t\r\n()AZaz09_%2B%0A";

	if (next_random(2) == 0)
		return special[next_random(strlen(special))];
	return (char) (1 + next_random(255));
}

/* Changes value in place; it has room for MAX_MUTANT bytes. */
static void
mutate(char *value, const char *donor)
{
	size_t		len = strlen(value);
	size_t		at = next_random(len);
	size_t		part = 1 + next_random(next_random(4) == 0 ? len - at : 4);
	size_t		from;
	char		c;

	part = Min(part, len - at);
	switch (next_random(8))
	{
		case 0:
			value[at] = random_byte();
			break;
		case 1:
			value[at] ^= (char) (1 << next_random(7));
			if (value[at] == '\0')
				value[at] = '0';
			break;
		case 2:					/* leave out */
			memmove(value + at, value + at + part, len - at - part + 1);
			break;
		case 3:					/* add */
			memmove(value + at + 1, value + at, len - at + 1);
			value[at] = random_byte();
			break;
		case 4:					/* repeat */
			memmove(value + at + part, value + at, len - at + 1);
			break;
		case 5:					/* cut off */
			value[at] = '\0';
			break;
		case 6:					/* exchange two */
			from = next_random(len);
			c = value[at];
			value[at] = value[from];
			value[from] = c;
			break;
		case 7:					/* overwrite with a part of another value */
			from = next_random(strlen(donor));
			part = Min(Min(part, strlen(donor) - from), len - at);
			memcpy(value + at, donor + from, part);
			break;
	}
}

static void
mutants(void)
{
	const Certificate *certificate = certificate_named(CERTIFICATE);
	char	   *values[MAX_SENT + MAX_CERTIFICATES];
	Sent		sent[MAX_SENT];
	int			count = 0;
	int			wrong = 0;
	char		value[2 * MAX_MUTANT];

	for (int i = send_everywhere(certificate, certificate_named("leaf.pem"),
								 sent); i-- > 0;)
	{
		if (has_certificate(&sent[i]))
			values[count++] = sent[i].value;
	}
	for (int i = 0; i < header_row_count; i++)
	{
		if (!absent(header_rows[i].thumbprint))
			values[count++] = header_rows[i].value;
	}

	for (int i = 0; i < MUTATIONS; i++)
	{
		strlcpy(value, values[i % count], MAX_MUTANT);
		for (uint32 j = 0; j <= next_random(4) / 3 && value[0] != '\0'; j++)
			mutate(value, values[next_random(count)]);
		if (!is_right(value, certificate) && wrong++ < 10)
			note("%s", value);
	}
	ok(wrong == 0, "%d mutations of %d values: the certificate, a refusal, or the bytes that are spelled there",
	   MUTATIONS, count);
	note("%d the certificate, %d refused, %d other bytes", same, refused,
		 spelled);
	ok(same > 500 && refused > 500 && spelled > 500, "each of these came up");
}

/* Nobody can make Envoy's value give another thumbprint (B50). */
static void
guarded_by_hash(void)
{
	const Certificate *certificate = certificate_named(CERTIFICATE);
	const HeaderRow *row = header_row("B18");
	char	   *value = pstrdup(row->value);
	int			other = 0;
	int			taken = 0;
	const Forwarded *result;

	for (size_t len = 0; len < row->len; len++)
	{
		result = forwarded(value, len, SCT_FORMAT_AUTO);
		other += result->reason == SCT_OK &&
			!is_certificate(result, certificate, result->header.der_len > 0);
	}
	ok(other == 0, "B50 each prefix of B18: the same thumbprint or a refusal");

	for (size_t at = 0; at < row->len; at++)
	{
		for (int c = 0; c < 256; c++)
		{
			value[at] = (char) c;
			result = forwarded(value, row->len, SCT_FORMAT_AUTO);
			taken += result->reason == SCT_OK;
			other += result->reason == SCT_OK &&
				!is_certificate(result, certificate, true);
		}
		value[at] = row->value[at];
	}
	ok(other == 0 && taken > (int) row->len,
	   "B50 each byte of B18 as any other: the same thumbprint (%d) or a refusal",
	   taken - (int) row->len);
}

int
main(void)
{
	if (!read_vectors())
		return skip_all("no vectors at ", "test/vectors/mtls");
	guarded_by_hash();
	mutants();
	return done();
}
