// adapter.js: node-oidc-provider's storage in PostgreSQL, one table, prepared
// statements, nothing asked twice.

const expiry = (seconds) => (seconds ? new Date(Date.now() + seconds * 1000) : null);

export const schema = `
	DROP SCHEMA IF EXISTS oidc_provider CASCADE;
	CREATE SCHEMA oidc_provider;
	CREATE TABLE oidc_provider.payload (
		type text,
		id text,
		payload jsonb NOT NULL,
		grant_id text,
		uid text,
		user_code text,
		expires_at timestamptz,
		consumed_at timestamptz,
		PRIMARY KEY (type, id)
	);
	CREATE INDEX ON oidc_provider.payload (grant_id) WHERE grant_id IS NOT NULL;
	CREATE INDEX ON oidc_provider.payload (uid) WHERE uid IS NOT NULL;
	CREATE INDEX ON oidc_provider.payload (user_code) WHERE user_code IS NOT NULL;`;

const table = 'oidc_provider.payload';

// adapter(query): the class that the provider asks for; query(name, text, values)
// runs a prepared statement and gives its rows.
export function adapter(query) {
	return class Adapter {
		constructor(type) {
			this.type = type;
		}

		async upsert(id, payload, expiresIn) {
			await query('upsert', `INSERT INTO ${table}
					(type, id, payload, grant_id, uid, user_code, expires_at)
				VALUES ($1, $2, $3, $4, $5, $6, $7)
				ON CONFLICT (type, id) DO UPDATE SET payload = excluded.payload,
					grant_id = excluded.grant_id, uid = excluded.uid,
					user_code = excluded.user_code, expires_at = excluded.expires_at`,
			[this.type, id, payload, payload.grantId, payload.uid, payload.userCode,
				expiry(expiresIn)]);
		}

		async #find(column, value) {
			const [row] = await query(`find_${column}`,
				`SELECT payload, consumed_at FROM ${table}
				WHERE type = $1 AND ${column} = $2
				AND (expires_at IS NULL OR expires_at > now())`, [this.type, value]);

			return row && { ...row.payload, ...(row.consumed_at && { consumed: true }) };
		}

		find(id) {
			return this.#find('id', id);
		}

		findByUid(uid) {
			return this.#find('uid', uid);
		}

		findByUserCode(userCode) {
			return this.#find('user_code', userCode);
		}

		async consume(id) {
			await query('consume', `UPDATE ${table} SET consumed_at = now()
				WHERE type = $1 AND id = $2`, [this.type, id]);
		}

		async destroy(id) {
			await query('destroy', `DELETE FROM ${table}
				WHERE type = $1 AND id = $2`, [this.type, id]);
		}

		async revokeByGrantId(grantId) {
			await query('revoke', `DELETE FROM ${table} WHERE grant_id = $1`, [grantId]);
		}
	};
}
