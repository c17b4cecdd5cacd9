// refresh.js: clients that refresh DPoP-bound tokens at an endpoint of server.js.
//
// usage: node refresh.js NAME SECONDS CLIENTS
//
// Prints, of one refresh: calls a second, microseconds of CPU of the server's
// process and of its backends, statements, bytes of WAL, bytes of tables and
// indexes, and microseconds at the median and at 99 %.

import { spawn } from 'node:child_process';
import crypto from 'node:crypto';
import http from 'node:http';
import { createInterface } from 'node:readline';

import { host, htu } from './endpoints.js';

const FAMILIES = 50;			// of each client
const [name, seconds, clients] = process.argv.slice(2);
const { privateKey, publicKey } =
	crypto.generateKeyPairSync('ec', { namedCurve: 'P-256' });
const jwk = publicKey.export({ format: 'jwk' });
const jkt = crypto.createHash('sha256').update(JSON.stringify(
	{ crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y })).digest('base64url');
const part = (object) => Buffer.from(JSON.stringify(object)).toString('base64url');
const header = part({ typ: 'dpop+jwt', alg: 'ES256', jwk });
const agent = new http.Agent({ keepAlive: true });

function proof() {
	const input = `${header}.${part({
		jti: crypto.randomUUID(), htm: 'POST', htu, iat: Math.floor(Date.now() / 1000),
	})}`;

	return `${input}.${crypto.sign('sha256', Buffer.from(input), {
		key: privateKey, dsaEncoding: 'ieee-p1363',
	}).toString('base64url')}`;
}

function request(port, options, body) {
	return new Promise((resolve, reject) => {
		const sent = http.request({ host: '127.0.0.1', port, agent, ...options },
			(response) => {
				let text = '';

				response.setEncoding('utf8');
				response.on('data', (chunk) => { text += chunk; });
				response.on('end', () => resolve(JSON.parse(text)));
				response.on('error', reject);
			});

		sent.on('error', reject);
		sent.end(body);
	});
}

async function refresh(port, token) {
	const answer = await request(port, {
		method: 'POST',
		path: '/token',
		headers: {
			'content-type': 'application/x-www-form-urlencoded',
			'x-forwarded-proto': 'https',
			'x-forwarded-host': host,
			dpop: proof(),
		},
	}, new URLSearchParams({
		grant_type: 'refresh_token', client_id: 'bench', refresh_token: token,
	}).toString());

	if (!answer.refresh_token)
		throw new Error(JSON.stringify(answer));
	return answer.refresh_token;
}

const server = spawn(process.execPath,
	[new URL('server.js', import.meta.url).pathname, name, jkt, FAMILIES * clients],
	{ stdio: ['ignore', 'pipe', 'inherit'] });

// However this process ends, the server ends with it.
process.on('exit', () => server.kill());

const line = await new Promise((resolve, reject) => {
	createInterface({ input: server.stdout }).on('line', (text) => {
		if (text.startsWith('{'))
			resolve(text);
	});
	server.on('exit', () => reject(new Error(`${name} did not start`)));
});
const { port, tokens } = JSON.parse(line);
const latencies = [];

// Each client has families of its own, which it uses in turn.
async function client(number, use, until) {
	const own = tokens.map((token, i) => i).filter((i) => i % clients === number);

	for (let i = 0; until(i, own.length); i++) {
		const family = own[i % own.length];
		const before = performance.now();

		tokens[family] = await refresh(port, tokens[family]);
		use((performance.now() - before) * 1000);
	}
}

const all = (use, until) =>
	Promise.all(Array.from({ length: Number(clients) }, (_, n) => client(n, use, until)));

await all(() => {}, (i, families) => i < families);
const before = await request(port, { path: '/figures' });
const began = performance.now();

await all((us) => latencies.push(us), () => performance.now() - began < seconds * 1000);
const elapsed = (performance.now() - began) / 1000;
const after = await request(port, { path: '/figures' });

latencies.sort((a, b) => a - b);
const of = (figure) => (after[figure] - before[figure]) / latencies.length;
const at = (share) => latencies[Math.floor(latencies.length * share)];

console.log([latencies.length / elapsed, of('cpu'), of('backendCpu'), of('statements'),
	of('wal'), of('size'), at(0.5), at(0.99)].map((n) => n.toFixed(2)).join(' '));
process.exit(0);
