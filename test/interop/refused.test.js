// refused.test.js: every way to tamper with a proof is refused with the reason
// that names it.

import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import test from 'node:test';

import {
	accessToken, allAlgs, base64url, goodClaims, goodHeader, htm, htu, keys, now,
	publicJwk, sha256, sign, signature,
} from './client.js';
import { dpopVerify } from './sctoken.js';

const p256 = keys['P-256'];
const jwk = publicJwk(p256);
const other = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rsa1024 = crypto.generateKeyPairSync('rsa', { modulusLength: 1024 });

// A proof that is good but for these members; undefined takes a member away.
function proofWith(header, claims, pair = p256) {
	return sign(JSON.stringify({ ...goodHeader(pair), ...header }),
		JSON.stringify({ ...goodClaims(), ...claims }), pair);
}

// A good proof whose parts go through a function.
function partsOf(change) {
	return change(...proofWith().split('.')).join('.');
}

// A proof signed over parts that are encoded already.
function signedParts(header, claims) {
	return `${header}.${claims}.${signature(`${header}.${claims}`)}`;
}

function hs256(secret) {
	const input = [{ ...goodHeader(), alg: 'HS256' }, goodClaims()]
		.map((part) => base64url(JSON.stringify(part))).join('.');

	return `${input}.${crypto.createHmac('sha256', secret).update(input)
		.digest('base64url')}`;
}

// The text of a JSON object with one member more at its end.
function withMember(object, member) {
	return JSON.stringify(object).replace(/\}$/, `,${member}}`);
}

// A signature with its first bit turned.
function bitFlipped(encoded) {
	const bytes = Buffer.from(encoded, 'base64url');

	bytes[0] ^= 0x80;
	return bytes.toString('base64url');
}

function derEncoded(input) {
	return crypto.sign('sha256', Buffer.from(input), p256.privateKey)
		.toString('base64url');
}

// The point of order one, for which the same signature fits every message.
const identity = Buffer.concat([Buffer.from([1]), Buffer.alloc(31)])
	.toString('base64url');

