// http.js: what both servers need of HTTP.

import pg from 'pg';

// The client's fault, and no secret in the message.
export class BadRequest extends Error {}

// Scripts of the page's origin may call, and read the headers that DPoP needs
// (RFC 9449 8): without Expose-Headers a page never sees a nonce.  They belong on
// every answer, refusals above all.  True: it was a preflight, and is answered.
export function cors(request, response, origin) {
	const allowed = origin !== undefined && request.headers.origin === origin;

	response.setHeader('Vary', 'Origin');
	if (allowed) {
		response.setHeader('Access-Control-Allow-Origin', origin);
		response.setHeader('Access-Control-Expose-Headers',
			'DPoP-Nonce, WWW-Authenticate');
	}
	if (request.method !== 'OPTIONS')
		return false;
	if (allowed) {
		response.setHeader('Access-Control-Allow-Methods', 'GET, POST');
		response.setHeader('Access-Control-Allow-Headers',
			'Authorization, Content-Type, DPoP');
		response.setHeader('Access-Control-Max-Age', '600');
	}
	response.writeHead(204).end();
	return true;
}

// Nothing that has to do with tokens and nonces may be cached.
export function answer(response, status, body, headers = {}) {
	response.writeHead(status, {
		'Cache-Control': 'no-store',
		'Content-Type': 'application/json',
		...headers,
	}).end(JSON.stringify(body));
}

export function nonceHeader(nonce) {
	return nonce ? { 'DPoP-Nonce': nonce } : {};
}

// The path of the request, without its query.
export function path(request) {
	if (!request.url.startsWith('/'))
		throw new BadRequest('not an origin-form request target');
	return request.url.replace(/\?.*/, '');
}

export function query(request) {
	return new URLSearchParams(request.url.replace(/^[^?]*\??/, ''));
}

// What OAuth asks with, in the query or in a form: no parameter comes twice (RFC 6749
// 3.1, 3.2).
export function parameters(list) {
	const entries = [...list];
	const values = Object.fromEntries(entries);

	if (Object.keys(values).length !== entries.length)
		throw new BadRequest('a parameter comes twice');
	return values;
}

export async function form(request) {
	let text = '';

	request.setEncoding('utf8');
	for await (const chunk of request) {
		text += chunk;
		if (text.length > 65536)
			throw new BadRequest('too long');
	}

	return parameters(new URLSearchParams(text));
}

// No connection to the database is to be had, or it broke, which is no error of the
// database; or one of it says so.  "code" is then that of the system, if any.
function isLost(error) {
	return error instanceof pg.DatabaseError ? /^(08...|53300|57P0[123])$/.test(error.code) :
		/^E[A-Z]+$/.test(error.code) ||
		/^(Connection terminated|Client has encountered a connection error)/.test(error.message);
}

// A handler for http.createServer: what goes wrong is answered, and shown to the
// operator; a request is never served because a check could not be made.
export function handler(serve) {
	return async (request, response) => {
		try {
			await serve(request, response);
		} catch (error) {
			// SQLSTATE class 22: what the client sent is no such value.
			const bad = error instanceof BadRequest || /^22/.test(error.code);

			console.error(error.message);
			if (response.headersSent)
				response.destroy();
			else if (bad)
				answer(response, 400, { error: 'invalid_request' });
			else if (isLost(error))
				answer(response, 503, { error: 'temporarily_unavailable' }, { 'Retry-After': '1' });
			else
				answer(response, 500, { error: 'server_error' });
		}
	};
}
