// privileges.test.js: the role of the server may do what its duty says, and no more.

import assert from 'node:assert/strict';
import test, { after } from 'node:test';

import pg from 'pg';

const db = new pg.Pool({ user: 'oidc_provider', max: 1 });

after(() => db.end());

test('the server issues and rotates through functions', async () => {
	const { rows: [issued] } = await db.query(
		"SELECT * FROM sctoken.issue('web', 'alice', 'openid')");
	const { rows: [rotated] } = await db.query(
		"SELECT * FROM sctoken.rotate($1, 'web')", [issued.refresh_token]);

	assert.equal(rotated.outcome, 'rotated');
	assert.equal(rotated.family_id, issued.family_id);
});

for (const table of ['family', 'event', 'server_secret', 'dpop_replay']) {
	test(`the server cannot read sctoken.${table}`, async () => {
		await assert.rejects(db.query(`SELECT FROM sctoken.${table}`), { code: '42501' });
	});
}

test('the server cannot change what a client may do', async () => {
	await assert.rejects(db.query('UPDATE sctoken.client_policy SET max_retries = 1'),
		{ code: '42501' });
});
