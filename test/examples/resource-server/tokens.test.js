// tokens.test.js: the authorization server of the example, and the resource server
// with it: what a client of DPoP gets, and what a thief does not.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';

import { makeKey, post, postWithNonce, prove, request, signIn } from './client.js';
import { start } from './servers.js';

const oauth = await import('oauth4webapi');

const origin = 'https://page.example.com';
const redirectUri = `${origin}/`;
const ends = [];
let as, rs, login;

before(async () => {
	({ as, rs, login } = await start({ after: (end) => ends.push(end) },
		{ clients: { page: redirectUri }, origin }));
});
after(() => Promise.all(ends.map((end) => end())));

// Makes DPoP headers for the token endpoint.
function prover(key) {
	return (nonce) => prove(key, 'POST', `${as}/token`, { nonce });
}

function signInWith(key, options) {
	return signIn(as, {
		clientId: 'page', redirectUri, scope: 'orders:read', dpopJkt: key.jkt, proof: prover(key),
		...options,
	});
}

function refresh(refresh_token, key) {
	return postWithNonce(`${as}/token`,
		{ grant_type: 'refresh_token', client_id: 'page', refresh_token },
		{ proof: key ? prover(key) : undefined });
}

// The status of a request to the API with this token and this key.
async function use(token, key) {
	const send = (nonce) => request(`${rs}/orders`, {
		headers: {
			Authorization: `DPoP ${token}`,
			DPoP: prove(key, 'GET', `${rs}/orders`, { token, nonce }),
		},
	});
	const { status, headers } = await send();

	return headers['dpop-nonce'] ? (await send(headers['dpop-nonce'][0])).status : status;
}

async function familyStatus(token) {
	const { rows } = await login.query(
		'SELECT sctoken.family_active(sctoken.token_family_id($1)) AS active', [token]);

	return rows[0].active;
}

test('a code is not used up by the nonce that is asked for', async () => {
	const key = makeKey();
	const { status, headers, body, asked } = await signInWith(key);

	assert.equal(asked.status, 400);
	assert.deepEqual(asked.body, { error: 'use_dpop_nonce' });
	assert.equal(asked.headers['www-authenticate'], undefined);
	assert.equal(status, 200);
	assert.deepEqual(headers['cache-control'], ['no-store']);
	assert.deepEqual(Object.keys(body),
		['access_token', 'token_type', 'expires_in', 'refresh_token', 'scope']);
	assert.equal(body.token_type, 'DPoP');
	assert.equal(body.scope, 'orders:read');
	assert.equal(await use(body.access_token, key), 200);
});

test('a code is for the key and the verifier that it was asked for with', async () => {
	const [key, thief] = [makeKey(), makeKey()];

	assert.deepEqual((await signInWith(key, { proof: prover(thief) })).body, { error: 'invalid_grant' });
	assert.deepEqual((await signInWith(key, { proof: undefined })).body, { error: 'invalid_request' });

	// The thief's attempts do not cost the client its code.
	const { form } = await signInWith(key, { proof: prover(thief) });

	assert.deepEqual((await post(`${as}/token`, { ...form, code_verifier: 'w'.repeat(43) })).body,
		{ error: 'invalid_grant' });
	assert.equal((await postWithNonce(`${as}/token`, form, { proof: prover(key) })).status, 200);
});

test('a code that comes twice ends what its first use gave', async () => {
	const key = makeKey();
	const { form, body } = await signInWith(key);

	assert.deepEqual((await postWithNonce(`${as}/token`, form, { proof: prover(key) })).body,
		{ error: 'invalid_grant' });
	assert.equal(await use(body.access_token, key), 401);
	assert.deepEqual((await refresh(body.refresh_token, key)).body, { error: 'invalid_grant' });
});

test('a client without a key, or with an unknown redirect URI, gets nothing', async () => {
	const { body } = await signIn(as, { clientId: 'page', redirectUri, scope: 'orders:read' });

	assert.deepEqual(body, { error: 'invalid_request' });
	for (const [name, value] of [['redirect_uri', 'https://evil.example.com/'],
		['client_id', 'nobody'], ['client_id', 'constructor'], ['code_challenge_method', 'plain'],
		['scope', 'admin'], ['dpop_jkt', 'short']]) {
		const asked = new URLSearchParams({
			response_type: 'code', client_id: 'page', redirect_uri: redirectUri,
			scope: 'orders:read', code_challenge: 'x', code_challenge_method: 'S256', [name]: value,
		});
		const answer = await request(`${as}/authorize?${asked}`, { method: 'POST' });

		assert.equal(answer.status, 400, name);
		assert.equal(answer.headers.location, undefined);
	}
});

test('an answer that got lost is given again', async () => {
	const key = makeKey();
	const { body } = await signInWith(key);
	const lost = await refresh(body.refresh_token, key);
	const again = await refresh(body.refresh_token, key);

	assert.equal(lost.status, 200);
	assert.equal(again.body.refresh_token, lost.body.refresh_token);
	assert.equal(await use(again.body.access_token, key), 200);
});

