// client.js: a client that logs a user in, refreshes, and then is robbed.
//
// usage: node client.js [ISSUER]		default: http://localhost:3000

import http from 'node:http';
import { once } from 'node:events';
import { webcrypto } from 'node:crypto';

// Node 18 has Web Crypto, which openid-client uses, but not as a global.
globalThis.crypto ??= webcrypto;
globalThis.CryptoKey ??= webcrypto.CryptoKey;

const client = await import('openid-client');
const issuer = new URL(process.argv[2] ?? 'http://localhost:3000');
const config = await client.discovery(issuer, 'app', undefined, client.None(),
	{ execute: [client.allowInsecureRequests] });		// http, on this machine

// The key is made once and never leaves the client; the handle makes a fresh proof
// for each request.
const dpop = { DPoP: client.getDPoPHandle(config, await client.randomDPoPKeyPair()) };

const server = http.createServer().listen(0, '127.0.0.1');
await once(server, 'listening');
const redirectUri = `http://localhost:${server.address().port}/callback`;
const verifier = client.randomPKCECodeVerifier();
const state = client.randomState();

console.log('Log in here, with any name:\n%s', client.buildAuthorizationUrl(config, {
	redirect_uri: redirectUri,
	scope: 'openid offline_access',
	prompt: 'consent',
	state,
	code_challenge: await client.calculatePKCECodeChallenge(verifier),
	code_challenge_method: 'S256',
}));
const [request, response] = await once(server, 'request');
response.setHeader('connection', 'close').end('Back to the terminal.\n');
server.close();

const refresh = (token) => client.refreshTokenGrant(config, token, undefined, dpop);
const short = (token) => `${token.slice(0, 12)}..${token.slice(-6)}`;

let tokens = await client.authorizationCodeGrant(config,
	new URL(request.url, redirectUri), { pkceCodeVerifier: verifier, expectedState: state },
	undefined, dpop);
const first = tokens.refresh_token;
console.log('logged in        %s', short(first));

tokens = await refresh(first);
console.log('refreshed        %s', short(tokens.refresh_token));
console.log('the same again   %s', short((await refresh(first)).refresh_token));
tokens = await refresh(tokens.refresh_token);
console.log('refreshed        %s', short(tokens.refresh_token));

for (const [who, token] of [['the thief', first], ['the client', tokens.refresh_token]])
	await refresh(token).then(
		() => { throw new Error(`${who} was let in`); },
		({ error }) => console.log('%s %s', who.padEnd(16), error));
