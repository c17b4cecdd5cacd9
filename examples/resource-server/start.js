// start.js: npm start: the page, the authorization server and the API, each at an
// origin of its own as in the wild.

import './webcrypto.js';

import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';

import { createRemoteJWKSet } from 'jose';

import { authorizationServer } from './authorization-server.js';
import { connect } from './database.js';
import { page } from './page.js';
import { resourceServer } from './resource-server.js';

const {
	PAGE_URL = 'http://localhost:8080',
	AS_URL = 'http://localhost:8081',
	API_URL = 'http://localhost:8082',
	ACCESS_TOKEN_LIFE = '300',
	// Where a proxy ends TLS: the header in which it forwards the certificate, the
	// format as doc/certificates.md names it, and the ports that it connects to.
	CERTIFICATE_HEADER, CERTIFICATE_FORMAT, AS_PORT, API_PORT,
	// Where TLS ends here: files in PEM, for the authorization server and the API.
	TLS_KEY, TLS_CERTIFICATE,
} = process.env;

function certificateSource() {
	if (TLS_KEY)
		return 'tls';
	if (CERTIFICATE_HEADER && CERTIFICATE_FORMAT)
		return { header: CERTIFICATE_HEADER.toLowerCase(), format: CERTIFICATE_FORMAT };
	return undefined;
}

// The client proves that it has the key of its certificate.  Whose certificate it is
// does not matter: it is compared with that of the token.
function tls() {
	return {
		key: readFileSync(TLS_KEY), cert: readFileSync(TLS_CERTIFICATE),
		requestCert: true, rejectUnauthorized: false,
	};
}

// Listens at the port that clients see, or behind a proxy.
function listen(url, handler, port) {
	const server = url.startsWith('https:') && TLS_KEY
		? https.createServer(tls(), handler) : http.createServer(handler);

	server.listen(port ?? new URL(url).port, 'localhost');
}

// Sessions of a role, if there is one: better now than at the first request.
async function sessions(role) {
	const pool = connect(role);

	await pool.query('SELECT');
	return pool;
}

const certificates = certificateSource();

listen(PAGE_URL, page({ authorizationServer: AS_URL, api: API_URL, clientId: 'page' }));
listen(AS_URL, await authorizationServer({
	pool: await sessions('shop_login'), url: AS_URL, audience: API_URL, origin: PAGE_URL,
	clients: { page: `${PAGE_URL}/`, partner: 'https://partner.example/callback' },
	life: Number(ACCESS_TOKEN_LIFE), certificates,
}), AS_PORT);
listen(API_URL, resourceServer({
	pool: await sessions('shop_api'), url: API_URL, origin: PAGE_URL, issuer: AS_URL,
	keys: createRemoteJWKSet(new URL(`${AS_URL}/jwks`)), certificates,
}), API_PORT);
console.log(`Open ${PAGE_URL}`);
