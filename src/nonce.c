/*
 * nonce.c
 *		Nonces for DPoP proofs under the server's secrets, see nonce.h.
 *
 * The current secret makes them; they pass under it and under the one before it,
 * so that a rotation of the secret sends no client back for a new nonce, unless
 * the old secret is known to others.
 */
#include "sctoken.h"

#include "common/int.h"
#include "fmgr.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

#include "core/base64url.h"
#include "core/nonce.h"
#include "interval.h"
#include "nonce.h"
#include "query.h"
#include "secret.h"

PG_FUNCTION_INFO_V1(sctoken_dpop_nonce);

/* The clock of a call, in whole seconds, rounded down. */
static SctNonceClock
clock_at(TimestampTz now)
{
	SctNonceClock clock;

	clock.now = now / USECS_PER_SEC - (now % USECS_PER_SEC < 0) +
		UNIX_EPOCH_SECONDS;
	clock.step_length = sct_dpop_nonce_step;
	clock.steps = sct_dpop_nonce_steps;
	return clock;
}

static SctNonceScope
scope_of(const char *server, size_t server_len, const char *jkt)
{
	SctNonceScope scope;

	if (server_len == 0 || server_len > SCT_DPOP_MAX_SERVER)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("argument \"%s\" must have 1 to %d bytes",
						"server", SCT_DPOP_MAX_SERVER)));
	scope.server = server;
	scope.server_len = server_len;
	scope.jkt = jkt;
	return scope;
}

bool
sct_nonce_is_required(void)
{
	return sct_dpop_freshness != FRESHNESS_IAT;
}

text *
sct_nonce_make(const char *server, size_t server_len, const char *jkt,
			   TimestampTz now)
{
	SctNonceScope scope = scope_of(server, server_len, jkt);
	SctNonceClock clock = clock_at(now);
	ServerSecret secret;
	char		buf[SCT_NONCE_LEN];
	SctReason	reason;

	if (!sct_secret_current(&secret))
		ereport(ERROR,
				(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
				 errmsg("the server's secret is being made by another transaction"),
				 errhint("Nothing has changed; call again.")));
	reason = sct_nonce_build(secret.id, secret.nonce_key, &scope, &clock, buf);
	sct_crypto_cleanse(&secret, sizeof(secret));
	if (reason != SCT_OK)
		elog(ERROR, "libcrypto failed");
	return cstring_to_text_with_len(buf, SCT_NONCE_LEN);
}

NonceVerdict
sct_nonce_check(const char *nonce, size_t len, const char *server,
				size_t server_len, const char *jkt, TimestampTz now)
{
	NonceVerdict verdict = {.valid = false,.renew = true,.expires_at = DT_NOBEGIN};
	SctNonceScope scope = scope_of(server, server_len, jkt);
	SctNonceClock clock = clock_at(now);
	SctNonce	parsed;
	SctNonceLife life;
	ServerSecret secret;
	SctReason	reason;

	/* what needs no secret first: nobody learns from it but the clock */
	if (sct_nonce_parse(nonce, len, &parsed) != SCT_OK ||
		sct_nonce_current(&parsed, &clock, &life) != SCT_OK ||
		!sct_secret_find(parsed.key_id, &secret))
		return verdict;
	reason = secret.takes_nonces ?
		sct_nonce_verify(&parsed, secret.nonce_key, &scope, &clock) : SCT_NONCE;
	sct_crypto_cleanse(&secret, sizeof(secret));
	if (reason == SCT_INTERNAL)
		elog(ERROR, "libcrypto failed");
	if (reason != SCT_OK)
		return verdict;

	verdict.valid = true;
	verdict.renew = life.renew;

	/* the last days of the calendar count as its end */
	if (pg_mul_s64_overflow(life.end - UNIX_EPOCH_SECONDS, USECS_PER_SEC,
							&verdict.expires_at))
		verdict.expires_at = DT_NOEND;
	return verdict;
}

Datum
sctoken_dpop_nonce(PG_FUNCTION_ARGS)
{
	text	   *server;
	const char *jkt = NULL;
	MemoryContext caller_context = CurrentMemoryContext;
	QueryScope	scope;
	text	   *result;

	if (PG_ARGISNULL(0))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("argument \"%s\" must not be null", "server")));
	server = PG_GETARG_TEXT_PP(0);
	if (!PG_ARGISNULL(1))
	{
		text	   *arg = PG_GETARG_TEXT_PP(1);
		uint8		digest[SCT_SHA256_LEN];
		size_t		digest_len;

		jkt = VARDATA_ANY(arg);
		if (VARSIZE_ANY_EXHDR(arg) != SCT_THUMBPRINT_LEN ||
			sct_base64url_decode(jkt, SCT_THUMBPRINT_LEN, digest, &digest_len) != SCT_OK)
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("argument \"%s\" is not a SHA-256 thumbprint in base64url",
							"jkt")));
	}

	sct_query_begin(&scope);
	MemoryContextSwitchTo(caller_context);
	result = sct_nonce_make(VARDATA_ANY(server), VARSIZE_ANY_EXHDR(server), jkt,
							GetCurrentTimestamp());
	sct_query_end(&scope);
	PG_RETURN_TEXT_P(result);
}
