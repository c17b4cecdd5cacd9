// sctoken.js: the refresh tokens and the DPoP proofs of an oidc-provider, in sctoken.
//
// Two rules are kept everywhere below.  Commit, then answer: each call is one
// statement outside of any transaction, committed when its promise is fulfilled; an
// outcome becomes an exception only after that, so that "reuse_detected" is never
// rolled back.  And a client that got no answer repeats its request with the same
// refresh token and a fresh proof: it is answered with the same successor.

import { AsyncLocalStorage } from 'node:async_hooks';

import { errors } from 'oidc-provider';

import { unavailable } from './unavailable.js';

const jti = (jwt) => {
	try {
		return JSON.parse(Buffer.from(jwt.split('.')[1], 'base64url')).jti;
	} catch {
		return undefined;
	}
};

// What the client is told.  Why exactly is for the log, and in sctoken.event.
function refusal({ error, outcome, reason }) {
	// another transaction holds the family: nothing has changed
	if (error === 'temporarily_unavailable')
		return unavailable(outcome);
	if (error === 'invalid_grant')
		return new errors.InvalidGrant(`${outcome} (${reason})`);
	return Object.assign(new errors.CustomOIDCProviderError(error),
		{ error_detail: `${outcome} (${reason})` });
}

export class Tokens {
	#db;

	#provider;

	// The request that is being answered; oidc-provider does not hand it to adapters.
	#request = new AsyncLocalStorage();

	// What rotate() said in answer to a request.
	#rotated = new WeakMap();

	constructor(db) {
		this.#db = db;
	}

