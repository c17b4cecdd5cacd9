// jose.js: npm's jose doing what dpop_verify does.
//
// usage:	node jose.js proofs ALG COUNT KEYS IAT	makes proofs, one a line
//			node jose.js verify ALG seen|new SECONDS IAT < proofs
//
// "new" imports each proof's key, as jose does by itself (EmbeddedJWK); "seen" keeps
// those that it has imported.  Prints microseconds of CPU a proof, of all threads.

import crypto, { webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';

// Node 18 has Web Crypto, which jose uses, but not as a global.
globalThis.crypto ??= webcrypto;
globalThis.CryptoKey ??= webcrypto.CryptoKey;

const jose = await import('jose');

const htm = 'POST';
const htu = 'https://server.example.com/token';
const AT_ONCE = 16;				// as a busy server has them in hand

async function printProofs(alg, count, keys, iat) {
	const pairs = await Promise.all(Array.from({ length: Number(keys) }, async () => {
		const pair = await jose.generateKeyPair(alg, { extractable: true });

		return { ...pair, jwk: await jose.exportJWK(pair.publicKey) };
	}));

	for (let i = 0; i < count; i++) {
		const { privateKey, jwk } = pairs[i % pairs.length];

		console.log(await new jose.SignJWT({ htm, htu, jti: crypto.randomUUID() })
			.setProtectedHeader({ typ: 'dpop+jwt', alg, jwk })
			.setIssuedAt(Number(iat)).sign(privateKey));
	}
}

// What jose.EmbeddedJWK does, but keeping the key.
const imported = new Map();

async function keptKey(header) {
	const name = `${header.jwk.x ?? header.jwk.n}`;
	let key = imported.get(name);

	if (!key) {
		key = await jose.importJWK(header.jwk, header.alg);
		imported.set(name, key);
	}
	return key;
}

async function verify(proof, alg, getKey, now) {
	const { payload, protectedHeader } = await jose.jwtVerify(proof, getKey, {
		typ: 'dpop+jwt', algorithms: [alg], maxTokenAge: 60, clockTolerance: 10,
		requiredClaims: ['jti', 'htm', 'htu', 'iat'], currentDate: now,
	});
	const claimed = new URL(payload.htu);

	claimed.search = '';
	claimed.hash = '';
	if (payload.htm !== htm || claimed.href !== htu ||
		typeof payload.jti !== 'string' || payload.jti.length > 256)
		throw new Error('refused');
	return jose.calculateJwkThumbprint(protectedHeader.jwk);
}

async function verifyAll(alg, keys, seconds, iat) {
	const proofs = readFileSync(0, 'latin1').trim().split('\n');
	const getKey = keys === 'seen' ? keptKey : jose.EmbeddedJWK;
	const now = new Date(iat * 1000);
	let count = 0;
	let next = 0;
	const batch = () => Promise.all(Array.from({ length: AT_ONCE }, () =>
		verify(proofs[next++ % proofs.length], alg, getKey, now)));

	for (let i = 0; i < 100; i++)
		await batch();
	const before = process.cpuUsage();
	const spent = () => {
		const { user, system } = process.cpuUsage(before);

		return user + system;
	};

	while (spent() < seconds * 1e6) {
		await batch();
		count += AT_ONCE;
	}
	console.log((spent() / count).toFixed(3));
}

const [what, ...args] = process.argv.slice(2);

await { proofs: printProofs, verify: verifyAll }[what](...args);
