// servers.js: instances of the authorization server behind one URL, each a process
// of its own, to which requests go in turn.
//
// INSTANCES: how many (1).  Their database is what the PG* environment says, but for
// SERVER_PGHOST and SERVER_PGPORT, where they are.

import { spawn } from 'node:child_process';
import http from 'node:http';
import { createInterface } from 'node:readline';

const instances = Number(process.env.INSTANCES ?? 1);
const agent = new http.Agent({ keepAlive: true });

function spawnServer(issuer, env) {
	const child = spawn(process.execPath, ['server.js'], {
		env: {
			...process.env,
			PGHOST: process.env.SERVER_PGHOST ?? process.env.PGHOST,
			PGPORT: process.env.SERVER_PGPORT ?? process.env.PGPORT,
			PGUSER: 'oidc_provider',
			PORT: '0',
			ISSUER: issuer,
			...env,
		},
		stdio: ['ignore', 'pipe', 'pipe'],
	});
	let log = '';

	child.stderr.on('data', (text) => { log += text; });
	return new Promise((resolve, reject) => {
		createInterface({ input: child.stdout }).on('line', (line) => {
			const [, port] = line.match(/ on port (\d+)$/) ?? [];

			if (port)
				resolve({ child, port, log: () => log });
		});
		child.on('exit', () => reject(new Error(`the server did not start: ${log}`)));
	});
}

// Sends each request on to the next of the ports, as a load balancer does.
function balance(ports, answered) {
	let next = 0;

	return (request, response) => {
		const target = next++ % ports.length;
		const forwarded = http.request({
			agent,
			host: '127.0.0.1',
			port: ports[target],
			method: request.method,
			path: request.url,
			headers: {
				...request.headers,
				'x-forwarded-proto': 'http',
				'x-forwarded-host': request.headers.host,
				'x-forwarded-for': request.socket.remoteAddress,
			},
		}, (answer) => {
			answered[target]++;
			response.writeHead(answer.statusCode, answer.rawHeaders);
			answer.pipe(response);
		});

		forwarded.on('error', (error) => response.destroy(error));
		request.pipe(forwarded);
	};
}

// startServers(env): { issuer, answered, log(), stop() }; answered: how many requests
// each instance has answered.
export async function startServers(env = {}) {
	const ports = [];
	const answered = Array(instances).fill(0);
	const front = http.createServer(balance(ports, answered));

	await new Promise((resolve) => { front.listen(0, '127.0.0.1', resolve); });
	const issuer = `http://localhost:${front.address().port}`;
	const servers = await Promise.all(Array.from({ length: instances },
		() => spawnServer(issuer, env))).catch((error) => {
		front.close();
		throw error;
	});

	ports.push(...servers.map(({ port }) => port));
	return {
		issuer,
		answered,
		log: () => servers.map(({ log }) => log()).join(''),
		async stop() {
			front.close();
			front.closeAllConnections();
			agent.destroy();
			await Promise.all(servers.map(({ child }) => new Promise((resolve) => {
				child.on('exit', resolve);
				child.kill('SIGTERM');
			})));
		},
	};
}
