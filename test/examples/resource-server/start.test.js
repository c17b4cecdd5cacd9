// start.test.js: what the README tells to do, works: npm start, and a client with a
// certificate.

import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { test } from 'node:test';
import { promisify } from 'node:util';

import { algs, makeCertificate, request } from './client.js';
import { listen } from './servers.js';

const run = promisify(execFile);

// Ports that were free a moment ago.
async function freeUrls(protocol, names) {
	const ends = [];
	const urls = {};

	for (const name of names) {
		const { url } = await listen({ after: (end) => ends.push(end) });

		urls[name] = `${protocol}://localhost:${new URL(url).port}`;
	}
	ends.forEach((end) => end());
	return urls;
}

// Starts it as npm start does, and waits until it says that it is there.
async function start(t, environment) {
	const child = spawn(process.execPath, ['example/start.js'],
		{ env: { ...process.env, ...environment }, stdio: ['ignore', 'pipe', 'inherit'] });

	t.after(() => child.kill());
	child.stdout.setEncoding('utf8');
	const [said] = await Promise.race([once(child.stdout, 'data'), once(child, 'exit')]);

	assert.equal(said, `Open ${environment.PAGE_URL}\n`);
}

test('npm start serves the page, the login and the API', async (t) => {
	const urls = await freeUrls('http', ['PAGE_URL', 'AS_URL', 'API_URL']);

	await start(t, urls);
	const page = await request(`${urls.PAGE_URL}/`);

	assert.match(page.text, /<h1>Orders<\/h1>/);
	assert.match(page.headers['content-security-policy'][0], /^default-src 'none'; script-src 'self';/);
	assert.deepEqual((await request(`${urls.PAGE_URL}/configuration.json`)).body,
		{ authorizationServer: urls.AS_URL, api: urls.API_URL, clientId: 'page' });
	assert.equal((await request(`${urls.PAGE_URL}/../start.js`)).status, 404);
	const { body } = await request(`${urls.AS_URL}/.well-known/oauth-authorization-server`);

	assert.equal(body.issuer, urls.AS_URL);
	assert.deepEqual(body.dpop_signing_alg_values_supported, algs.split(' '));
	assert.equal(body.tls_client_certificate_bound_access_tokens, false);
	assert.equal((await request(`${urls.API_URL}/orders`)).status, 401);
});

test('a partner is served with its certificate, and refused without', async (t) => {
	const dir = mkdtempSync(`${tmpdir()}/start-`);
	const file = (name) => `${dir}/${name}`;
	const urls = await freeUrls('https', ['AS_URL', 'API_URL']);
	const page = await freeUrls('http', ['PAGE_URL']);

	t.after(() => rmSync(dir, { recursive: true }));
	makeCertificate(dir, 'localhost');
	makeCertificate(dir, 'client');
	await start(t, {
		...page, ...urls, TLS_KEY: file('localhost.key'), TLS_CERTIFICATE: file('localhost.pem'),
		NODE_EXTRA_CA_CERTS: file('localhost.pem'),
	});
	const { stdout } = await run(process.execPath, ['example/partner.js'], {
		env: {
			...process.env, ...urls, CLIENT_KEY: file('client.key'),
			CLIENT_CERTIFICATE: file('client.pem'), SERVER_CERTIFICATE: file('localhost.pem'),
		},
	});

	assert.match(stdout, /^with the certificate: 200 \[.*\]\nwithout the certificate: 401 /);
	assert.match(stdout, /^WWW-Authenticate: Bearer realm="[^"]*", error="invalid_token", /m);
});
