// resource-server.js: an API with two routes, for those whose tokens are bound.

import { checker } from './check.js';
import { answer, cors, handler, nonceHeader, path } from './http.js';

// The scope that each method of /orders needs, and what it does.
const orders = {
	GET: {
		scope: 'orders:read',
		sql: 'SELECT id, placed_at FROM shop.orders WHERE subject = $1 ORDER BY id',
	},
	POST: {
		scope: 'orders:write',
		sql: 'INSERT INTO shop.orders (subject) VALUES ($1) RETURNING id, placed_at',
	},
};

// A handler for http.createServer or https.createServer.  Options: those of checker,
// and the origin of the page that may call.
export function resourceServer(options) {
	const { pool, origin } = options;
	const { check, refuse } = checker(options);

	return handler(async (request, response) => {
		if (cors(request, response, origin))
			return;
		if (path(request) !== '/orders')
			return answer(response, 404, { error: 'not_found' });

		const route = orders[request.method];

		if (!route)
			return answer(response, 405, { error: 'method_not_allowed' },
				{ Allow: Object.keys(orders).join(', ') });

		const verdict = await check(request, route.scope);

		if (verdict.error !== undefined) {
			console.log(`${request.method} /orders: refused, ${verdict.reason ?? verdict.error}`);
			return refuse(response, verdict);
		}

		const { rows } = await pool.query(route.sql, [verdict.claims.sub]);

		answer(response, 200, rows, nonceHeader(verdict.nonce));
	});
}
