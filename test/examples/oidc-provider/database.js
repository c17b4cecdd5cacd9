// database.js: what the database says, asked directly and as a superuser.

import assert from 'node:assert/strict';

import pg from 'pg';

export const db = new pg.Pool({ max: 4 });

export async function ask(text, ...values) {
	return (await db.query(text, values)).rows;
}

// The row of the family that a token belongs to.
export async function family(token) {
	const [row] = await ask(
		'SELECT * FROM sctoken.family WHERE id = sctoken.token_family_id($1)', token);

	assert.ok(row, 'the token is of a family');
	return { ...row, generation: Number(row.generation) };
}

// How many events of each kind its family has: { issued: 1, rotated: 2 }.
export async function events(token) {
	const rows = await ask(`
		SELECT kind, count(*)::integer AS n FROM sctoken.event
		WHERE family_id = sctoken.token_family_id($1) GROUP BY kind ORDER BY kind`, token);

	return Object.fromEntries(rows.map(({ kind, n }) => [kind, n]));
}

// The proofs that are remembered and are not among those before.
export async function proofs(before = []) {
	const rows = await ask('SELECT digest::text FROM sctoken.dpop_replay');

	return rows.map(({ digest }) => digest).filter((digest) => !before.includes(digest));
}

export async function alive(token) {
	const [{ active }] = await ask(
		"SELECT sctoken.introspect($1) ->> 'active' = 'true' AS active", token);

	return active;
}
