// languages.test.js: each language keeps the two rules: it answers only after the
// commit, and after a lost connection or a 40001 it repeats the same call.  Then the
// user stays signed in.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';

import { startCutter } from './cutter.js';

const { default: pg } = await import('pg');

const { PGHOST, PGPORT = '5432', PYTHON, PYTHON_PATH } = process.env;
const run = promisify(execFile);
const folder = mkdtempSync(`${tmpdir()}/c-`);
const pool = new pg.Pool();
const ends = [];
let cutter;

const languages = [
	{ name: 'psql', command: ['./example/rotate.sh'] },
	{ name: 'Node pg', command: [process.execPath, './example/rotate.js'] },
	...PYTHON ? [{ name: 'Python psycopg', command: [PYTHON, './example/rotate.py'] }] : [],
];

// One refresh through the cutter: [outcome, successor or error].
async function refresh({ command: [program, ...args] }, token) {
	const { stdout } = await run(program, args, {
		env: {
			...process.env, REFRESH_TOKEN: token, CLIENT_ID: 'server', PGHOST: folder,
			PGPORT: '5432', PYTHONPATH: PYTHON_PATH ?? '',
		},
	});

	return stdout.trimEnd().split(' ');
}

async function value(text, values) {
	const { rows } = await pool.query({ text, values, rowMode: 'array' });

	return rows[0][0];
}

function issue() {
	return value("SELECT refresh_token FROM sctoken.issue('server', 'alice')");
}

// The kinds of a family's events, in order.
async function events(token) {
	const { rows } = await pool.query(`
		SELECT kind FROM sctoken.event WHERE family_id = sctoken.token_family_id($1)
		ORDER BY at`, [token]);

	return rows.map(({ kind }) => kind);
}

// At the next commit of a rotation, and only there, the server does this.
async function atCommit(what) {
	await pool.query('TRUNCATE at_commit');
	await pool.query('ALTER SEQUENCE commits RESTART');
	await pool.query('INSERT INTO at_commit VALUES ($1)', [what]);
}

before(async () => {
	cutter = await startCutter({ after: (end) => ends.push(end) }, folder,
		`${PGHOST}/.s.PGSQL.${PGPORT}`);

	// A server authenticates, so that it may repeat a refresh however late.  What a
	// sequence counts is not rolled back.
	await pool.query(`
		INSERT INTO sctoken.client_policy (client_id, client_type)
		VALUES ('server', 'confidential');
		CREATE TABLE at_commit (what text);
		CREATE SEQUENCE commits;
		CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			IF nextval('commits') = 1 THEN
				IF (SELECT what FROM at_commit) = 'terminate' THEN
					PERFORM pg_terminate_backend(pg_backend_pid());
					PERFORM pg_sleep(60);
				ELSIF (SELECT what FROM at_commit) = 'serialization_failure' THEN
					RAISE EXCEPTION USING ERRCODE = 'serialization_failure';
				END IF;
			END IF;
			RETURN NULL;
		END $$;
		CREATE CONSTRAINT TRIGGER at_commit AFTER UPDATE ON sctoken.family
		DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION at_commit()`);
});
after(async () => {
	ends.forEach((end) => end());
	await pool.end();
	rmSync(folder, { recursive: true });
});

for (const language of languages) {
	const { name } = language;
	const claim = (text, body) => test(`${name}: ${text}`, async () => {
		Object.assign(cutter, { cut: null, times: 1, count: 0 });
		await atCommit(null);
		await body();
	});

	// The token that a disturbed refresh gave goes on, and nobody was punished.
	async function goesOn(token, successor, kinds) {
		assert.deepEqual(await events(token), ['issued', ...kinds]);
		const [outcome, next] = await refresh(language, successor);

		assert.equal(outcome, 'rotated');
		assert.equal(await value("SELECT sctoken.introspect($1) ->> 'active'", [next]), 'true');
	}

	claim('a refresh', async () => {
		const token = await issue();
		const [outcome, successor] = await refresh(language, token);

		assert.equal(outcome, 'rotated');
		await goesOn(token, successor, ['rotated']);
	});

	claim('the connection breaks before the call arrives', async () => {
		const token = await issue();

		cutter.cut = 'before';
		const [outcome, successor] = await refresh(language, token);

		assert.equal(cutter.count, 1);
		assert.equal(outcome, 'rotated');
		await goesOn(token, successor, ['rotated']);
	});

	claim('the connection breaks after the commit: the same successor again', async () => {
		const token = await issue();

		cutter.cut = 'after';
		const [outcome, successor] = await refresh(language, token);

		assert.equal(cutter.count, 1);
		assert.equal(outcome, 'replayed');
		await goesOn(token, successor, ['rotated', 'replayed']);
	});

	for (const what of ['terminate', 'serialization_failure'])
		claim(`${what} at the commit: nothing has happened, and then it does`, async () => {
			const token = await issue();

			await atCommit(what);
			const [outcome, successor] = await refresh(language, token);

			assert.equal(await value('SELECT last_value FROM commits'), '2');
			assert.equal(outcome, 'rotated');
			await goesOn(token, successor, ['rotated']);
		});

	claim('reuse is an answer as any other, and the family is dead', async () => {
		const token = await issue();
		const [, second] = await refresh(language, token);
		const [, third] = await refresh(language, second);

		assert.deepEqual(await refresh(language, token), ['reuse_detected', 'invalid_grant']);
		assert.deepEqual(await refresh(language, third), ['revoked', 'invalid_grant']);
		assert.equal(await value('SELECT sctoken.family_active(sctoken.token_family_id($1))',
			[token]), false);
	});

	claim('a server that stays away is an error in the end, and no token is lost', async () => {
		const token = await issue();

		Object.assign(cutter, { cut: 'before', times: Infinity });
		await assert.rejects(refresh(language, token), ({ code, stdout }) => code > 0 && stdout === '');
		assert.equal(cutter.count, 5);
		cutter.cut = null;
		assert.equal((await refresh(language, token))[0], 'rotated');
	});
}

// What the examples are not: shows that the tests see it.
test('a verdict that is rolled back is lost: why a call has its own transaction', async () => {
	const token = await issue();
	const [, second] = await refresh(languages[0], token);

	await refresh(languages[0], second);
	const session = await pool.connect();

	try {
		await session.query('BEGIN');
		const { rows } = await session.query(
			"SELECT outcome FROM sctoken.rotate($1, 'server')", [token]);

		assert.equal(rows[0].outcome, 'reuse_detected');
	} finally {
		session.release(true);
	}
	assert.equal(await value('SELECT sctoken.family_active(sctoken.token_family_id($1))', [token]),
		true);
});