	// Puts sctoken into a provider whose adapter calls find(), revoke() and
	// revokeGrant() below.
	install(provider) {
		const tokens = this;

		this.#provider = provider;
		provider.use((ctx, next) => this.#request.run(ctx, async () => {
			await next();
			if (ctx.status === 503)
				ctx.set('retry-after', '1');
		}));

		// Both replace a method that oidc-provider does not document as an extension
		// point.  The first is where a refresh token gets its value, the second one
		// asks the adapter "is it there?" before it tells it "keep it", which lets
		// two requests pass that come at once.
		provider.RefreshToken.prototype.save = function save() {
			return tokens.#save(this);
		};
		provider.ReplayDetection.unique = (...args) => this.#unique(...args);
	}

	async #query(text, values) {
		const { rows: [row] } = await this.#db.query(text, values);

		return row;
	}

	// The URI that a proof must be for, made of the issuer: ctx.oidc.urlFor() goes by
	// the Host header, which is the client's word.
	#htu(ctx) {
		return this.#provider.urlFor(ctx.oidc.route);
	}

	// A refresh token is looked up at three endpoints, and at each of them for
	// another end.  Asking once is all it takes: sctoken looks, judges and acts under
	// one lock.
	find(token) {
		const ctx = this.#request.getStore();

		if (token.includes('\0'))		// comes from a client; PostgreSQL has no such text
			return undefined;
		switch (ctx?.oidc.route) {
			case 'token': return this.#rotate(ctx, token);
			case 'revocation': return this.revoke(token);
			default: return this.#introspect(token);
		}
	}

	// At the token endpoint, after oidc-provider has authenticated the client: the
	// payload of the token, whose successor is issued already.  sctoken verifies the
	// proof itself and remembers it, after all that can be refused without a trace.
	async #rotate(ctx, token) {
		const { client, params } = ctx.oidc;
		const grant = await this.#query(`
			SELECT *, CASE WHEN outcome = 'reuse_detected'
				THEN oidc_provider.end_grant(family_id) END
			FROM sctoken.rotate($1, $2, scope => $3, dpop_proof => $4, htu => $5,
				context => $6)`,
		[token, client.clientId, params.scope, ctx.get('dpop') || null,
			this.#htu(ctx), { ip: ctx.ip, user_agent: ctx.get('user-agent') }]);

		if (grant.error)
			throw refusal(grant);
		this.#rotated.set(ctx, grant);
		return {
			...grant.details,
			kind: 'RefreshToken',
			jti: token,
			clientId: grant.client_id,
			accountId: grant.subject,
			grantId: grant.grant_id,
			scope: grant.scope,
			rotations: Number(grant.generation) - 2,
			exp: Math.floor(grant.expires_at / 1000),
		};
	}

	// oidc-provider saves a refresh token when a login is complete, and, since it is
	// told to rotate, for each rotation.  The value is the token.
	async #save(token) {
		const rotated = this.#rotated.get(this.#request.getStore());
		const value = rotated ? rotated.refresh_token : await this.#issue(token);

		token.jti = value;
		token.emit('saved');
		return value;
	}

	// The proof that came with the code was checked by #unique().  What the token of a
	// public client is bound to stands in the token; that of a confidential one is not.
	async #issue(token) {
		const { kind, jti: id, iat, exp, rotations, clientId, accountId, scope, grantId, jkt,
			'x5t#S256': x5t, ...details } = (await token.getValueAndPayload()).payload;
		const cnf = { ...(jkt && { jkt }), ...(x5t && { 'x5t#S256': x5t }) };
		const ctx = this.#request.getStore();

		const grant = await this.#query(`
			SELECT * FROM sctoken.issue($1, $2, $3, cnf => $4, session_id => $5,
				grant_id => $6, details => $7, context => $8)`,
		[clientId, accountId, scope, jkt || x5t ? cnf : null, details.sessionUid, grantId,
			details, { ip: ctx.ip, user_agent: ctx.get('user-agent') }]);

		if (grant.error)
			throw refusal(grant);
		return grant.refresh_token;
	}

	async #introspect(token) {
		const { introspection } = await this.#query(
			'SELECT sctoken.introspect($1) AS introspection', [token]);

		return introspection.active ? {
			kind: 'RefreshToken',
			jti: token,
			clientId: introspection.client_id,
			accountId: introspection.sub,
			scope: introspection.scope,
			iat: introspection.iat,
			exp: introspection.exp,
			jkt: introspection.cnf?.jkt,
		} : undefined;
	}

	// RFC 7009: any generation of a token of this client.  There is nothing to be
	// found afterwards, which oidc-provider answers with 200, as it should.
	async revoke(token) {
		const ctx = this.#request.getStore();

		try {
			await this.#query(`
				SELECT CASE WHEN sctoken.revoke($1, $2)
					THEN oidc_provider.end_grant(sctoken.token_family_id($1)) END`,
			[token, ctx.oidc.client.clientId]);
		} catch (error) {
			throw error.code === '55P03' ? unavailable('locked') : error;
		}
	}

	// A code came twice, or the user has logged out.
	async revokeGrant(grantId) {
		const ctx = this.#request.getStore();

		await this.#query('SELECT sctoken.revoke_grant($1, $2)',
			[grantId, ctx?.oidc.route === 'token' ? 'code_reuse' : 'logout']);
	}

	// Whether this is the first time that a jti comes: of a DPoP proof, which
	// sctoken verifies again and remembers, or of a client's assertion, which the
	// table keeps.  A jti that both have is the assertion's, so that a stolen
	// assertion does not pass beside a proof that was made to look like it.
	async #unique(issuer, id, exp) {
		const ctx = this.#request.getStore();

		if (this.#rotated.has(ctx))
			return true;				// rotate() has seen to it
		if (jti(ctx.get('dpop')) === id && jti(ctx.oidc.params?.client_assertion) !== id)
			return this.#proofIsNew(ctx);
		return this.#db.query(`
			INSERT INTO oidc_provider.model (kind, id, payload, expires_at)
			VALUES ('ReplayDetection', $1, '{}', to_timestamp($2))
			ON CONFLICT DO NOTHING`, [JSON.stringify([issuer, id]), exp])
			.then(({ rowCount }) => rowCount === 1);
	}

	async #proofIsNew(ctx) {
		const [scheme, accessToken] = ctx.get('authorization').split(' ');
		const verdict = await this.#query(`
			SELECT valid, error, reason
			FROM sctoken.dpop_check($1, $2, $3, access_token => $4)`,
		[ctx.get('dpop'), ctx.method, this.#htu(ctx),
			/^dpop$/i.test(scheme) ? accessToken : null]);

		if (verdict.error === 'temporarily_unavailable')
			throw unavailable(verdict.reason);
		if (!verdict.valid)
			throw new errors.InvalidDpopProof('DPoP proof refused', verdict.reason);
		return true;
	}
}
