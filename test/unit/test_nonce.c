/*
 * test_nonce.c
 *		Nonces: only this server makes them, for itself, and they end.
 */
#include "unit.h"

#include "../../src/core/base64url.h"
#include "../../src/core/nonce.h"

#define NOW			INT64CONST(1700000000)	/* 20 s into step 28333333 */
#define STEP		INT64CONST(28333333)
#define LAST_SECOND	(PG_INT64_MAX / 1000000)	/* of a timestamp, and more */
#define JKT			"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
#define OTHER_JKT	"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"

/*
 * What another implementation (Python's hmac and base64) makes: of now, for the
 * server "as", under mac key 1 to 32 with the key id 7, in steps of 60 s that hold
 * for 3 more; and the same with other steps and another form, with a good MAC.
 */
#define KNOWN			"AQcAAAAAAbBVFanDPyUUTNroXTKBfKne0AC2F4au3OYbNA"
#define KNOWN_BOUND		"AgcAAAAAAbBVFUxA6n6FTUX_46OtBxRDBCwbk8nBVRkclg"
#define STEP_ZERO		"AQcAAAAAAAAAAPgQTvd8dbgxAqieHeR7VP3x-uvUZlRkQA"
#define STEP_MAX		"AQd__________xghz4ea4Ng8aBnKfNunaI14yq95wendSw"
#define STEP_NEGATIVE	"AQeAAAAAAAAAAMHshQ2WccOOGO8gPztiVE5OuSM3yEuWPQ"
#define FORM_UNKNOWN	"AwcAAAAAAbBVFS97ee8c9Vljf3jWFlTXi-C-5FYxG7d7aw"

static const uint8 key[32] = {
	1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
	17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32
};
static const uint8 other_key[32] = {1};

static SctNonceScope
scope(const char *server, const char *jkt)
{
	SctNonceScope result = {server, strlen(server), jkt};

	return result;
}

static SctNonceClock
clock_at(int64 now)
{
	SctNonceClock result = {now, 60, 3};

	return result;
}

/* Everything that is checked of a nonce, in the order of the server. */
static SctReason
check(const char *text, size_t len, const uint8 *mac_key, SctNonceScope who,
	  SctNonceClock clock, SctNonceLife *life)
{
	SctNonce	nonce;
	SctReason	reason = sct_nonce_parse(text, len, &nonce);

	if (reason == SCT_OK)
		reason = sct_nonce_current(&nonce, &clock, life);
	if (reason == SCT_OK)
		reason = sct_nonce_verify(&nonce, mac_key, &who, &clock);
	return reason;
}

static SctReason
check_for(const char *text, SctNonceScope who)
{
	SctNonceLife life;

	return check(text, strlen(text), key, who, clock_at(NOW), &life);
}

static SctReason
check_at(const char *text, int64 now, SctNonceLife *life)
{
	return check(text, strlen(text), key, scope("as", NULL), clock_at(now), life);
}

static void
build(SctNonceScope who, int64 now, char *text)
{
	SctNonceClock clock = clock_at(now);

	memset(text, 0, SCT_NONCE_LEN + 1);
	ok(sct_nonce_build(7, key, &who, &clock, text) == SCT_OK &&
	   strlen(text) == SCT_NONCE_LEN, "a nonce is made at %lld", (long long) now);
}

static void
test_form(void)
{
	char		text[SCT_NONCE_LEN + 2];
	char		copy[SCT_NONCE_LEN + 2];
	int			taken = 0;
	int			refused = 0;
	SctNonce	nonce;

	build(scope("as", NULL), NOW, text);
	ok(strcmp(text, KNOWN) == 0, "a nonce is spelled as nonce.h says");
	ok(sct_nonce_parse(text, SCT_NONCE_LEN, &nonce) == SCT_OK &&
	   nonce.form == SCT_NONCE_UNBOUND && nonce.key_id == 7 &&
	   nonce.step == STEP, "it tells its key and step");
	ok(check_for(text, scope("as", NULL)) == SCT_OK, "it is accepted");

	/* each other character that might stand there */
	for (int i = 0; i < SCT_NONCE_LEN; i++)
	{
		for (int change = 1; change < 256; change++)
		{
			SctNonceLife life;

			memcpy(copy, text, SCT_NONCE_LEN);
			copy[i] ^= (char) change;
			taken += check(copy, SCT_NONCE_LEN, key, scope("as", NULL),
						   clock_at(NOW), &life) == SCT_OK;
		}
	}
	ok(taken == 0, "10c 31: no changed character is accepted");

	/* the MAC alone, whatever form and clock would say before it */
	for (int i = 0; i < 34 * 8; i++)
	{
		uint8		bytes[SCT_BASE64URL_DECODED_LEN(SCT_NONCE_LEN)];
		size_t		len;
		SctNonceScope who = scope("as", JKT);
		SctNonceClock now = clock_at(NOW);

		(void) sct_base64url_decode(text, SCT_NONCE_LEN, bytes, &len);
		bytes[i / 8] ^= (uint8) (1 << (i % 8));
		sct_base64url_encode(bytes, len, copy);
		if (sct_nonce_parse(copy, SCT_NONCE_LEN, &nonce) != SCT_OK)
			refused++;
		else
			taken += sct_nonce_verify(&nonce, key, &who, &now) == SCT_OK;
	}
	ok(taken == 0, "10c 31: no changed bit, the key id's included, has this MAC");
	ok(refused == 9, "no bit of the form, nor the sign of the step, can change");
	for (int len = 0; len < SCT_NONCE_LEN; len++)
	{
		SctNonceLife life;

		taken += check(text, len, key, scope("as", NULL), clock_at(NOW),
					   &life) == SCT_OK;
	}
	ok(taken == 0, "10c 32: no cut nonce is accepted");
	ok(check_for(KNOWN "=", scope("as", NULL)) == SCT_NONCE &&
	   check_for(KNOWN "==", scope("as", NULL)) == SCT_NONCE,
	   "10c 33: padding is refused");
	ok(check_for(KNOWN "A", scope("as", NULL)) == SCT_NONCE,
	   "a longer one is refused");
	ok(check_for("", scope("as", NULL)) == SCT_NONCE, "the empty one is refused");
	ok(check_for(FORM_UNKNOWN, scope("as", NULL)) == SCT_NONCE,
	   "an unknown form is refused, though its MAC is good");
}

