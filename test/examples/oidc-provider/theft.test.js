// theft.test.js: tokens, codes and proofs in the wrong hands, or a second time.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import test, { after, before } from 'node:test';

import { alive, ask, db, events, family, proofs } from './database.js';
import { startServers } from './servers.js';
import { openid, refused, Session } from './session.js';

let servers;
let lostBefore;

// Of all databases of the server, from its start.
async function revocationsLost() {
	return ask("SELECT value FROM sctoken.stats WHERE counter = 'revocations_lost'");
}

before(async () => {
	lostBefore = await revocationsLost();
	servers = await startServers();
});
after(async () => {
	await servers?.stop();
	await db.end();
});

async function assertLives(session, generation) {
	const row = await family(session.tokens.refresh_token);

	assert.equal(row.revoked_at, null);
	assert.equal(row.generation, generation);
	await session.refresh();
	assert.equal((await session.userinfo()).sub, 'alice');
}

// Neither the family nor anything of its grant is left.
async function assertDead(session, reason) {
	const { refresh_token: token } = session.tokens;
	const row = await family(token);

	assert.notEqual(row.revoked_at, null);
	assert.equal(row.revoke_reason, reason);
	assert.equal(await alive(token), false);
	assert.equal(await refused(session.send(token)), 'invalid_grant');
	assert.equal(await refused(session.userinfo()), 'invalid_token');
	assert.deepEqual(await ask(`SELECT kind FROM oidc_provider.model
		WHERE grant_id = $1 OR kind = 'Grant' AND id = $1`, row.grant_id), []);
}

test('a used token that comes back with the right key: the family is dead', async () => {
	const app = await Session.loggedIn(servers.issuer, 'app');
	const stolen = app.tokens.refresh_token;

	await app.refresh();
	await app.refresh();
	assert.equal(await refused(app.send(stolen)), 'invalid_grant');
	await assertDead(app, 'reuse_detected');
	assert.deepEqual(await events(stolen), { issued: 1, reuse_detected: 1, rotated: 2 });
	assert.deepEqual(await ask(`
		SELECT client_id, subject, generation::integer, distance::integer, revoked,
			context ? 'ip' AS from_where
		FROM sctoken.reuse_incident
		WHERE family_id = sctoken.token_family_id($1)`, stolen),
	[{ client_id: 'app', subject: 'alice', generation: 1, distance: 2, revoked: true,
		from_where: true }]);
});

test('a used token of a client without DPoP that comes back: the family is dead', async () => {
	const web = await Session.loggedIn(servers.issuer, 'web');
	const stolen = web.tokens.refresh_token;

	await web.refresh();
	await web.refresh();
	assert.equal(await refused(web.send(stolen)), 'invalid_grant');
	await assertDead(web, 'reuse_detected');
});

test('reuse on one device leaves the other one logged in', async () => {
	const [phone, laptop] = await Promise.all(
		[1, 2].map(() => Session.loggedIn(servers.issuer, 'app')));
	const stolen = phone.tokens.refresh_token;

	await phone.refresh();
	await phone.refresh();
	await refused(phone.send(stolen));
	await assertDead(phone, 'reuse_detected');
	await assertLives(laptop, 1);
});

test('a stolen token without its key is of no use, and does no harm', async () => {
	const app = await Session.loggedIn(servers.issuer, 'app');
	const thief = await Session.of(servers.issuer, 'app');
	const used = await app.refresh();

	for (const token of [app.tokens.refresh_token, used]) {
		assert.equal(await refused(thief.send(token)), 'invalid_grant');
		assert.equal(await refused(openid.refreshTokenGrant(thief.config, token)),
			'invalid_request');
	}
	assert.deepEqual(await events(used), { issued: 1, refused: 2, rotated: 1 });
	await assertLives(app, 2);
});

test("another client's token is refused, and stays", async () => {
	const app = await Session.loggedIn(servers.issuer, 'app');
	const web = await Session.of(servers.issuer, 'web');
	const { refresh_token: token } = app.tokens;

	assert.equal(await refused(web.send(token)), 'invalid_grant');
	await openid.tokenRevocation(web.config, token);
	await assertLives(app, 1);
});

test('a forged token leaves no trace', async () => {
	const web = await Session.loggedIn(servers.issuer, 'web');
	const { refresh_token: token } = web.tokens;
	const before = await events(token);

	for (const forged of [`${token.slice(0, -1)}!`, token.slice(0, 50), 'sct_', 'a\u0000b'])
		assert.equal(await refused(web.send(forged)), 'invalid_grant');
	assert.deepEqual(await events(token), before);
	await assertLives(web, 1);
});

test('a token request that is sent twice is refused, and takes nothing', async () => {
	const app = await Session.loggedIn(servers.issuer, 'app');

	await app.refresh();
	const { status, body } = await app.repeat();

	assert.equal(status, 400);
	assert.equal(body.error, 'invalid_dpop_proof');
	await assertLives(app, 2);
});

test('a resource request that is sent twice is refused', async () => {
	const app = await Session.loggedIn(servers.issuer, 'app');
	const before = await proofs();

	await app.userinfo();
	const { status, headers, body } = await app.repeat();

	assert.equal(status, 401);
	assert.equal(body.error, 'invalid_dpop_proof');
	assert.match(headers.get('www-authenticate'), /^DPoP .*error="invalid_dpop_proof"/);
	assert.equal((await proofs(before)).length, 1);
});

