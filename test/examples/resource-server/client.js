// client.js: clients as they should be, and as they should not.

import { execFileSync } from 'node:child_process';
import crypto, { webcrypto } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';

// Node 18 has Web Crypto, which jose uses, but not as a global.
globalThis.crypto ??= webcrypto;
globalThis.CryptoKey ??= webcrypto.CryptoKey;

export const algs = 'ES256 EdDSA Ed25519 PS256';

export function sha256(text) {
	return crypto.createHash('sha256').update(text).digest('base64url');
}

function base64url(value) {
	return Buffer.from(JSON.stringify(value)).toString('base64url');
}

export function makeKey() {
	const { privateKey, publicKey } = crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
	const { crv, kty, x, y } = publicKey.export({ format: 'jwk' });
	const jwk = { crv, kty, x, y };

	return { privateKey, jwk, jkt: sha256(JSON.stringify(jwk)) };
}

// A compact JWS by a key of makeKey.
export function sign(header, claims, { privateKey }) {
	const input = `${base64url({ alg: 'ES256', ...header })}.${base64url(claims)}`;
	const signature = crypto.sign('sha256', Buffer.from(input),
		{ key: privateKey, dsaEncoding: 'ieee-p1363' });

	return `${input}.${signature.toString('base64url')}`;
}

export function now() {
	return Math.floor(Date.now() / 1000);
}

// A proof; what is said of its claims goes before what they should be.
export function prove(key, htm, htu, { token, ...claims } = {}) {
	return sign({ typ: 'dpop+jwt', jwk: key.jwk }, {
		jti: crypto.randomUUID(), htm, htu, iat: now(),
		ath: token && sha256(token), ...claims,
	}, key);
}

// A request as it is: a header may have several values, the target any form.  Gives
// status, headers (each a list of values) and the JSON of the body.
export function request(url, { method = 'GET', target, headers = {}, body, ...options } = {}) {
	const { protocol } = new URL(url);

	return new Promise((resolve, reject) => {
		const sent = (protocol === 'https:' ? https : http).request(url,
			{ method, headers, agent: false, rejectUnauthorized: false, ...options },
			async (response) => {
				let text = '';

				for await (const chunk of response)
					text += chunk;
				resolve({
					status: response.statusCode, headers: response.headersDistinct,
					text, body: text.startsWith('<') || text === '' ? null : JSON.parse(text),
				});
			});

		if (target !== undefined)
			sent.path = target;
		sent.on('error', reject);
		sent.end(body);
	});
}

// A POST of a form.
export function post(url, form, options = {}) {
	return request(url, {
		...options, method: 'POST', body: new URLSearchParams(form).toString(),
		headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...options.headers },
	});
}

// A certificate that a client has made itself, and its key, in PEM; made in a folder.
export function makeCertificate(dir, name) {
	const file = `${dir}/${name}`;

	execFileSync('openssl', ['req', '-x509', '-nodes', '-newkey', 'ec', '-pkeyopt',
		'ec_paramgen_curve:P-256', '-keyout', `${file}.key`, '-out', `${file}.pem`,
		'-subj', `/CN=${name}`, '-addext', `subjectAltName=DNS:${name}`, '-days', '2'], { stdio: 'pipe' });
	return { key: readFileSync(`${file}.key`, 'utf8'), cert: readFileSync(`${file}.pem`, 'utf8') };
}

// Signs in at the authorization server and gives what the token endpoint answers.
// proof makes the DPoP header for a nonce, or none.
export async function signIn(as, { clientId, redirectUri, scope, dpopJkt, proof, tls, verifier }) {
	const code_verifier = verifier ?? 'v'.repeat(43);
	const asked = new URLSearchParams({
		response_type: 'code', client_id: clientId, redirect_uri: redirectUri, scope,
		code_challenge: sha256(code_verifier), code_challenge_method: 'S256',
		...dpopJkt && { dpop_jkt: dpopJkt },
	});
	const login = await request(`${as}/authorize?${asked}`, { method: 'POST', ...tls });
	const code = new URL(login.headers.location[0]).searchParams.get('code');
	const form = {
		grant_type: 'authorization_code', client_id: clientId, redirect_uri: redirectUri,
		code, code_verifier,
	};

	return { form, ...await postWithNonce(`${as}/token`, form, { proof, ...tls }) };
}

// Posts, and once more with the nonce that is asked for.
export async function postWithNonce(url, form, { proof = () => undefined, ...options }) {
	const send = (nonce) => {
		const DPoP = proof(nonce);

		return post(url, form, { ...options, headers: { ...options.headers, ...DPoP && { DPoP } } });
	};
	const answer = await send();

	return answer.body?.error === 'use_dpop_nonce'
		? { ...await send(answer.headers['dpop-nonce'][0]), asked: answer } : answer;
}
