// page.test.js: the page of the example in Chromium: its key stays where it is, and
// the user stays signed in.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { after, before, test } from 'node:test';

import { openPage, startChromium } from './chromium.js';
import { makeKey, postWithNonce, prove, request } from './client.js';
import { listen, start } from './servers.js';

const { default: pg } = await import('pg');
const { page: pageHandler } = await import('./example/page.js');

const program = process.env.CHROMIUM;
const superuser = new pg.Pool();
const ends = [];
let as, rs, login, origin, chromium, page;

// What the page sent and got, in order: { method, path, status, error, token, proof }.
let seen = [];

// Chromium tells the parts of an exchange one by one.
function watcher() {
	const exchanges = new Map();

	return ({ method: event, params }) => {
		if (event === 'Network.requestWillBeSent') {
			const { method, url, headers } = params.request;
			const exchange = {
				method, path: new URL(url).pathname, token: headers.Authorization?.slice(5),
				proof: headers.DPoP,
			};

			exchanges.set(params.requestId, exchange);
			// Preflights are Chromium's own.
			if (headers.DPoP)
				seen.push(exchange);
		} else if (event === 'Network.responseReceived' && exchanges.has(params.requestId)) {
			const { status, headers } = params.response;
			const challenge = Object.entries(headers)
				.find(([name]) => name.toLowerCase() === 'www-authenticate')?.[1] ?? '';

			Object.assign(exchanges.get(params.requestId),
				{ status, error: /error="(\w+)"/.exec(challenge)?.[1] });
		}
	};
}

// The exchanges since the last time.
function exchanges() {
	const list = seen.map(({ method, path, status, error }) =>
		[method, path, status, ...error ? [error] : []].join(' '));

	seen = [];
	return list;
}

function status(text) {
	return page.until(`document.getElementById('status')?.textContent === '${text}'`);
}

// Clicks, and waits for what the page makes of it.
async function click(id, text = 'Signed in') {
	await page.evaluate(`document.getElementById('${id}').click()`);
	await status(text);
}

// What IndexedDB keeps under a name, as an expression of the page.
function stored(name) {
	return `new Promise((resolve, reject) => {
		const opening = indexedDB.open('dpop');

		opening.onerror = () => reject(opening.error);
		opening.onsuccess = () => {
			const got = opening.result.transaction('store').objectStore('store').get('${name}');

			got.onerror = () => reject(got.error);
			got.onsuccess = () => { opening.result.close(); resolve(got.result); };
		};
	})`;
}

// While something is done, lets a command of the Fetch domain change what goes to a URL
// or comes from it; what change gives none for goes on.
async function intercept(urlPattern, requestStage, change, action) {
	const listener = ({ sessionId, method, params }) => {
		if (method !== 'Fetch.requestPaused')
			return;
		const [command, more] = change(params) || ['Fetch.continueRequest'];

		chromium.send(command, { requestId: params.requestId, ...more }, sessionId)
			.catch((error) => console.error(error.message));
	};

	chromium.listeners.add(listener);
	await page.call('Fetch.enable', { patterns: [{ urlPattern, requestStage }] });
	await action();
	await page.call('Fetch.disable');
	chromium.listeners.delete(listener);
}

function text(id) {
	return page.evaluate(`document.getElementById('${id}').innerText`);
}

before(async () => {
	const t = { after: (end) => ends.push(end) };
	const server = await listen(t);

	origin = server.url;
	({ as, rs, login } = await start(t, { clients: { page: `${origin}/` }, origin }));
	server.server.on('request',
		pageHandler({ authorizationServer: as, api: rs, clientId: 'page' }));
	chromium = await startChromium(t, program);
	page = await openPage(chromium, origin, watcher());
});
after(async () => {
	// Chromium first: it holds connections.
	for (const end of ends.reverse())
		await end();
	await superuser.end();
});

