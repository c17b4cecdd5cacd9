// rotate.js: one refresh with Node's pg.

import pg from 'pg';

// Gives the row when the server has committed.  A lost connection (which is no error
// of the database), or a 40001, leaves open what happened: the same token again.
export async function rotate(pool, token, clientId) {
	for (let attempt = 1; ; attempt++) {
		try {
			// One statement is one transaction, and pg waits for its commit.
			const { rows } = await pool.query(
				'SELECT * FROM sctoken.rotate($1, $2)', [token, clientId]);

			return rows[0];
		} catch (error) {
			const again = !(error instanceof pg.DatabaseError) ||
				/^(40001|57P0[123])$/.test(error.code);

			if (!again || attempt === 5)
				throw error;
			await new Promise((resolve) => setTimeout(resolve, 100 * 2 ** attempt));
		}
	}
}

const { REFRESH_TOKEN, CLIENT_ID } = process.env;
const pool = new pg.Pool();

pool.on('error', () => {});		// an idle session was lost: the next one is new
const { outcome, error, refresh_token } = await rotate(pool, REFRESH_TOKEN, CLIENT_ID);

console.log(outcome, refresh_token ?? error);
await pool.end();
