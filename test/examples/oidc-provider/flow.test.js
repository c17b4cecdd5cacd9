// flow.test.js: users log in, and their clients refresh: in a row, in many tabs at
// once, after an answer was lost.
//
// REFRESHES: how many in a row (200).

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import test, { after, before } from 'node:test';

import { Browser } from './browser.js';
import { ask, db, events, family } from './database.js';
import { startServers } from './servers.js';
import { oauth, openid, refused, Session } from './session.js';

const refreshes = Number(process.env.REFRESHES ?? 200);
let servers;

before(async () => { servers = await startServers(); });
after(async () => {
	await servers?.stop();
	await db.end();
});

test('a login with PKCE and DPoP gives a refresh token of ours, bound to the key', async () => {
	const app = await Session.loggedIn(servers.issuer, 'app');
	const { refresh_token: token, token_type: type } = app.tokens;
	const row = await family(token);

	assert.match(token, /^sct_[A-Za-z0-9_-]{96}[0-9A-Za-z]{6}$/);
	assert.equal(type, 'dpop');
	assert.equal((await app.userinfo()).sub, 'alice');
	assert.deepEqual(
		[row.client_id, row.subject, row.scope, row.binding, row.generation, row.revoked_at],
		['app', 'alice', 'openid offline_access', { jkt: app.jkt }, 1, null]);
	assert.deepEqual(await ask(
		"SELECT kind FROM oidc_provider.model WHERE kind = 'Grant' AND id = $1",
		row.grant_id), [{ kind: 'Grant' }]);
});

test('a client that authenticates without DPoP gets one that is not bound', async () => {
	const web = await Session.loggedIn(servers.issuer, 'web');

	assert.equal(web.tokens.token_type, 'bearer');
	assert.equal((await family(web.tokens.refresh_token)).binding, null);
	await web.refresh();
	assert.equal((await web.userinfo()).sub, 'alice');
});

test(`${refreshes} refreshes in a row`, async () => {
	const app = await Session.loggedIn(servers.issuer, 'app');
	const as = app.config.serverMetadata();
	const client = { client_id: 'app' };
	const DPoP = oauth.DPoP(client, app.pair);
	const seen = new Set([app.tokens.refresh_token]);
	let token = app.tokens.refresh_token;
	let answer;

	for (let i = 0; i < refreshes; i++) {
		answer = await oauth.processRefreshTokenResponse(as, client,
			await oauth.refreshTokenGrantRequest(as, client, oauth.None(), token,
				{ DPoP, [oauth.allowInsecureRequests]: true }));
		token = answer.refresh_token;
		seen.add(token);
	}
	app.tokens = answer;
	assert.equal(seen.size, refreshes + 1);
	assert.equal((await family(token)).generation, refreshes + 1);
	assert.deepEqual(await events(token), { issued: 1, rotated: refreshes });
	assert.equal((await app.userinfo()).sub, 'alice');
});

test('20 tabs send one token: the family goes one step, and all get the same successor', async () => {
	const app = await Session.loggedIn(servers.issuer, 'app');
	const token = await app.refresh();
	const spent = app.tokens.refresh_token;
	const answers = await Promise.all(Array.from({ length: 20 },
		() => app.sendPatiently(spent)));
	const successors = new Set(answers.map((answer) => answer.refresh_token));
	const accessTokens = new Set(answers.map((answer) => answer.access_token));

	assert.equal(successors.size, 1);
	assert.equal(accessTokens.size, 20);
	assert.equal((await family(token)).generation, 3);
	assert.deepEqual(await events(token), { issued: 1, replayed: 19, rotated: 2 });

	[app.tokens] = answers;
	await app.refresh();
	assert.equal((await app.userinfo()).sub, 'alice');
});

test('where 5 retries are allowed, 20 at once are 1 rotation, 5 retries and reuse', async () => {
	const web = await Session.loggedIn(servers.issuer, 'web');
	const { refresh_token: token } = web.tokens;
	const answers = await Promise.allSettled(Array.from({ length: 20 },
		() => web.sendPatiently(token)));
	const granted = answers.filter(({ status }) => status === 'fulfilled')
		.map(({ value }) => value.refresh_token);
	const errors = answers.filter(({ status }) => status === 'rejected')
		.map(({ reason }) => reason.error ?? reason);

	// A retry that was answered may find its grant gone already, and be refused.
	assert.ok(granted.length <= 6);
	assert.ok(new Set(granted).size <= 1);
	assert.deepEqual(new Set(errors), new Set(['invalid_grant']));
	assert.deepEqual(await events(token),
		{ issued: 1, reuse_detected: 1, replayed: 5, rotated: 1 });
	assert.equal(await refused(web.send(granted[0] ?? token)), 'invalid_grant');
});

