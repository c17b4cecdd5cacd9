// server.js: one of endpoints.js on a port of this machine, and what it has cost.
//
// usage: node server.js NAME JKT FAMILIES
//
// Finds the database by the PG* environment.  Prints a line of JSON with port and
// tokens; GET /figures gives what was used so far.

import { readFileSync } from 'node:fs';
import http from 'node:http';

import pg from 'pg';

import { endpoints } from './endpoints.js';

const [name, jkt, families] = process.argv.slice(2);
const tables = name === 'sctoken' ? 'sctoken' : 'oidc_provider';
const pool = new pg.Pool({ max: 10 });
const backends = new Set();
let statements = 0;

pool.on('connect', (client) => backends.add(client.processID));

async function query(statement, text, values) {
	statements++;
	return (await pool.query(values ? { name: statement, text, values } : text)).rows;
}

// Microseconds of CPU of this process, and of the backends that it uses.
async function figures() {
	const { user, system } = process.cpuUsage();
	const backendCpu = [...backends].reduce((sum, pid) =>
		sum + readFileSync(`/proc/${pid}/schedstat`, 'latin1').split(' ')[0] / 1000, 0);
	const { rows: [row] } = await pool.query(`
		SELECT (pg_current_wal_insert_lsn() - '0/0')::float8 AS wal,
			(SELECT sum(pg_total_relation_size(oid)) FROM pg_class
				WHERE relnamespace = '${tables}'::regnamespace AND relkind = 'r')::float8 AS size`);

	return { statements, cpu: user + system, backendCpu, ...row };
}

const { tokens, handler } = await endpoints[name](query, jkt, Number(families));

const server = http.createServer(async (request, response) => {
	if (request.url === '/figures')
		response.end(JSON.stringify(await figures()));
	else
		handler(request, response);
});

server.keepAliveTimeout = 60000;
server.listen(0, '127.0.0.1', () =>
	console.log(JSON.stringify({ port: server.address().port, tokens })));
process.on('SIGTERM', () => process.exit(0));
