// endpoints.js: token endpoints that refresh DPoP-bound tokens of the public client
// "bench", all of them behind Node's own HTTP server.

import crypto from 'node:crypto';

import Provider from 'oidc-provider';

import { adapter, schema } from './adapter.js';

// Where the clients believe the endpoint to be; a proxy would end TLS.
export const host = 'server.example.com';
export const htu = `https://${host}/token`;

// A node-oidc-provider; rotate: whether every use rotates, or by its own policy.
async function oidcProvider(query, jkt, families, rotate) {
	const provider = new Provider(`https://${host}`, {
		adapter: adapter(query),
		clients: [{
			client_id: 'bench',
			token_endpoint_auth_method: 'none',
			grant_types: ['authorization_code', 'refresh_token'],
			redirect_uris: [`https://${host}/callback`],
			scope: 'openid profile offline_access',
		}],
		cookies: { keys: ['bench'] },
		features: { dPoP: { enabled: true } },
		findAccount: (ctx, sub) => ({ accountId: sub, claims: () => ({ sub }) }),
		scopes: ['openid', 'profile', 'offline_access'],
		...(rotate && { rotateRefreshToken: true }),
	});
	const client = await provider.Client.find('bench');
	const tokens = [];

	provider.proxy = true;
	await query('schema', schema);
	for (let i = 0; i < families; i++) {
		const grant = new provider.Grant({ accountId: 'subject', clientId: 'bench' });

		grant.addOIDCScope('profile');
		tokens.push(await new provider.RefreshToken({
			accountId: 'subject', client, jkt, scope: 'profile',
			grantId: await grant.save(), gty: 'authorization_code',
		}).save());
	}
	return { tokens, handler: provider.callback() };
}

// sctoken behind as little as an endpoint needs; the access token is a signed JWT.
async function sctoken(query, jkt, families) {
	const { privateKey } = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
	const part = (object) => Buffer.from(JSON.stringify(object)).toString('base64url');
	const header = part({ typ: 'at+jwt', alg: 'ES256' });
	const rows = await query('issue', `SELECT (sctoken.issue('endpoint', 'subject', 'profile',
			cnf => jsonb_build_object('jkt', $2::text))).refresh_token
		FROM generate_series(1, $1::integer)`, [families, jkt]);

	async function refresh(token, proof) {
		const [grant] = await query('rotate', `SELECT outcome, error, refresh_token,
				subject, scope, cnf, next_nonce
			FROM sctoken.rotate($1, 'endpoint', dpop_proof => $2, htu => $3)`,
		[token, proof, htu]);

		if (grant.error)
			return [400, { error: grant.error }];
		const now = Math.floor(Date.now() / 1000);
		const input = `${header}.${part({
			iss: `https://${host}`, sub: grant.subject, client_id: 'bench',
			scope: grant.scope, cnf: grant.cnf, iat: now, exp: now + 3600,
			jti: crypto.randomUUID(),
		})}`;
		const signature = crypto.sign('sha256', Buffer.from(input), {
			key: privateKey, dsaEncoding: 'ieee-p1363',
		}).toString('base64url');

		return [200, {
			access_token: `${input}.${signature}`, token_type: 'DPoP', expires_in: 3600,
			refresh_token: grant.refresh_token, scope: grant.scope,
		}];
	}

	async function handler(request, response) {
		let body = '';

		for await (const chunk of request)
			body += chunk;
		const [status, answer] = await refresh(
			new URLSearchParams(body).get('refresh_token'), request.headers.dpop);

		response.writeHead(status, { 'content-type': 'application/json' });
		response.end(JSON.stringify(answer));
	}
	return { tokens: rows.map((row) => row.refresh_token), handler };
}

// By name: a function that gives the tokens of new families and a request handler.
export const endpoints = {
	'oidc-provider': (...args) => oidcProvider(...args, false),
	'oidc-provider-rotating': (...args) => oidcProvider(...args, true),
	sctoken,
};