// reason, rule, proof, and what the request has otherwise
const cases = [
	['missing', 'no proof', null],
	['too_long', '9000 characters', proofWith({ kid: 'x'.repeat(9000) })],
	['malformed', 'an empty string', ''],
	['malformed', 'the signature is cut off', partsOf((h, c) => [h, c])],
	['malformed', 'five parts, as of a JWE',
		partsOf((h, c, s) => [h, '', c, s, s])],
	['malformed', 'two proofs joined by a comma', `${proofWith()},${proofWith()}`],
	['malformed', 'alg none without a signature',
		proofWith({ alg: 'none' }).replace(/[^.]*$/, '')],
	['base64url', 'the payload has padding',
		signedParts(base64url(JSON.stringify(goodHeader())),
			Buffer.from(withMember(goodClaims(), '"p":1').padEnd(400))
				.toString('base64').replaceAll('+', '-').replaceAll('/', '_'))],
	['base64url', 'the signature has a blank at its end', `${proofWith()} `],
	['json', 'the header is no JSON', sign('typ', JSON.stringify(goodClaims()))],
	['json', 'the payload is an array', sign(JSON.stringify(goodHeader()), '[]')],
	['json', 'a lone surrogate in jti', sign(JSON.stringify(goodHeader()),
		withMember({ ...goodClaims(), jti: undefined }, '"jti":"\\ud800"'))],
	['json_duplicate', 'two members jti in the payload',
		sign(JSON.stringify(goodHeader()), withMember(goodClaims(), '"jti":"x"'))],
	['json_duplicate', 'two members typ in the header, one of them escaped',
		sign(withMember(goodHeader(), '"t\\u0079p":"JWT"'),
			JSON.stringify(goodClaims()))],
	['json_duplicate', 'two members x in jwk',
		sign(JSON.stringify(goodHeader()).replace('"x":', '"x":"AA","x":'),
			JSON.stringify(goodClaims()))],
	['json_limit', 'arrays 100 deep',
		sign(JSON.stringify(goodHeader()), withMember(goodClaims(),
			`"deep":${'['.repeat(100)}${']'.repeat(100)}`))],

	['typ', 'typ is JWT', proofWith({ typ: 'JWT' })],
	['typ', 'typ is missing', proofWith({ typ: undefined })],
	['typ', 'typ has something behind it', proofWith({ typ: 'dpop+jwt+x' })],
	['alg', 'alg none with a signature', proofWith({ alg: 'none' })],
	['alg', 'HS256 keyed with the public key',
		hs256(p256.publicKey.export({ format: 'pem', type: 'spki' }))],
	['alg', 'HS256 keyed with the JWK', hs256(JSON.stringify(jwk))],
	['alg', 'ES256 with a P-384 key', proofWith({}, {}, keys['P-384'])],
	['alg', 'ES256 with an RSA key', proofWith({}, {}, keys.RSA)],
	['alg', 'an algorithm that was not asked for', proofWith(),
		{ algs: ['PS256'] }],
	['crit', 'crit', proofWith({ crit: ['exp'], exp: now() + 60 })],
	['crit', 'b64', proofWith({ b64: true })],

	['jwk', 'jwk is missing', proofWith({ jwk: undefined })],
	['jwk', 'jwk is a symmetric key',
		proofWith({ jwk: { kty: 'oct', k: 'AAAA' } })],
	['jwk', 'x has a leading zero byte', proofWith({ jwk: { ...jwk, x: base64url(
		Buffer.concat([Buffer.alloc(1), Buffer.from(jwk.x, 'base64url')])) } })],
	['private_key', 'jwk is the private key',
		proofWith({ jwk: p256.privateKey.export({ format: 'jwk' }) })],
	['private_key', 'jwk has an empty member d',
		proofWith({ jwk: { ...jwk, d: '' } })],
	['key_use', 'jwk is for encryption',
		proofWith({ jwk: { ...jwk, use: 'enc' } })],
	['key_use', 'jwk is for ES384',
		proofWith({ jwk: { ...jwk, alg: 'ES384' } })],
	['key', 'RSA with 1024 bits', proofWith({ alg: 'RS256' }, {}, rsa1024)],
	['key', 'a point beside the curve',
		proofWith({ jwk: { ...jwk, y: publicJwk(other).y } })],
	['key', 'an Ed25519 key of small order',
		proofWith({ alg: 'EdDSA',
			jwk: { kty: 'OKP', crv: 'Ed25519', x: identity } })],

	['htm', 'another method', proofWith({}, { htm: 'GET' })],
	['htm', 'the method in small letters', proofWith({}, { htm: 'post' })],
	['htu', 'another host',
		proofWith({}, { htu: htu.replace('server', 'attacker') })],
	['htu', 'another path', proofWith({}, { htu: `${htu}/1` })],
	['htu', 'another case of the path',
		proofWith({}, { htu: htu.replace('resource', 'Resource') })],
	['htu', 'another scheme', proofWith({}, { htu: htu.replace('https', 'http') })],
	['htu', 'another port',
		proofWith({}, { htu: htu.replace('.com', '.com:8443') })],
	['htu', 'a user name before the host',
		proofWith({}, { htu: htu.replace('//', '//server.example.com@') })],
	['iat', 'iat is missing', proofWith({}, { iat: undefined })],
	['iat', 'iat is a string', proofWith({}, { iat: String(now()) })],
	['iat_past', 'iat is an hour ago', proofWith({}, { iat: now() - 3600 })],
	['iat_future', 'iat is in an hour', proofWith({}, { iat: now() + 3600 })],
	['exp', 'exp is an hour ago', proofWith({}, { exp: now() - 3600 })],
	['nbf', 'nbf is in an hour', proofWith({}, { nbf: now() + 3600 })],
	['jti', 'jti is missing', proofWith({}, { jti: undefined })],
	['jti', 'jti is empty', proofWith({}, { jti: '' })],
	['jti', 'jti of 1000 characters', proofWith({}, { jti: 'x'.repeat(1000) })],
	['nonce_type', 'nonce is a number', proofWith({}, { nonce: 1 })],
	['ath', 'ath is missing', proofWith({}, { ath: undefined })],
	['ath', 'ath of another token', proofWith({}, { ath: sha256('other') })],
	['ath_unexpected', 'ath where no token was sent', proofWith(),
		{ access_token: undefined }],

	['signature', 'one bit is flipped',
		partsOf((h, c, s) => [h, c, bitFlipped(s)])],
	['signature', 'the claims of another proof',
		partsOf((h, c, s) => [h, base64url(JSON.stringify(goodClaims())), s])],
	['signature', 'the header changed after signing',
		partsOf((h, c, s) =>
			[base64url(JSON.stringify({ ...goodHeader(), kid: 'k' })), c, s])],
	['signature', 'signed by another key',
		partsOf((h, c) => [h, c, signature(`${h}.${c}`, other)])],
	['signature', 'six characters are cut off',
		partsOf((h, c, s) => [h, c, s.slice(0, -6)])],
	['signature', 'all bytes are zero',
		partsOf((h, c) => [h, c, 'A'.repeat(86)])],
	['signature', 'DER instead of r and s',
		partsOf((h, c) => [h, c, derEncoded(`${h}.${c}`)])],

	['jkt', 'the key is not the one that the token is bound to', proofWith(),
		{ jkt: sha256('another key'), error: 'invalid_token' }],
	['access_token', 'the access token is no ASCII', proofWith(),
		{ access_token: 'töken', error: 'invalid_token' }],
];

for (const [reason, rule, proof, { error, ...request } = {}] of cases) {
	test(`${reason}: ${rule}`, () => {
		const { alg, iat, ...verdict } = dpopVerify({
			proof, htm, htu, access_token: accessToken, algs: allAlgs, ...request,
		});

		assert.deepEqual(verdict, {
			valid: false, error: error ?? 'invalid_dpop_proof', reason, jkt: null,
			jti: null, nonce: null, ath: null, jwk: null, claims: null,
			next_nonce: null,
		});
	});
}

test('a refusal tells the algorithm and the time that the proof claims', () => {
	const iat = now() - 3600;
	const verdict = dpopVerify({ proof: proofWith({}, { iat }), htm, htu });

	assert.equal(verdict.reason, 'iat_past');
	assert.equal(verdict.alg, 'ES256');
	assert.equal(Date.parse(verdict.iat), iat * 1000);
});
