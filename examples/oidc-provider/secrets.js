// secrets.js: makes the secrets of an authorization server, once: the key that signs
// ID tokens, that of cookies and that of DPoP nonces.  All instances share them.
//
// usage: node secrets.js FILE

import crypto from 'node:crypto';
import { writeFileSync } from 'node:fs';

const random = () => crypto.randomBytes(32).toString('base64url');
const { privateKey } = crypto.generateKeyPairSync('rsa', { modulusLength: 2048 });

writeFileSync(process.argv[2], `${JSON.stringify({
	jwks: { keys: [{ ...privateKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256' }] },
	cookies: [random()],
	nonce: random(),
}, null, '\t')}\n`, { mode: 0o600, flag: 'wx' });
