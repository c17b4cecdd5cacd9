// accepted.test.js: proofs of other people's clients are accepted, and the answer
// says what the client put in.

import assert from 'node:assert/strict';
import test from 'node:test';

import {
	accessToken, allAlgs, decode, goodClaims, goodHeader, htm, htu, keyFor, keys,
	publicJwk, sha256, sign,
} from './client.js';
import { dpopVerify, value } from './sctoken.js';

// After client.js, which gives Node 18 its global crypto.
const dpop = await import('dpop');
const jose = await import('jose');

// Asks for a verdict, and compares it with what the proof holds.
async function assertAccepted(proof, pair, request = {}) {
	const { header, claims } = decode(proof);
	const jkt = await jose.calculateJwkThumbprint(publicJwk(pair));
	const verdict = dpopVerify({
		proof, htm, htu, access_token: accessToken, jkt, algs: allAlgs, ...request,
	});

	assert.equal(Date.parse(verdict.iat), claims.iat * 1000);
	assert.deepEqual({ ...verdict, iat: null }, {
		valid: true, error: null, reason: null, jkt, jti: claims.jti, iat: null,
		nonce: claims.nonce ?? null, ath: claims.ath ?? null, alg: header.alg,
		jwk: header.jwk, claims, next_nonce: null,
	});
	return verdict;
}

// dpop takes CryptoKey objects.
async function cryptoKeyPair(pair, alg) {
	const [privateKey, publicKey] = await Promise.all(
		[pair.privateKey, pair.publicKey].map((key) =>
			jose.importJWK(key.export({ format: 'jwk' }), alg,
				{ extractable: true })));

	return { privateKey, publicKey };
}

function joseProof(alg, claims = goodClaims()) {
	return new jose.SignJWT(claims)
		.setProtectedHeader(goodHeader(keyFor[alg], alg))
		.sign(keyFor[alg].privateKey);
}

for (const alg of ['ES256', 'Ed25519', 'PS256', 'RS256']) {
	test(`dpop: a proof with ${alg} is accepted`, async () => {
		const pair = await cryptoKeyPair(keyFor[alg], alg);
		const proof = await dpop.generateProof(pair, htu, htm, 'a-nonce',
			accessToken);
		const verdict = await assertAccepted(proof, keyFor[alg]);

		assert.equal(verdict.alg, alg);
		assert.equal(verdict.nonce, 'a-nonce');
		assert.equal(verdict.jkt, await dpop.calculateThumbprint(pair.publicKey));
		assert.equal(verdict.ath,
			value('access_token_hash', { access_token: accessToken }));
	});
}

test('dpop: a proof for the token endpoint, without access token', async () => {
	const pair = await cryptoKeyPair(keyFor.ES256, 'ES256');

	await assertAccepted(await dpop.generateProof(pair, htu, htm), keyFor.ES256,
		{ access_token: undefined });
});

for (const alg of ['ES256', 'ES384', 'ES512', 'PS256', 'PS384', 'PS512',
	'RS256', 'RS384', 'RS512', 'EdDSA', 'Ed25519']) {
	test(`jose: a proof with ${alg} is accepted`, async () => {
		await assertAccepted(await joseProof(alg), keyFor[alg]);
	});
}

// jose has no Ed448
for (const alg of ['Ed448', 'EdDSA']) {
	test(`node: a proof with ${alg} and an Ed448 key is accepted`, async () => {
		await assertAccepted(
			sign(JSON.stringify(goodHeader(keys.Ed448, alg)),
				JSON.stringify(goodClaims()), keys.Ed448),
			keys.Ed448);
	});
}

for (const alg of ['ES256', 'EdDSA', 'Ed25519', 'PS256']) {
	test(`${alg} is accepted where nobody chose the algorithms`, async () => {
		await assertAccepted(await joseProof(alg), keyFor[alg],
			{ algs: undefined });
	});
}

for (const [rule, spelling] of [
	['query and fragment are ignored', `${htu}?page=2#top`],
	['case of scheme and host is ignored', 'HTTPS://Server.Example.COM/resource'],
	['the default port is ignored', 'https://server.example.com:443/resource'],
	['an encoded letter is the letter', 'https://server.example.com/%72esource'],
	['dot segments are resolved', 'https://server.example.com/a/../resource'],
]) {
	test(`htu: ${rule}`, async () => {
		const claims = { ...goodClaims(), htu: spelling };

		await assertAccepted(await joseProof('ES256', claims), keyFor.ES256);
		await assertAccepted(await joseProof('ES256'), keyFor.ES256,
			{ htu: spelling });
	});
}

test('unknown claims and header parameters are ignored', async () => {
	await assertAccepted(
		sign(JSON.stringify({ ...goodHeader(), kid: 'k1', 'urn:x': { a: [1] } }),
			JSON.stringify({ ...goodClaims(), extra: { of: ['any', 'kind'] } })),
		keyFor.ES256);
});

test('the access token hash is that of RFC 9449', () => {
	assert.equal(value('access_token_hash', { access_token: accessToken }),
		sha256(accessToken));
});
