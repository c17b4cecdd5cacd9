// challenge.test.js: the resource server, by RFC 6750 3 and RFC 9449 7 to 9.  Access
// tokens are made here, so that they can be wrong; carol's, since other tests run at
// the same time.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, test } from 'node:test';

import { algs, makeKey, now, prove, request, sign } from './client.js';
import { listen } from './servers.js';

const { createLocalJWKSet, createRemoteJWKSet } = await import('jose');
const { default: pg } = await import('pg');
const { connect } = await import('./example/database.js');
const { resourceServer } = await import('./example/resource-server.js');

const origin = 'https://page.example.com';
const issuer = 'https://as.example.com';
const issuerKey = makeKey();
const key = makeKey();
const description = {
	invalid_dpop_proof: 'The DPoP proof is not one for this request',
	invalid_token: 'The access token is expired, revoked or not bound to this client',
	use_dpop_nonce: 'Resource server requires nonce in DPoP proof',
};
const login = connect('shop_login');
const api = connect('shop_api');
let url, orders, nonce, familyId;

async function start(t, options) {
	const { server, url } = await listen(t);

	server.on('request', resourceServer({
		pool: api, url, origin, issuer,
		keys: createLocalJWKSet({ keys: [{ ...issuerKey.jwk, alg: 'ES256' }] }), ...options,
	}));
	return url;
}

// The only row of a query of the authorization server.
async function row(text, values) {
	const { rows } = await login.query(text, values);

	assert.equal(rows.length, 1);
	return rows[0];
}

async function issue() {
	const { family_id } = await row("SELECT * FROM sctoken.issue('page', 'carol', cnf => $1)",
		[{ jkt: key.jkt }]);

	return family_id;
}

// An access token, but for what is said of its header and claims.
function accessToken(claims = {}, header = {}, by = issuerKey) {
	return sign({ typ: 'at+jwt', ...header }, {
		iss: issuer, aud: url, sub: 'carol', client_id: 'page', family_id: familyId,
		scope: 'orders:read orders:write', cnf: { jkt: key.jkt }, exp: now() + 60, ...claims,
	}, by);
}

// A request with this token and a proof for it, but for what is said of its claims.
function call({ token = accessToken(), by = key, method = 'GET', target = orders, ...claims } = {}) {
	return request(target, {
		method,
		headers: {
			Authorization: `DPoP ${token}`, DPoP: prove(by, method, orders, { token, nonce, ...claims }),
		},
	});
}

function assertRefused(answer, status, ...challenge) {
	assert.equal(answer.status, status);
	assert.deepEqual(answer.headers['www-authenticate'], challenge);
	assert.deepEqual(answer.headers['cache-control'], ['no-store']);
}

function challengeOf(error, text = description[error]) {
	return `DPoP error="${error}", error_description="${text}", algs="${algs}"`;
}

const ends = [];

before(async () => {
	url = await start({ after: (end) => ends.push(end) });
	orders = `${url}/orders`;
	familyId = await issue();
	({ nonce } = await row('SELECT sctoken.dpop_nonce($1) AS nonce', [url]));
});
after(async () => {
	ends.forEach((end) => end());
	await Promise.all([login.end(), api.end()]);
});

test('no token: a challenge without an error', async () => {
	assertRefused(await request(orders), 401, `DPoP algs="${algs}"`);
});

test('a scheme that is not taken, or a token in the query: as no token', async () => {
	for (const [target, headers] of [
		[orders, { Authorization: 'Basic YTpi' }],
		[orders, { Authorization: `Bearer ${accessToken()}` }],
		[orders, { Authorization: `constructor ${accessToken()}` }],
		[orders, { Authorization: `DPoP${accessToken()}` }],
		[`${orders}?access_token=${accessToken()}`, {}],
	])
		assertRefused(await request(target, { headers }), 401, `DPoP algs="${algs}"`);
});

test('a token in more than one way: 400 invalid_request', async () => {
	const token = accessToken();
	const twice = challengeOf('invalid_request', 'Multiple methods used to include access token');

	for (const [target, Authorization] of [
		[orders, [`DPoP ${token}`, `DPoP ${token}`]],
		[orders, [`DPoP ${token}`, `Bearer ${token}`]],
		[`${orders}?access_token=${token}`, `DPoP ${token}`],
	]) {
		const DPoP = prove(key, 'GET', orders, { token, nonce });

		assertRefused(await request(target, { headers: { Authorization, DPoP } }), 400, twice);
	}
});

test('a malformed Authorization header: 400 invalid_request', async () => {
	const token = accessToken();

	for (const Authorization of ['DPoP', 'DPoP ', 'DPoP a b', 'DPoP a,b', `DPoP "${token}"`,
		`DPoP ${token}, Bearer ${token}`, `DPoP =${token}`, 'DPoP a\u00e9'])
		assertRefused(await request(orders, { headers: { Authorization } }), 400,
			challengeOf('invalid_request', 'Malformed Authorization header'));
});

