// thumbprint.test.js: thumbprints of keys equal those of jose.

import assert from 'node:assert/strict';
import test from 'node:test';

import { keys, publicJwk } from './client.js';
import { value } from './sctoken.js';

const jose = await import('jose');

for (const [name, pair] of Object.entries(keys)) {
	test(`thumbprints of a key of kind ${name}`, async () => {
		const jwk = publicJwk(pair);

		assert.equal(value('jwk_thumbprint', { jwk: JSON.stringify(jwk) }),
			await jose.calculateJwkThumbprint(jwk));
		for (const hash of ['sha256', 'sha384', 'sha512']) {
			const args = { jwk: JSON.stringify(jwk), hash };

			assert.equal(value('jwk_thumbprint', args),
				await jose.calculateJwkThumbprint(jwk, hash));
			assert.equal(value('jwk_thumbprint_uri', args),
				await jose.calculateJwkThumbprintUri(jwk, hash));
		}
	});
}

test('order, white space and members that are no part of the key are ignored',
	async () => {
		const { y, x, crv, kty } = publicJwk(keys['P-256']);
		const jwk = { use: 'sig', y, kid: 'k1', x, crv, kty };

		assert.equal(value('jwk_thumbprint', { jwk: JSON.stringify(jwk, null, 4) }),
			await jose.calculateJwkThumbprint(jwk));
	});
