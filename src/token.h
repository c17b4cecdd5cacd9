/*
 * token.h
 *		Refresh tokens under the server's secrets: made, recognised, derived.
 */
#ifndef SCT_TOKEN_GLUE_H
#define SCT_TOKEN_GLUE_H

#include "core/token.h"
#include "secret.h"

#define TOKEN_SALT_LEN			32
#define TOKEN_PREVIOUS_HASH_LEN	8

/*
 * Is the text a token that this server made?  NULL when it is, with *token and
 * *secret filled; otherwise the word of the reason.
 */
extern const char *sct_token_authenticate(const text *presented, SctToken *token,
										  ServerSecret *secret);

/* The text of a token; secret must be that of token->key_id. */
extern text *sct_token_mint(const SctToken *token, const ServerSecret *secret);

/* SHA-256 of a token's secret: what a family keeps of it. */
extern void sct_token_hash(const SctToken *token, uint8 *hash);

/* Random bytes into token->secret. */
extern void sct_token_random(SctToken *token);

/*
 * Makes *successor the token that follows *token: the same one each time for the
 * same salt and secret, which is what makes a retry safe.  secret is the one that
 * the successor is made under.
 */
extern void sct_token_succeed(const SctToken *token, const uint8 *salt,
							  const ServerSecret *secret, SctToken *successor);

#endif							/* SCT_TOKEN_GLUE_H */