test('a token that is none of the issuer for this server: 401 invalid_token', async () => {
	const refused = {
		'no JWT': 'abc', expired: accessToken({ exp: now() - 1 }),
		'without end': accessToken({ exp: undefined }),
		'of another issuer': accessToken({ iss: 'https://evil.example.com' }),
		'for another server': accessToken({ aud: 'https://other.example.com' }),
		'another kind of JWT': accessToken({}, { typ: 'JWT' }),
		'with another signature': accessToken({}, {}, makeKey()),
		unsigned: accessToken({}, { alg: 'none' }).replace(/[^.]*$/, ''),
	};

	for (const [what, token] of Object.entries(refused)) {
		const answer = await call({ token });

		assert.equal(answer.status, 401, what);
		assertRefused(answer, 401, challengeOf('invalid_token'));
	}
});

test('a token whose binding nobody can check: 401 invalid_token', async () => {
	for (const cnf of [{}, null, { jkt: null }, { jkt: [key.jkt] }, { kid: key.jkt },
		{ jkt: key.jkt, kid: 'x' }, { jkt: key.jkt, 'x5t#S256': key.jkt }, { 'x5t#S256': key.jkt }])
		assertRefused(await call({ token: accessToken({ cnf }) }), 401, challengeOf('invalid_token'));
	assertRefused(await call({ token: accessToken({ cnf: undefined }) }), 401,
		challengeOf('invalid_token'));
});

test('a nonce is asked for, and then the request is served', async () => {
	const refused = await call({ nonce: undefined });
	const [fresh, ...more] = refused.headers['dpop-nonce'];

	assertRefused(refused, 401, challengeOf('use_dpop_nonce'));
	assert.deepEqual(more, []);
	assert.match(fresh, /^[\x21\x23-\x5B\x5D-\x7E]+$/);

	const served = await call({ nonce: fresh });

	assert.equal(served.status, 200);
	assert.deepEqual(served.body, []);
	assert.deepEqual(served.headers['cache-control'], ['no-store']);
	assert.equal(served.headers['www-authenticate'], undefined);
	// It does well with the one it has.
	assert.equal(served.headers['dpop-nonce'], undefined);
});

test('a nonce of another server, or of nobody, is none', async () => {
	const other = await row("SELECT sctoken.dpop_nonce('as') AS nonce");

	for (const wrong of [other.nonce, 'abc', `${nonce}A`]) {
		const refused = await call({ nonce: wrong });

		assertRefused(refused, 401, challengeOf('use_dpop_nonce'));
		assert.equal(refused.headers['dpop-nonce'].length, 1);
	}
});

test('a proof is good for one request', async () => {
	const token = accessToken();
	const headers = {
		Authorization: `DPoP ${token}`, DPoP: prove(key, 'GET', orders, { token, nonce }),
	};

	assert.equal((await request(orders, { headers })).status, 200);
	assertRefused(await request(orders, { headers }), 401, challengeOf('invalid_dpop_proof'));
});

test('a proof that was answered with a nonce is not used up, nor one that failed', async () => {
	const jti = randomUUID();

	assert.equal((await call({ jti, nonce: undefined })).status, 401);
	assert.equal((await call({ jti, ath: 'A'.repeat(43) })).status, 401);
	assert.equal((await call({ jti })).status, 200);
	assert.equal((await call({ jti })).status, 401);
});

test('no proof, two proofs, two proofs in one: invalid_dpop_proof', async () => {
	const token = accessToken();
	const proof = () => prove(key, 'GET', orders, { token, nonce });

	for (const DPoP of [[], '', [proof(), proof()], `${proof()}, ${proof()}`])
		assertRefused(await request(orders, { headers: { Authorization: `DPoP ${token}`, DPoP } }),
			401, challengeOf('invalid_dpop_proof'));
});

test('a proof for something else: invalid_dpop_proof', async () => {
	for (const claims of [{ htm: 'POST' }, { htu: url }, { htu: `${orders}/` },
		{ htu: 'https://evil.example.com/orders' }, { ath: undefined },
		{ token: accessToken(), ath: 'A'.repeat(43) }, { iat: now() - 3600 }, { jti: undefined }])
		assertRefused(await call(claims), 401, challengeOf('invalid_dpop_proof'));
});

test('a stolen token with the key of the thief: invalid_token', async () => {
	assertRefused(await call({ by: makeKey() }), 401, challengeOf('invalid_token'));
});

