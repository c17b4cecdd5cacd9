// provider.js: an oidc-provider on a database with sctoken.

import Provider from 'oidc-provider';

import { adapterFor } from './adapter.js';
import { Tokens } from './sctoken.js';
import { unavailableWhenLost } from './unavailable.js';

const day = 24 * 60 * 60;

// createProvider({ issuer, db, clients, secrets, requireNonce }): a Koa application.
// issuer: its URL; db: a pool of pg; clients: their metadata (RFC 7591); secrets: of
// secrets.js, the same for all instances; requireNonce: DPoP proofs must carry one.
export function createProvider({ issuer, db, clients, secrets, requireNonce = false }) {
	const database = unavailableWhenLost(db);
	const tokens = new Tokens(database);
	const provider = new Provider(issuer, {
		adapter: adapterFor(database, tokens),
		clients,
		jwks: secrets.jwks,
		cookies: { keys: secrets.cookies },
		scopes: ['openid', 'offline_access'],

		// sctoken rotates, or does not, by the client's policy (rotation).
		rotateRefreshToken: true,

		// How long a refresh token lives is of the client's policy too (idle_ttl,
		// absolute_ttl), but it ends with its grant at the latest.  oidc-provider
		// wants a number for it all the same.
		ttl: {
			AccessToken: 600,
			Grant: 366 * day,
			IdToken: 600,
			Interaction: 3600,
			RefreshToken: day,
			Session: 14 * day,
		},

		features: {
			// Proofs are verified here, and refused early; those that pass are
			// verified and remembered by sctoken.  Nonces are oidc-provider's own.
			dPoP: {
				enabled: true,
				nonceSecret: Buffer.from(secrets.nonce, 'base64url'),
				requireNonce: () => requireNonce,
			},
			introspection: { enabled: true },
			revocation: { enabled: true },

			// Pages that let anybody in under any name.  Put your login here:
			// https://github.com/panva/node-oidc-provider/blob/main/docs/README.md#user-flows
			devInteractions: { enabled: true },
		},
		findAccount: (ctx, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
	});

	tokens.install(provider);
	return provider;
}
