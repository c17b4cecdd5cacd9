/*
 * fuzz_nonce.c
 *		Nonces: what passes is what the key makes for that server, client and time.
 */
#include "fuzz.h"

#include "../../src/core/nonce.h"

static const uint8 key[SCT_SHA256_LEN] = "the key of the server's nonces";

static void
check_text(const char *text, size_t len, const SctNonceScope *scope,
		   SctNonceClock clock)
{
	char	   *copy = exact(text, len);
	SctNonce	nonce;
	SctNonce	again;
	SctNonceLife life;
	SctReason	reason = sct_nonce_parse(copy, len, &nonce);

	must(reason == SCT_OK || reason == SCT_NONCE, "a nonce has its form or has not");
	must(sct_nonce_parse(copy, len, &again) == reason,
		 "a verdict is the same each time");
	if (reason == SCT_OK)
	{
		bool		bound = nonce.form == SCT_NONCE_BOUND;
		bool		genuine = sct_nonce_verify(&nonce, key, scope, &clock) == SCT_OK;
		bool		current = sct_nonce_current(&nonce, &clock, &life) == SCT_OK;
		SctNonceScope same = {
			scope->server, scope->server_len, bound ? scope->jkt : NULL
		};
		char		built[SCT_NONCE_LEN];

		must(len == SCT_NONCE_LEN, "a nonce has one length");
		must(nonce.step >= 0, "a step is not negative");
		must(!current || (life.end > clock.now &&
						  nonce.step <= clock.now / clock.step_length + 1),
			 "a nonce that holds ends later, and was made before the step after this");

		/* made again at the time of its step, if there is such a time */
		if (nonce.step <= PG_INT64_MAX / clock.step_length &&
			scope->server_len > 0 && scope->server_len <= SCT_DPOP_MAX_SERVER &&
			(!bound || scope->jkt != NULL))
		{
			clock.now = nonce.step * clock.step_length;
			must(sct_nonce_build(nonce.key_id, key, &same, &clock, built) == SCT_OK,
				 "a nonce of any step can be made");
			must(genuine == (memcmp(built, copy, SCT_NONCE_LEN) == 0),
				 "what the key makes is what passes");
		}
	}
	free(copy);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	Input		input = input_of(data, size);
	static const char jkt[] = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
	uint8		how = take_byte(&input);
	uint8		key_id = take_byte(&input);
	SctNonceClock clock;
	SctNonceScope scope = {NULL, 0, NULL};
	Input		server;
	char	   *copy;
	char		built[SCT_NONCE_LEN];

	/* all that the settings allow, at any time that a timestamp can have */
	clock.now = (int64) take_number(&input, 8) / 1000000;
	clock.step_length = 10 + (int64) take_number(&input, 2) % 291;
	clock.steps = 1 + (int64) take_byte(&input) % 10;
	server = take_until(&input, '\n');
	copy = exact(server.at, server.len);
	scope.server = copy;
	scope.server_len = server.len;
	if ((how & 1) != 0)
		scope.jkt = jkt;

	if (sct_nonce_build(key_id, key, &scope, &clock, built) == SCT_OK)
	{
		SctNonce	nonce;
		SctNonceLife life;

		must(scope.server_len > 0 && scope.server_len <= SCT_DPOP_MAX_SERVER,
			 "a server has a name");
		must(sct_nonce_parse(built, SCT_NONCE_LEN, &nonce) == SCT_OK &&
			 nonce.key_id == key_id &&
			 sct_nonce_verify(&nonce, key, &scope, &clock) == SCT_OK,
			 "a nonce passes where it was made");
		must(clock.now < 0 ||
			 (sct_nonce_current(&nonce, &clock, &life) == SCT_OK && !life.renew),
			 "and holds when it was made");
		check_text(built, SCT_NONCE_LEN, &scope, clock);

		/* one bit of it */
		built[choice(built, SCT_NONCE_LEN) % SCT_NONCE_LEN] ^= (char) (1 << (how >> 5));
		must(sct_nonce_parse(built, SCT_NONCE_LEN, &nonce) != SCT_OK ||
			 sct_nonce_verify(&nonce, key, &scope, &clock) != SCT_OK,
			 "one bit that was changed is found out");
	}
	check_text((const char *) input.at, input.len, &scope, clock);
	free(copy);
	return done_with_input();
}