test('the page signs in, and calls the API: each server asks for its nonce once',
	async () => {
		await status('Signed out');
		await page.evaluate("document.getElementById('sign-in').click()");
		await page.until("document.title === 'Sign in'");
		await page.evaluate("document.querySelector('button').click()");
		await status('Signed in');
		assert.equal(await page.evaluate('location.href'), `${origin}/`);
		assert.deepEqual(exchanges(), ['POST /token 400', 'POST /token 200',
			'GET /orders 401 use_dpop_nonce', 'GET /orders 200']);
		await click('place');
		assert.match(await text('orders'), /^Order \d+$/);
		assert.deepEqual(exchanges(), ['POST /orders 200', 'GET /orders 200']);
	});

test('the page shows what it did', async () => {
	const { data } = await page.call('Page.captureScreenshot', { format: 'png' });

	assert.match(await text('requests'), /^POST \/token 400 use_dpop_nonce$/m);
	assert.match(await text('requests'), /^GET \/orders 401 use_dpop_nonce$/m);
	assert.equal(await page.evaluate("getComputedStyle(document.body).maxWidth"), '720px');
	// The buttons that a user sees.
	assert.deepEqual(await page.evaluate(
		"[...document.querySelectorAll('button')].filter((b) => b.checkVisibility()).map((b) => b.id)"),
	['place', 'refresh', 'sign-out']);
	if (process.env.SCREENSHOT)
		writeFileSync(process.env.SCREENSHOT, data, 'base64');
});

test('the key cannot be exported, by nobody and in no form', async () => {
	for (const format of ['jwk', 'pkcs8', 'raw'])
		assert.match(await page.evaluate(`${stored('key')}
			.then(({ privateKey }) => crypto.subtle.exportKey('${format}', privateKey))
			.then(() => 'exported', (error) => error.name)`),
		/^(InvalidAccessError|NotSupportedError)$/);
	assert.deepEqual(await page.evaluate(`${stored('key')}.then(({ privateKey }) =>
		[privateKey.extractable, privateKey.type, JSON.stringify(privateKey)])`),
	[false, 'private', '{}']);
	assert.equal(await page.evaluate(`${stored('key')}
		.then(({ privateKey }) => crypto.subtle.wrapKey('jwk', privateKey, privateKey, 'AES-KW'))
		.then(() => 'wrapped', (error) => error.name)`), 'InvalidAccessError');
});

test('tokens and proofs that are stolen from the page are useless without its key',
	async () => {
		const thief = makeKey();
		const url = `${rs}/orders`;

		await click('refresh');
		const { token, proof } = seen.at(-1);
		const refresh_token = await page.evaluate(stored('refresh_token'));
		const call = (headers) => request(url, { headers });
		const error = ({ headers }) => /error="(\w+)"/.exec(headers['www-authenticate'][0])?.[1];

		assert.equal(seen.at(-1).status, 200);
		assert.match(refresh_token, /^sct_/);
		for (const [what, headers, expected] of [
			['as a bearer token', { Authorization: `Bearer ${token}` }, undefined],
			['without a proof', { Authorization: `DPoP ${token}` }, 'invalid_dpop_proof'],
			['with the proof of the page', { Authorization: `DPoP ${token}`, DPoP: proof },
				'invalid_dpop_proof'],
			['with a key of his own', {
				Authorization: `DPoP ${token}`, DPoP: prove(thief, 'GET', url, { token }),
			}, 'invalid_token'],
		]) {
			const answer = await call(headers);

			assert.equal(answer.status, 401, what);
			assert.equal(error(answer), expected, what);
		}
		for (const prover of [undefined, (nonce) => prove(thief, 'POST', `${as}/token`, { nonce })]) {
			const { status } = await postWithNonce(`${as}/token`,
				{ grant_type: 'refresh_token', client_id: 'page', refresh_token }, { proof: prover });

			assert.equal(status, 400);
		}

		// It was no reuse either: the user goes on.
		exchanges();
		await click('place');
		assert.ok(exchanges().includes('POST /orders 200'));
	});