test('a stolen refresh token is useless without the key, and the user stays signed in', async () => {
	const key = makeKey();
	const { body: { refresh_token } } = await signInWith(key);

	for (const thief of [makeKey(), undefined])
		assert.equal((await refresh(refresh_token, thief)).status, 400);
	assert.equal(await familyStatus(refresh_token), true);
	assert.equal((await refresh(refresh_token, key)).status, 200);
});

test('a used token that comes back with the key ends the family, access tokens too', async () => {
	const key = makeKey();
	const { body: first } = await signInWith(key);
	const { body: second } = await refresh(first.refresh_token, key);
	const { body: third } = await refresh(second.refresh_token, key);

	assert.equal(await use(third.access_token, key), 200);
	assert.deepEqual((await refresh(first.refresh_token, key)).body, { error: 'invalid_grant' });
	assert.equal(await familyStatus(third.refresh_token), false);
	assert.equal(await use(third.access_token, key), 401);
});

test('a client that signs out is signed out, whoever asks gets 200', async () => {
	const key = makeKey();
	const { body } = await signInWith(key);
	const revoke = (token, client_id) => post(`${as}/revoke`, { token, client_id });

	assert.equal((await revoke('abc', 'page')).status, 200);
	assert.equal((await revoke(body.refresh_token, 'partner')).status, 200);
	assert.equal(await familyStatus(body.refresh_token), true);
	assert.equal((await revoke(body.refresh_token, 'page')).status, 200);
	assert.equal(await use(body.access_token, key), 401);
});

test('two proofs, a parameter twice, other grants: 400', async () => {
	const headers = { DPoP: [prover(makeKey())(), prover(makeKey())()] };
	const form = { grant_type: 'refresh_token', client_id: 'page', refresh_token: 'x' };

	assert.deepEqual((await post(`${as}/token`, form, { headers })).body,
		{ error: 'invalid_request' });
	assert.deepEqual((await post(`${as}/token`, [...Object.entries(form), ['client_id', 'b']])).body,
		{ error: 'invalid_request' });
	assert.deepEqual((await post(`${as}/token`, { ...form, client_id: '\0' })).body,
		{ error: 'invalid_request' });
	for (const grant_type of ['password', 'constructor', ''])
		assert.deepEqual((await post(`${as}/token`, { ...form, grant_type })).body,
			{ error: 'unsupported_grant_type' });
});

test("oauth4webapi, a client of other people's, goes all the way", async () => {
	const insecure = { [oauth.allowInsecureRequests]: true };
	const issuer = new URL(as);
	const server = await oauth.processDiscoveryResponse(issuer,
		await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...insecure }));
	const client = { client_id: 'page' };
	const keyPair = await oauth.generateKeyPair('ES256');
	const DPoP = oauth.DPoP(client, keyPair);
	const verifier = oauth.generateRandomCodeVerifier();
	const state = oauth.generateRandomState();
	const asked = new URLSearchParams({
		response_type: 'code', client_id: 'page', redirect_uri: redirectUri, scope: 'orders:read',
		code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
		code_challenge_method: 'S256', dpop_jkt: await DPoP.calculateThumbprint(), state,
	});
	const { headers } = await request(`${server.authorization_endpoint}?${asked}`,
		{ method: 'POST' });
	const callback = oauth.validateAuthResponse(server, client, new URL(headers.location[0]), state);

	// It remembers a nonce that came with a refusal, and leaves it to us to repeat.
	async function again(send) {
		try {
			return await send();
		} catch (error) {
			if (!oauth.isDPoPNonceError(error))
				throw error;
			return send();
		}
	}

	const tokens = await again(async () => oauth.processAuthorizationCodeResponse(server, client,
		await oauth.authorizationCodeGrantRequest(server, client, oauth.None(), callback,
			redirectUri, verifier, { DPoP, ...insecure })));
	const refreshed = await again(async () => oauth.processRefreshTokenResponse(server, client,
		await oauth.refreshTokenGrantRequest(server, client, oauth.None(), tokens.refresh_token,
			{ DPoP, ...insecure })));
	const orders = (method) => again(() => oauth.protectedResourceRequest(refreshed.access_token,
		method, new URL(`${rs}/orders`), undefined, undefined, { DPoP, ...insecure }));

	assert.notEqual(refreshed.refresh_token, tokens.refresh_token);
	assert.equal((await orders('GET')).status, 200);
	await assert.rejects(orders('POST'), (error) => {
		const [{ scheme, parameters }] = error.cause;

		assert.equal(error.status, 403);
		assert.equal(scheme, 'dpop');
		assert.equal(parameters.error, 'insufficient_scope');
		assert.equal(parameters.scope, 'orders:write');
		return true;
	});
});