test('the scheme in any case, the URI with a query', async () => {
	const token = accessToken();

	for (const [scheme, htu] of [['dpop', orders], ['DPOP', `${orders}?a=b`]]) {
		const answer = await request(`${orders}?page=1`, {
			headers: {
				Authorization: `${scheme} ${token}`, DPoP: prove(key, 'GET', htu, { token, nonce }),
			},
		});

		assert.equal(answer.status, 200);
	}
});

test('without the scope: 403, and which scope it takes', async () => {
	const text = `DPoP error="insufficient_scope", scope="orders:write", algs="${algs}"`;

	for (const scope of ['orders:read', 'orders:write2', '', undefined])
		assertRefused(await call({ method: 'POST', token: accessToken({ scope }) }), 403, text);
});

test('what the token allows is done, for its subject', async () => {
	const placed = await call({ method: 'POST' });

	assert.equal(placed.status, 200);
	assert.deepEqual((await call()).body, placed.body);
	assert.deepEqual((await call({ token: accessToken({ sub: 'bob' }) })).body, []);
});

test('the token dies with its family', async () => {
	const token = accessToken({ family_id: await issue() });

	assert.equal((await call({ token })).status, 200);
	await row("SELECT sctoken.revoke_family($1, 'test')",
		[JSON.parse(Buffer.from(token.split('.')[1], 'base64url')).family_id]);
	assertRefused(await call({ token }), 401, challengeOf('invalid_token'));
	assertRefused(await call({ token: accessToken({ family_id: randomUUID() }) }), 401,
		challengeOf('invalid_token'));
});

test('the page may read what DPoP needs, on refusals too; others may not', async () => {
	for (const [from, allowed] of [[origin, [origin]], ['https://evil.example.com', undefined]]) {
		const headers = { Origin: from };
		const preflight = await request(orders, {
			method: 'OPTIONS',
			headers: {
				...headers, 'Access-Control-Request-Method': 'GET',
				'Access-Control-Request-Headers': 'authorization,dpop',
			},
		});

		assert.equal(preflight.status, 204);
		assert.deepEqual(preflight.headers['access-control-allow-headers'],
			allowed && ['Authorization, Content-Type, DPoP']);
		for (const answer of [preflight, await request(orders, { headers }),
			await request(url, { headers })]) {
			assert.deepEqual(answer.headers.vary, ['Origin']);
			assert.deepEqual(answer.headers['access-control-allow-origin'], allowed);
			assert.deepEqual(answer.headers['access-control-expose-headers'],
				allowed && ['DPoP-Nonce, WWW-Authenticate']);
			assert.equal(answer.headers['access-control-allow-credentials'], undefined);
		}
	}
});

test('what is not there, and request targets of other forms', async () => {
	assert.equal((await call({ target: url })).status, 404);
	const answer = await call({ method: 'DELETE' });

	assert.equal(answer.status, 405);
	assert.deepEqual(answer.headers.allow, ['GET, POST']);
	for (const target of [`${url}/orders`, `http://evil.example.com/orders`])
		assert.equal((await request(orders, { target })).status, 400);
});

test('a proof that another transaction is checking: 503, and the client comes again', async () => {
	const token = accessToken();
	const proof = prove(key, 'GET', orders, { token, nonce });
	const session = await api.connect();

	try {
		await session.query('BEGIN');
		await session.query("SELECT * FROM sctoken.dpop_check($1, 'GET', $2, $3, server => $4)",
			[proof, orders, token, url]);
		const answer = await request(orders,
			{ headers: { Authorization: `DPoP ${token}`, DPoP: proof } });

		assert.equal(answer.status, 503);
		assert.deepEqual(answer.headers['retry-after'], ['1']);
		assert.equal(answer.headers['www-authenticate'], undefined);
	} finally {
		session.release(true);
	}
});

test('without the database nobody is served', async (t) => {
	const pool = new pg.Pool({ port: 1 });
	const here = await start(t, { pool });
	const token = accessToken({ aud: here });

	t.after(() => pool.end());
	const answer = await request(`${here}/orders`, {
		headers: {
			Authorization: `DPoP ${token}`, DPoP: prove(key, 'GET', `${here}/orders`, { token, nonce }),
		},
	});

	assert.equal(answer.status, 503);
	assert.deepEqual(answer.headers['retry-after'], ['1']);
	assert.deepEqual(answer.body, { error: 'temporarily_unavailable' });
});

test('without the keys of the issuer nobody is served', async (t) => {
	const { server, url: nobody } = await listen(t);
	const here = await start(t, { keys: createRemoteJWKSet(new URL(nobody)) });

	server.on('request', (_, response) => response.writeHead(503).end());

	assert.equal((await call({ target: `${here}/orders`, token: accessToken({ aud: here }) })).status,
		500);
});
