// servers.js: the servers of the example, at free ports of this machine.  They end with
// the test t.

import http from 'node:http';
import https from 'node:https';

import './client.js';

const { createRemoteJWKSet } = await import('jose');
const { authorizationServer } = await import('./example/authorization-server.js');
const { connect } = await import('./example/database.js');
const { resourceServer } = await import('./example/resource-server.js');

// A server without a handler, since a handler wants to know the URL.
export async function listen(t, tls) {
	const server = tls ? https.createServer(tls) : http.createServer();

	await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
	t.after(() => {
		server.close();
		server.closeAllConnections();
	});
	return { server, url: `${tls ? 'https' : 'http'}://127.0.0.1:${server.address().port}` };
}

// Both servers.  Over TLS they ask for certificates, and take any.
export async function start(t, { clients, origin, tls, certificates, life = 60 }) {
	const options = tls && { ...tls, requestCert: true, rejectUnauthorized: false };
	const [as, rs] = [await listen(t, options), await listen(t, options)];
	const [login, api] = [connect('shop_login'), connect('shop_api')];

	t.after(() => Promise.all([login.end(), api.end()]));
	const handler = await authorizationServer({
		pool: login, url: as.url, audience: rs.url, origin, clients, life, certificates,
	});

	// The resource server fetches the keys from where no certificate is in the way.
	const keys = await listen(t);

	keys.server.on('request', handler);
	as.server.on('request', handler);
	rs.server.on('request', resourceServer({
		pool: api, url: rs.url, origin, issuer: as.url, certificates,
		keys: createRemoteJWKSet(new URL(`${keys.url}/jwks`)),
	}));
	return { as: as.url, rs: rs.url, login, api };
}
