// server.js: the authorization server.
//
// Environment:
//	ISSUER			its URL as clients see it; default: http://localhost:PORT
//	PORT			where it listens on this machine; default: 3000
//	SECRETS			file of secrets.js; default: secrets.json
//	CLIENTS			file of clients; default: clients.json
//	DPOP_NONCE		"required": every proof must carry a nonce
//	PGHOST, PGUSER .. the database

import { readFileSync } from 'node:fs';

import pg from 'pg';

import { createProvider } from './provider.js';

const env = { PORT: 3000, SECRETS: 'secrets.json', CLIENTS: 'clients.json', ...process.env };
const json = (file) => JSON.parse(readFileSync(file));
const db = new pg.Pool({ max: 10 });
const provider = createProvider({
	issuer: env.ISSUER ?? `http://localhost:${env.PORT}`,
	db,
	clients: json(env.CLIENTS),
	secrets: json(env.SECRETS),
	requireNonce: env.DPOP_NONCE === 'required',
});

// Behind a proxy that ends TLS and overwrites X-Forwarded-*: it alone can reach us.
provider.proxy = true;

// An idle connection that breaks is replaced; a request that meets one is answered
// with 503, and its client repeats it.
db.on('error', (error) => console.error(error.message));
provider.on('server_error', (ctx, error) => console.error(error.stack));
provider.on('grant.error', (ctx, error) =>
	console.error(`${ctx.oidc.client?.clientId}: ${error.error}: ${error.error_detail}`));

const server = provider.listen(Number(env.PORT), '127.0.0.1', () =>
	console.log(`${provider.issuer} on port ${server.address().port}`));

process.on('SIGTERM', () => server.close(() => db.end()));