test('the page is loaded again: the same key, still signed in, nobody asked', async () => {
	const thumbprint = await text('thumbprint');

	assert.match(thumbprint, /^[\w-]{43}$/);
	exchanges();
	await page.evaluate("document.body.dataset.old = ''");
	await page.call('Page.reload');
	await page.until("document.readyState === 'complete' && document.body.dataset.old === undefined");
	await status('Signed in');
	assert.equal(await text('thumbprint'), thumbprint);
	assert.deepEqual(exchanges(), ['POST /token 400', 'POST /token 200',
		'GET /orders 401 use_dpop_nonce', 'GET /orders 200']);
});

test('an access token that the API does not take any more is refreshed', async () => {
	let spoilt = 0;

	await intercept(`${rs}/orders`, 'Request', ({ request: { method, headers } }) =>
		method === 'POST' && spoilt++ === 0 && ['Fetch.continueRequest', {
			headers: Object.entries({ ...headers, Authorization: 'DPoP expired' })
				.map(([name, value]) => ({ name, value })),
		}], () => click('place'));
	assert.equal(spoilt, 2);
	assert.deepEqual(exchanges(), ['POST /orders 401 invalid_token', 'POST /token 200',
		'POST /orders 200', 'GET /orders 200']);
});

test('the answer of a refresh is lost, and the user stays signed in', async () => {
	const before = await page.evaluate(stored('refresh_token'));
	let lost = 0;

	// The server has answered, so it has committed; the page gets a broken connection.
	await intercept(`${as}/token`, 'Response', ({ responseStatusCode }) =>
		responseStatusCode === 200 && lost++ === 0 &&
			['Fetch.failRequest', { errorReason: 'ConnectionReset' }], () => click('refresh'));

	const { rows } = await superuser.query(`
		SELECT kind FROM sctoken.event WHERE family_id = sctoken.token_family_id($1)
		ORDER BY at DESC LIMIT 2`, [before]);

	assert.ok(lost >= 2);
	assert.deepEqual(rows, [{ kind: 'replayed' }, { kind: 'rotated' }]);
	assert.notEqual(await page.evaluate(stored('refresh_token')), before);
});

test('tabs that refresh at one time stay signed in', async () => {
	const tabs = await Promise.all([1, 2, 3].map(() => openPage(chromium, origin)));
	const signedIn = "document.getElementById('status')?.textContent === 'Signed in'";

	for (const tab of tabs)
		await tab.until(signedIn);
	await Promise.all(tabs.map((tab) =>
		tab.evaluate("for (let i = 0; i < 5; i++) { const b = document.getElementById('refresh'); " +
			'b.disabled = false; b.click(); }')));
	for (const tab of tabs)
		await tab.until(signedIn);
	exchanges();
	await click('refresh');
	assert.equal(exchanges().at(-1), 'GET /orders 200');
});

test('signed out is signed out, at the API at once', async () => {
	await click('refresh');
	const { token } = seen.at(-1);
	const refresh_token = await page.evaluate(stored('refresh_token'));

	await click('sign-out', 'Signed out');
	assert.equal(await page.evaluate(stored('refresh_token')), undefined);
	const { rows } = await login.query(
		'SELECT sctoken.family_active(sctoken.token_family_id($1)) AS active', [refresh_token]);

	assert.equal(rows[0].active, false);
	assert.ok(token);
	assert.equal(await text('orders'), '');
});

test('a page of another origin learns nothing', async () => {
	const other = await listen({ after: (end) => ends.push(end) });

	other.server.on('request', (_, response) =>
		response.setHeader('Content-Type', 'text/html').end('<p>another page'));
	const stranger = await openPage(chromium, other.url);

	await stranger.until("document.readyState === 'complete' && location.protocol === 'http:'");
	assert.deepEqual(await stranger.evaluate('indexedDB.databases()'), []);
	for (const url of [`${rs}/orders`, `${as}/token`])
		assert.equal(await stranger.evaluate(`fetch('${url}', { headers: { DPoP: 'x' } })
			.then(() => 'read', (error) => error.name)`), 'TypeError');
});