static void
test_scope(void)
{
	char		text[SCT_NONCE_LEN + 1];
	char		longest[SCT_DPOP_MAX_SERVER + 2];
	SctNonceScope who;
	SctNonceClock now = clock_at(NOW);
	SctNonceLife life;

	ok(check_for(KNOWN, scope("rs", NULL)) == SCT_NONCE,
	   "10c 28: a nonce of one server is none for another");
	ok(check_for(KNOWN, scope("a", NULL)) == SCT_NONCE &&
	   check_for(KNOWN, scope("as ", NULL)) == SCT_NONCE &&
	   check_for(KNOWN, scope("AS", NULL)) == SCT_NONCE,
	   "10c 29: the name must be the same to the byte");
	ok(check(KNOWN, SCT_NONCE_LEN, other_key, scope("as", NULL), clock_at(NOW),
			 &life) == SCT_NONCE, "10c 30: another key is found out");
	ok(check_for(KNOWN, scope("as", JKT)) == SCT_OK,
	   "an unbound nonce holds for every key");

	build(scope("as", JKT), NOW, text);
	ok(strcmp(text, KNOWN_BOUND) == 0, "a bound nonce is spelled as nonce.h says");
	ok(check_for(text, scope("as", JKT)) == SCT_OK,
	   "a bound nonce holds for its key");
	ok(check_for(text, scope("as", OTHER_JKT)) == SCT_NONCE,
	   "10c 35: a bound nonce does not hold for another key");
	ok(check_for(text, scope("as", NULL)) == SCT_NONCE,
	   "a bound nonce does not hold for an unknown key");
	ok(check_for(text, scope("rs", JKT)) == SCT_NONCE,
	   "a bound nonce does not hold for another server");

	/* the name's length keeps it apart from the thumbprint after it */
	ok(check_for(text, scope("as" JKT, NULL)) == SCT_NONCE &&
	   check_for(KNOWN, scope("as" JKT, NULL)) == SCT_NONCE,
	   "a name that ends in the thumbprint is another name");

	memset(longest, 'a', sizeof(longest));
	longest[SCT_DPOP_MAX_SERVER] = '\0';
	build(scope(longest, JKT), NOW, text);
	ok(check_for(text, scope(longest, JKT)) == SCT_OK,
	   "a name may be %d bytes long", SCT_DPOP_MAX_SERVER);
	longest[SCT_DPOP_MAX_SERVER] = 'a';
	longest[SCT_DPOP_MAX_SERVER + 1] = '\0';
	who = scope(longest, NULL);
	ok(sct_nonce_build(7, key, &who, &now, text) != SCT_OK &&
	   check_for(KNOWN, who) != SCT_OK, "and no longer");
	who = scope("", NULL);
	ok(sct_nonce_build(7, key, &who, &now, text) != SCT_OK &&
	   check_for(KNOWN, who) != SCT_OK, "nor empty");
}

