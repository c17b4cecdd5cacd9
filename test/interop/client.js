// client.js: the client side of the tests: keys, and compact JWS put together by
// hand, so that they can be wrong in every way.

import crypto, { webcrypto } from 'node:crypto';

// Node 18 has Web Crypto, which jose and dpop use, but not as a global.
globalThis.crypto ??= webcrypto;
globalThis.CryptoKey ??= webcrypto.CryptoKey;

export const htm = 'POST';
export const htu = 'https://server.example.com/resource';
export const accessToken = 'Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU=';

const rsa = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });
const okp = {
	Ed25519: crypto.generateKeyPairSync('ed25519'),
	Ed448: crypto.generateKeyPairSync('ed448'),
};
const ec = Object.fromEntries(['P-256', 'P-384', 'P-521'].map((namedCurve) =>
	[namedCurve, crypto.generateKeyPairSync('ec', { namedCurve })]));

// Every kind of key by its name.
export const keys = { ...ec, ...okp, RSA: rsa };

// The key pair that goes with an algorithm.
export const keyFor = {
	ES256: ec['P-256'], ES384: ec['P-384'], ES512: ec['P-521'],
	PS256: rsa, PS384: rsa, PS512: rsa,
	RS256: rsa, RS384: rsa, RS512: rsa,
	EdDSA: okp.Ed25519, Ed25519: okp.Ed25519, Ed448: okp.Ed448,
};

export const allAlgs = Object.keys(keyFor);

export function publicJwk(pair) {
	return pair.publicKey.export({ format: 'jwk' });
}

export function sha256(text) {
	return crypto.createHash('sha256').update(text).digest('base64url');
}

export function now() {
	return Math.floor(Date.now() / 1000);
}

export function base64url(text) {
	return Buffer.from(text).toString('base64url');
}

// Header and claims of a compact JWS.
export function decode(proof) {
	const [header, claims] = proof.split('.').slice(0, 2)
		.map((part) => JSON.parse(Buffer.from(part, 'base64url')));

	return { header, claims };
}

export function goodHeader(pair = keys['P-256'], alg = 'ES256') {
	return { typ: 'dpop+jwt', alg, jwk: publicJwk(pair) };
}

export function goodClaims() {
	return {
		jti: crypto.randomUUID(), htm, htu, iat: now(), ath: sha256(accessToken),
	};
}

// Signs header and claims, texts that need not be JSON, with the private key:
// ECDSA as r and s, RSA with PKCS #1 v1.5, both with SHA-256; or EdDSA.
export function sign(header, claims, pair = keys['P-256']) {
	const input = `${base64url(header)}.${base64url(claims)}`;

	return `${input}.${signature(input, pair)}`;
}

export function signature(input, pair = keys['P-256']) {
	const hash = pair.privateKey.asymmetricKeyType.startsWith('ed')
		? null : 'sha256';

	return crypto.sign(hash, Buffer.from(input), {
		key: pair.privateKey, dsaEncoding: 'ieee-p1363',
	}).toString('base64url');
}