test('a lost response: the client sends the same token again, and the user stays logged in', async () => {
	const app = await Session.loggedIn(servers.issuer, 'app');
	const before = await app.refresh();
	const token = app.tokens.refresh_token;
	let lost;

	app.fetch = async (url, options) => {
		lost = await (await fetch(url, options)).json();
		throw new TypeError('fetch failed');
	};
	await assert.rejects(app.send(token));
	delete app.fetch;

	await app.refresh();
	assert.equal(app.tokens.refresh_token, lost.refresh_token);
	assert.notEqual(app.tokens.access_token, lost.access_token);
	await app.refresh();
	assert.equal((await app.userinfo()).sub, 'alice');
	assert.deepEqual(await events(before), { issued: 1, replayed: 1, rotated: 3 });
});

test('the connections to the database break: the client repeats, the user stays logged in', async () => {
	const app = await Session.loggedIn(servers.issuer, 'app');

	for (let i = 0; i < 5; i++) {
		const terminated = ask(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
			WHERE usename = 'oidc_provider' AND datname = current_database()`);

		// A client's patience: until a server has a connection again.
		for (let attempt = 0; ; attempt++) {
			try {
				await app.refresh();
				break;
			} catch (error) {
				assert.deepEqual([error.cause?.status, error.cause?.headers.get('retry-after')],
					[503, '1']);
				assert.ok(attempt < 20, 'the servers come back');
			}
		}
		await terminated;
	}
	const { generation, revoked_at: revokedAt } = await family(app.tokens.refresh_token);

	assert.equal(generation, 6);
	assert.equal(revokedAt, null);
	assert.equal((await app.userinfo()).sub, 'alice');
});

test('less scope for one access token, and all of it for the next', async () => {
	const app = await Session.loggedIn(servers.issuer, 'app');

	await app.refresh({ scope: 'openid' });
	assert.equal(app.tokens.scope, 'openid');
	await app.refresh();
	assert.equal(app.tokens.scope, 'openid offline_access');
	assert.equal(await refused(app.send(app.tokens.refresh_token, { scope: 'openid email' })),
		'invalid_scope');
	assert.equal((await family(app.tokens.refresh_token)).generation, 3);
});

test('a family that is held by another transaction: 503, and nothing has changed', async () => {
	const web = await Session.loggedIn(servers.issuer, 'web');
	const { refresh_token: token } = web.tokens;
	const other = await db.connect();

	try {
		await other.query('BEGIN');
		await other.query("SELECT FROM sctoken.rotate($1, 'web')", [token]);
		await assert.rejects(web.send(token));
		const { response } = web.sent.at(-1);

		assert.deepEqual(
			[response.status, response.headers.get('retry-after'), (await response.json()).error],
			[503, '1', 'temporarily_unavailable']);
	} finally {
		await other.query('ROLLBACK');
		other.release();
	}

	await web.refresh();
	assert.deepEqual(await events(token), { issued: 1, rotated: 1 });
});

test('client.js, which the README shows, tells the life of a login', async () => {
	const told = await new Promise((resolve, reject) => {
		const client = execFile(process.execPath, ['client.js', servers.issuer],
			(error, stdout) => (error ? reject(error) : resolve(stdout)));

		client.stdout.on('data', async (text) => {
			const [url] = text.match(/^http.*$/m) ?? [];

			if (!url)
				return;
			const redirectUri = new URL(url).searchParams.get('redirect_uri');

			await fetch(await new Browser().authorize(url, redirectUri, 'alice'));
		});
	});
	const tokens = told.match(/sct_\S+/g);

	assert.equal(tokens.length, 4);
	assert.equal(tokens[1], tokens[2]);
	assert.match(told, /the thief +invalid_grant\nthe client +invalid_grant\n$/);
});

test('no refresh token is kept outside of sctoken, and none in the log', async () => {
	assert.deepEqual(await ask(
		"SELECT kind, id FROM oidc_provider.model WHERE payload::text || id LIKE '%sct\\_%'"), []);
	assert.doesNotMatch(servers.log(), /sct_/);
});

test('each instance has answered its share', () => {
	const [least, most] = [Math.min(...servers.answered), Math.max(...servers.answered)];

	assert.ok(least > 0 && most - least <= 1, servers.answered.join(' '));
});