test('of 20 requests with one proof at once, one is answered', async () => {
	const app = await Session.loggedIn(servers.issuer, 'app');

	// The first one does not arrive, but is seen by the thief.
	app.fetch = async function seen(url, options) {
		this.sent.push({ url, options });
		throw new TypeError('fetch failed');
	};
	await assert.rejects(app.userinfo());
	const answers = await Promise.all(Array.from({ length: 20 }, () => app.repeat()));
	const statuses = answers.map(({ status }) => status);

	// 503: the first one's transaction did not end for too long.
	assert.equal(statuses.filter((status) => status === 200).length, 1);
	assert.ok(statuses.every((status) => [200, 401, 503].includes(status)), `${statuses}`);
});

test('a proof that came with one code does not pass with another', async () => {
	const app = await Session.loggedIn(servers.issuer, 'app');
	const { options: { headers } } = app.sent.find(({ options }) =>
		new URLSearchParams(options.body).get('grant_type') === 'authorization_code');
	const again = await app.authorize('alice');

	app.fetch = (url, options) => {
		options.headers.dpop = headers.dpop ?? headers.get('dpop');
		return fetch(url, options);
	};
	assert.equal(await refused(app.redeem(again)), 'invalid_dpop_proof');
});

test('a code that comes twice: what it gave is dead', async () => {
	const app = await Session.of(servers.issuer, 'app');
	const authorized = await app.authorize('alice');

	app.tokens = await app.redeem(authorized);
	await app.refresh();
	assert.equal(await refused(app.redeem(authorized)), 'invalid_grant');
	await assertDead(app, 'code_reuse');
});

test('of 10 requests with one code at once, one gets a token at most', async () => {
	const app = await Session.of(servers.issuer, 'app');
	const authorized = await app.authorize('alice');
	const answers = await Promise.allSettled(Array.from({ length: 10 }, () =>
		app.redeem(authorized)));
	const granted = answers.filter(({ status }) => status === 'fulfilled');

	assert.ok(granted.length <= 1, `${granted.length} were granted`);
});

test('logout with any token of the family, used ones too', async () => {
	const app = await Session.loggedIn(servers.issuer, 'app');
	const used = await app.refresh();

	await app.refresh();
	await openid.tokenRevocation(app.config, used);
	await assertDead(app, 'logout');
	await openid.tokenRevocation(app.config, used);
});

test('introspection: the live token, and no other', async () => {
	const app = await Session.loggedIn(servers.issuer, 'app');
	const used = await app.refresh();
	const live = await openid.tokenIntrospection(app.config, app.tokens.refresh_token);

	assert.deepEqual([live.active, live.sub, live.client_id, live.cnf],
		[true, 'alice', 'app', { jkt: app.jkt }]);
	assert.deepEqual(await openid.tokenIntrospection(app.config, used), { active: false });
	await assertLives(app, 2);
});

test('no verdict was lost in a rollback', async () => {
	assert.equal(lostBefore.length, 1);
	assert.deepEqual(await revocationsLost(), lostBefore);
});

test('where a nonce is demanded, a proof without one takes nothing', async () => {
	const strict = await startServers({ DPOP_NONCE: 'required' });

	try {
		const app = await Session.loggedIn(strict.issuer, 'app');
		const { refresh_token: token } = app.tokens;
		const before = await proofs();

		// A client that has been closed and knows no nonce any more; openid-client
		// sends its request again with the one that it is given (RFC 9449 8).
		app.dpop = { DPoP: openid.getDPoPHandle(app.config, app.pair) };
		app.sent = [];
		await app.refresh();
		const [first, second] = await Promise.all(app.sent.map(async ({ response }) => ({
			status: response.status,
			nonce: response.headers.get('dpop-nonce'),
			error: (await response.json()).error,
		})));

		assert.deepEqual([app.sent.length, first.status, first.error, second.status],
			[2, 400, 'use_dpop_nonce', 200]);
		assert.ok(first.nonce);
		assert.equal((await proofs(before)).length, 1);
		assert.deepEqual(await events(token), { issued: 1, rotated: 1 });
	} finally {
		await strict.stop();
	}
});

test("a client's assertion passes once, also beside a proof with its jti", async () => {
	const clientId = 'signer';
	const secret = 'a-secret-of-a-client-that-signs-with-it';

	writeFileSync('signer.json', JSON.stringify([...JSON.parse(readFileSync('clients.json')), {
		client_id: clientId,
		client_secret: secret,
		token_endpoint_auth_method: 'client_secret_jwt',
		redirect_uris: ['https://signer.example.com/callback'],
	}]));
	const signing = await startServers({ CLIENTS: 'signer.json' });

	try {
		const sent = [];
		const config = await openid.discovery(new URL(signing.issuer), clientId, undefined,
			openid.ClientSecretJwt(secret), {
				execute: [openid.allowInsecureRequests],
				[openid.customFetch]: (url, options) => {
					sent.push({ url, options });
					return fetch(url, options);
				},
			});

		assert.deepEqual(await openid.tokenIntrospection(config, 'any'), { active: false });
		const { url, options } = sent.at(-1);
		const [, claims] = new URLSearchParams(options.body).get('client_assertion').split('.');
		const headers = Object.fromEntries(new Headers(options.headers));

		for (const stolen of [headers, { ...headers, dpop: `e30.${claims}.e30` }]) {
			const response = await fetch(url, { ...options, headers: stolen });

			assert.deepEqual([response.status, (await response.json()).error],
				[401, 'invalid_client']);
		}
		assert.deepEqual(await openid.tokenIntrospection(config, 'any'), { active: false });
	} finally {
		await signing.stop();
	}
});
