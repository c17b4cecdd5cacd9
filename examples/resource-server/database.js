// database.js: sessions with the rights of a role, and transactions.

import pg from 'pg';

// The server is found by the PG* environment, as psql does.  Where each of your
// servers logs in as a role of its own, leave out the options.
export function connect(role) {
	const pool = new pg.Pool({ options: `-c role=${role}` });

	// An idle session that is lost is replaced; one in use fails its query.
	pool.on('error', (error) => console.error(error.message));
	return pool;
}

// Gives what the work gives, but only after the commit: whoever is answered by it
// is never told what a rollback takes back.
export async function transaction(pool, work) {
	const session = await pool.connect();
	let failed = true;

	try {
		await session.query('BEGIN');
		const result = await work(session);

		// What an error has spoilt, COMMIT rolls back, and does not complain.
		if ((await session.query('COMMIT')).command !== 'COMMIT')
			throw new Error('the transaction was rolled back');
		failed = false;
		return result;
	} finally {
		// A session that failed is closed, which rolls back.
		session.release(failed);
	}
}
