// sctoken.js: the server side of the tests: calls of sctoken through psql, which
// finds the server by the PG* environment.

import { execFileSync } from 'node:child_process';

// An SQL literal; the server has standard_conforming_strings on.
export function literal(value) {
	if (value === undefined || value === null)
		return 'NULL';
	if (Array.isArray(value))
		return `ARRAY[${value.map(literal).join(', ')}]`;
	return `'${String(value).replaceAll("'", "''")}'`;
}

// The only row of a query, as an object of its columns.
export function row(query) {
	const output = execFileSync('psql', ['-XAtq', '-v', 'ON_ERROR_STOP=1'], {
		encoding: 'utf8',
		input: `SELECT row_to_json(r) FROM (${query}) AS r;\n`,
	});

	return JSON.parse(output);
}

// Calls a function with named arguments; those that are undefined are left out.
function call(name, args) {
	const list = Object.entries(args)
		.filter(([, value]) => value !== undefined)
		.map(([argument, value]) => `${argument} => ${literal(value)}`);

	return `sctoken.${name}(${list.join(', ')})`;
}

// The value of a function that returns one.
export function value(name, args) {
	return row(`SELECT ${call(name, args)} AS value`).value;
}

// The verdict of sctoken.dpop_verify.
export function dpopVerify(args) {
	return row(`SELECT * FROM ${call('dpop_verify', args)}`);
}
