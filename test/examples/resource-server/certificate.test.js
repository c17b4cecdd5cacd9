// certificate.test.js: tokens that are bound to a client certificate (RFC 8705), which
// comes from the TLS connection or from the header of a proxy.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { after, test } from 'node:test';

import { algs, makeCertificate, makeKey, post, prove, request, signIn }
	from './client.js';
import { start } from './servers.js';

const dir = mkdtempSync(`${tmpdir()}/certificates-`);
const [server, client, thief] = ['localhost', 'client', 'thief']
	.map((name) => makeCertificate(dir, name));
const origin = 'https://page.example.com';
const redirectUri = 'https://partner.example/callback';
const clients = { partner: redirectUri };
const invalid = 'error="invalid_token", error_description="The access token is expired, ' +
	'revoked or not bound to this client"';

after(() => rmSync(dir, { recursive: true }));

// As nginx writes it: $ssl_client_escaped_cert.
function forwarded({ cert }) {
	return { 'SSL-Client-Cert': encodeURIComponent(cert) };
}

function bearer(token) {
	return { Authorization: `Bearer ${token}` };
}

// Where TLS ends: the same client with this certificate or none, in either way.
const places = [
	{
		name: 'TLS ends at the server',
		options: { tls: server, certificates: 'tls' },
		present: (certificate) => certificate ?? {},
		headers: () => ({}),
	},
	{
		name: 'TLS ends at a proxy',
		options: { certificates: { header: 'ssl-client-cert', format: 'nginx' } },
		present: () => ({}),
		headers: (certificate) => certificate ? forwarded(certificate) : {},
	},
];

for (const { name, options, present, headers } of places) {
	test(`${name}: a token is good on connections with its certificate alone`, async (t) => {
		const { as, rs } = await start(t, { clients, origin, ...options });
		const asked = (certificate) => ({
			clientId: 'partner', redirectUri, scope: 'orders:read',
			tls: { ...present(certificate), headers: headers(certificate) },
		});
		const ask = (certificate) => signIn(as, asked(certificate));
		const { body } = await ask(client);
		const call = (token, certificate) => request(`${rs}/orders`, {
			...present(certificate), headers: { ...bearer(token), ...headers(certificate) },
		});

		assert.equal(body.token_type, 'Bearer');
		assert.equal((await call(body.access_token, client)).status, 200);
		for (const certificate of [thief, undefined]) {
			const { status, headers: { 'www-authenticate': challenges } } =
				await call(body.access_token, certificate);

			assert.equal(status, 401);
			assert.deepEqual(challenges,
				[`Bearer realm="${rs}", ${invalid}`, `DPoP algs="${algs}"`]);
		}

		// Without a certificate the partner gets nothing, and a public client's refresh
		// token is bound as its access token is.
		assert.deepEqual((await ask(undefined)).body, { error: 'invalid_request' });
		const refresh = (certificate) => post(`${as}/token`, {
			grant_type: 'refresh_token', client_id: 'partner', refresh_token: body.refresh_token,
		}, { ...present(certificate), headers: headers(certificate) });

		assert.deepEqual((await refresh(thief)).body, { error: 'invalid_grant' });
		assert.equal((await refresh(client)).status, 200);
	});

	test(`${name}: both schemes are offered, each to its own tokens`, async (t) => {
		const { as, rs } = await start(t, { clients, origin, ...options });
		const { body: { access_token: token } } = await signIn(as, {
			clientId: 'partner', redirectUri, scope: 'orders:read',
			tls: { ...present(client), headers: headers(client) },
		});
		const key = makeKey();
		const send = (Authorization) => request(`${rs}/orders`, {
			...present(client),
			headers: {
				...Authorization && { Authorization }, ...headers(client),
				DPoP: prove(key, 'GET', `${rs}/orders`, { token }),
			},
		});

		assert.deepEqual((await send()).headers['www-authenticate'],
			[`DPoP algs="${algs}"`, `Bearer realm="${rs}"`]);
		assert.deepEqual((await send(`DPoP ${token}`)).headers['www-authenticate'],
			[`DPoP ${invalid}, algs="${algs}"`, `Bearer realm="${rs}"`]);
		assert.deepEqual((await send('Bearer a b')).headers['www-authenticate'],
			[`Bearer realm="${rs}", error="invalid_request", ` +
				'error_description="Malformed Authorization header"', `DPoP algs="${algs}"`]);
	});

	test(`${name}: a token that is bound to a key as well needs both`, async (t) => {
		const { as, rs } = await start(t,
			{ clients: { page: redirectUri }, origin, ...options });
		const key = makeKey();
		const { body } = await signIn(as, {
			clientId: 'page', redirectUri, scope: 'orders:read', dpopJkt: key.jkt,
			proof: (nonce) => prove(key, 'POST', `${as}/token`, { nonce }),
			tls: { ...present(client), headers: headers(client) },
		});
		const token = body.access_token;
		const call = async (certificate) => {
			const send = (nonce) => request(`${rs}/orders`, {
				...present(certificate),
				headers: {
					Authorization: `DPoP ${token}`, ...headers(certificate),
					DPoP: prove(key, 'GET', `${rs}/orders`, { token, nonce }),
				},
			});

			return (await send((await send()).headers['dpop-nonce'][0])).status;
		};

		assert.equal(body.token_type, 'DPoP');
		assert.equal(await call(client), 200);
		assert.equal(await call(thief), 401);
		assert.equal(await call(undefined), 401);
		const { status } = await request(`${rs}/orders`,
			{ ...present(client), headers: { ...bearer(token), ...headers(client) } });

		assert.equal(status, 401);
	});
}

test('a header is read only where a proxy writes it', async (t) => {
	const { as, rs } = await start(t, { clients, origin, tls: server, certificates: 'tls' });
	const { body } = await signIn(as,
		{ clientId: 'partner', redirectUri, scope: 'orders:read', tls: client });
	const answer = await request(`${rs}/orders`,
		{ headers: { ...bearer(body.access_token), ...forwarded(client) } });

	assert.equal(answer.status, 401);
});

test('a malformed header, or two of them: 400', async (t) => {
	const { as, rs } = await start(t, {
		clients, origin, certificates: { header: 'ssl-client-cert', format: 'nginx' },
	});
	const good = forwarded(client)['SSL-Client-Cert'];
	const { body } = await signIn(as, {
		clientId: 'partner', redirectUri, scope: 'orders:read', tls: { headers: forwarded(client) },
	});

	for (const value of ['abc', good.slice(0, -9), `${good},${good}`, [good, good]]) {
		const headers = { 'SSL-Client-Cert': value };
		const answer = await request(`${rs}/orders`,
			{ headers: { ...bearer(body.access_token), ...headers } });

		assert.equal(answer.status, 400);
		assert.deepEqual(answer.headers['www-authenticate'], [`Bearer realm="${rs}", ` +
			'error="invalid_request", error_description="Malformed certificate or request URI"',
			`DPoP algs="${algs}"`]);
		assert.equal((await post(`${as}/token`, {
			grant_type: 'refresh_token', client_id: 'partner', refresh_token: body.refresh_token,
		}, { headers })).status, 400);
	}
});