static void
test_time(void)
{
	int64		begin = STEP * 60;
	int64		end = begin + 4 * 60;
	SctNonceLife life;
	char		text[SCT_NONCE_LEN + 1];
	int			wrong = 0;

	ok(check_at(KNOWN, NOW, &life) == SCT_OK && life.end == end,
	   "a nonce ends three steps after its own");
	ok(check_at(KNOWN, begin, &life) == SCT_OK &&
	   check_at(KNOWN, end - 1, &life) == SCT_OK && life.end == end,
	   "10c 24: it holds in its last second");
	ok(check_at(KNOWN, end, &life) == SCT_NONCE, "10c 25: and not one later");
	ok(check_at(KNOWN, begin - 1, &life) == SCT_OK &&
	   check_at(KNOWN, begin - 60, &life) == SCT_OK && life.end == end,
	   "10c 26: a nonce of the next step holds");
	ok(check_at(KNOWN, begin - 61, &life) == SCT_NONCE,
	   "10c 27: one of two steps ahead does not");

	/* whoever changes the settings lets no nonce live again */
	for (int64 steps = 0; steps <= 10; steps++)
	{
		SctNonceClock clock = {NOW, 60, steps};

		wrong += (check(KNOWN, SCT_NONCE_LEN, key, scope("as", NULL), clock,
						&life) == SCT_OK) != (steps == 3);
	}
	for (int64 step_length = 1; step_length <= 600; step_length++)
	{
		SctNonceClock clock = {STEP * step_length, step_length, 3};

		wrong += (check(KNOWN, SCT_NONCE_LEN, key, scope("as", NULL), clock,
						&life) == SCT_OK) != (step_length == 60);
	}
	ok(wrong == 0, "a nonce does not hold under other settings");

	/* 10c 41 */
	ok(check_at(KNOWN, begin - 1, &life) == SCT_OK && !life.renew &&
	   check_at(KNOWN, begin + 119, &life) == SCT_OK && !life.renew,
	   "10c 41: in the first half of its life it needs no successor");
	ok(check_at(KNOWN, begin + 120, &life) == SCT_OK && life.renew &&
	   check_at(KNOWN, end - 1, &life) == SCT_OK && life.renew,
	   "10c 41: in the second half it does");

	/* whoever is told to renew gets another nonce, which then is fresh */
	for (int64 steps = 0; steps <= 10; steps++)
	{
		for (int64 now = begin; now < begin + (steps + 1) * 60; now++)
		{
			SctNonceClock clock = {now, 60, steps};
			SctNonceScope who = scope("as", NULL);
			SctNonce	old;
			SctNonce	new;

			if (sct_nonce_parse(KNOWN, SCT_NONCE_LEN, &old) != SCT_OK ||
				sct_nonce_current(&old, &clock, &life) != SCT_OK ||
				sct_nonce_build(7, key, &who, &clock, text) != SCT_OK ||
				sct_nonce_parse(text, SCT_NONCE_LEN, &new) != SCT_OK)
				wrong++;
			else if (life.renew &&
					 (new.step <= old.step ||
					  sct_nonce_current(&new, &clock, &life) != SCT_OK ||
					  life.renew))
				wrong++;
		}
	}
	ok(wrong == 0, "a successor is another nonce, and fresh");

	/* 10c 34: good MACs over what no clock says */
	ok(check_at(STEP_ZERO, NOW, &life) == SCT_NONCE, "10c 34: step 0 is over");
	ok(check_at(STEP_MAX, NOW, &life) == SCT_NONCE,
	   "10c 34: step 2^63-1 is far ahead");
	ok(check_at(STEP_NEGATIVE, NOW, &life) == SCT_NONCE,
	   "10c 34: there is no negative step");
	ok(check_at(STEP_ZERO, 0, &life) == SCT_OK && life.end == 240 &&
	   check_at(STEP_ZERO, 239, &life) == SCT_OK &&
	   check_at(STEP_ZERO, 240, &life) == SCT_NONCE,
	   "step 0 holds at its own time");
	ok(check_at(STEP_ZERO, -1, &life) == SCT_NONCE &&
	   check_at(STEP_ZERO, PG_INT64_MIN, &life) == SCT_NONCE &&
	   check_at(STEP_MAX, PG_INT64_MIN, &life) == SCT_NONCE,
	   "nothing holds before 1970");
	build(scope("as", NULL), -1, text);
	ok(strcmp(text, STEP_ZERO) == 0, "a clock before 1970 gives step 0");
	build(scope("as", NULL), LAST_SECOND, text);
	ok(check_at(text, LAST_SECOND, &life) == SCT_OK &&
	   life.end > LAST_SECOND,
	   "the last second of the calendar is one like others");
}

/* 10c 43: what RFC 9449 8.1 calls NQCHAR, in 10 000 nonces that all differ */
static void
test_characters(void)
{
	char		last[SCT_NONCE_LEN + 1] = {0};
	int			wrong = 0;

	for (int i = 0; i < 10000; i++)
	{
		SctNonceClock clock = clock_at(NOW + i * 60);
		SctNonceScope who = scope("as", i % 2 == 0 ? NULL : JKT);
		char		text[SCT_NONCE_LEN + 1] = {0};

		if (sct_nonce_build((uint8) i, key, &who, &clock, text) != SCT_OK ||
			strlen(text) != SCT_NONCE_LEN || strcmp(text, last) == 0)
			wrong++;
		for (const char *p = text; *p != '\0'; p++)
			wrong += !(*p == 0x21 || (*p >= 0x23 && *p <= 0x5b) ||
					   (*p >= 0x5d && *p <= 0x7e));
		memcpy(last, text, sizeof(text));
	}
	ok(wrong == 0, "10c 43: a nonce consists of NQCHARs");
}

int
main(void)
{
	test_form();
	test_scope();
	test_time();
	test_characters();
	return done();
}
