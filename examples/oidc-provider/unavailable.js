// unavailable.js: what a request is told that would do in a moment: 503, and when to
// come again (sctoken.js sets Retry-After).

import { errors } from 'oidc-provider';
import pg from 'pg';

export function unavailable(detail) {
	return Object.assign(new errors.TemporarilyUnavailable(undefined, detail),
		{ status: 503, statusCode: 503 });
}

// No connection is to be had, or it broke, which is no error of the database; or one
// of it says so.  Whether a call was committed nobody here knows, so that it is for the
// client to repeat its request.
function isLost(error) {
	return !(error instanceof pg.DatabaseError) || /^(08...|53300|57P0[123])$/.test(error.code);
}

// The pool, whose lost connections become that answer.
export function unavailableWhenLost(pool) {
	return {
		query: (...args) => pool.query(...args).catch((error) => {
			throw isLost(error) ? unavailable(error.message) : error;
		}),
	};
}
