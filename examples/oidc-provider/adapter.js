// adapter.js: where oidc-provider keeps its models: refresh tokens in sctoken, all
// others in one plain table.
//
// Each method is one statement and so one transaction of its own: when its promise
// is fulfilled it is committed, and only then does anything go out to the client.

import { errors } from 'oidc-provider';

const table = 'oidc_provider.model';

const expiry = (seconds) => (seconds ? new Date(Date.now() + seconds * 1000) : null);

// adapterFor(db, tokens): what oidc-provider asks for an adapter by a model's name.
// db is a pool of pg, tokens what sctoken.js makes of it.
export function adapterFor(db, tokens) {
	return (kind) => (kind === 'RefreshToken' ? new RefreshTokenAdapter(tokens)
		: new ModelAdapter(db, kind));
}

class ModelAdapter {
	constructor(db, kind) {
		this.db = db;
		this.kind = kind;
	}

	async upsert(id, payload, expiresIn) {
		await this.db.query(`
			INSERT INTO ${table} (kind, id, payload, grant_id, uid, user_code, expires_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7)
			ON CONFLICT (kind, id) DO UPDATE SET payload = excluded.payload,
				grant_id = excluded.grant_id, uid = excluded.uid,
				user_code = excluded.user_code, expires_at = excluded.expires_at`,
		[this.kind, id, payload, payload.grantId, payload.uid, payload.userCode,
			expiry(expiresIn)]);
	}

	async #findBy(column, value) {
		if (value.includes('\0'))		// comes from a client; PostgreSQL has no such text
			return undefined;
		const { rows: [row] } = await this.db.query(`
			SELECT payload, consumed_at FROM ${table}
			WHERE kind = $1 AND ${column} = $2
			AND (expires_at IS NULL OR expires_at > clock_timestamp())`, [this.kind, value]);

		return row && { ...row.payload, ...(row.consumed_at && { consumed: true }) };
	}

	find(id) {
		return this.#findBy('id', id);
	}

	findByUid(uid) {
		return this.#findBy('uid', uid);
	}

	findByUserCode(userCode) {
		return this.#findBy('user_code', userCode);
	}

	// Of two requests with one code that both found it unused, one gets no further.
	async consume(id) {
		const { rowCount } = await this.db.query(`
			UPDATE ${table} SET consumed_at = clock_timestamp()
			WHERE kind = $1 AND id = $2 AND consumed_at IS NULL`, [this.kind, id]);

		if (rowCount === 0)
			throw new errors.InvalidGrant(`${this.kind} already consumed`);
	}

	async destroy(id) {
		await this.db.query(`DELETE FROM ${table} WHERE kind = $1 AND id = $2`,
			[this.kind, id]);
	}

	async revokeByGrantId(grantId) {
		await this.db.query(`DELETE FROM ${table} WHERE kind = $1 AND grant_id = $2`,
			[this.kind, grantId]);
	}
}

// A refresh token is issued by its save(), which sctoken.js replaces; nothing is
// left for upsert().  Rotation has happened when find() returns, so that nothing is
// left for consume().
class RefreshTokenAdapter {
	constructor(tokens) {
		this.tokens = tokens;
	}

	find(token) {
		return this.tokens.find(token);
	}

	async consume() {}

	async destroy(token) {
		await this.tokens.revoke(token);
	}

	async revokeByGrantId(grantId) {
		await this.tokens.revokeGrant(grantId);
	}
}
