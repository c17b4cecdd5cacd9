// check.js: may the sender of this request do that?
//
// What RFC 6750 3, RFC 8705 3 and RFC 9449 7 ask of a resource server.  A token
// bound to a key comes as "Authorization: DPoP", with a proof; one that is bound to
// a certificate alone as "Authorization: Bearer", on a connection with that
// certificate.  One that is bound to nothing is refused.

import { errors, jwtVerify } from 'jose';

import { clientCertificate } from './certificate.js';
import { answer, BadRequest, nonceHeader, query } from './http.js';

// The thumbprint of the certificate, however it came: $1 to $3 are those of
// clientCertificate.
const x5t = `coalesce(sctoken.certificate_thumbprint($1::bytea),
	sctoken.thumbprint_from_header($2, $3))`;

// The whole check.  A null jkt would mean any key, so a token without one is made
// to fail.  All is one statement, hence one transaction: when its row is here, the
// proof is remembered.
const checks = {
	DPoP: `
		SELECT proof.error, proof.reason, proof.next_nonce,
		       sctoken.cnf_matches($4, jsonb_strip_nulls(jsonb_build_object(
		           'jkt', proof.jkt, 'x5t#S256', ${x5t}))) AS bound,
		       sctoken.family_active($5) AS active
		FROM sctoken.dpop_check_headers($6::text[], $7, $8, access_token => $9,
		         jkt => coalesce($4::jsonb ->> 'jkt', ''), server => $10,
		         require_nonce => true) AS proof`,
	Bearer: `
		SELECT sctoken.cnf_matches($4, jsonb_strip_nulls(jsonb_build_object(
		           'x5t#S256', ${x5t}))) AS bound,
		       sctoken.family_active($5) AS active`,
};

const statuses = {
	invalid_request: 400, insufficient_scope: 403, temporarily_unavailable: 503,
};

const descriptions = {
	invalid_dpop_proof: 'The DPoP proof is not one for this request',
	invalid_request: 'Malformed certificate or request URI',
	invalid_token: 'The access token is expired, revoked or not bound to this client',
	use_dpop_nonce: 'Resource server requires nonce in DPoP proof',
};

// pool: sessions with the duty resource_server.  url: that of this server as its
// clients see it, never taken from the Host header.  keys, issuer: of access
// tokens.  certificates: see clientCertificate.
export function checker({ pool, url, keys, issuer, certificates }) {
	const schemes = new Map([['dpop', 'DPoP'], ...certificates ? [['bearer', 'Bearer']] : []]);

	// The scheme and the access token of the request, or what is wrong with it.
	function credentials(request) {
		const headers = request.headersDistinct.authorization ?? [];
		const [, scheme, token] = /^(\S+) *(.*)$/.exec(headers[0] ?? '') ?? [];
		const name = schemes.get(scheme?.toLowerCase());

		if (headers.length > 1 || headers.length === 1 && query(request).has('access_token'))
			return {
				scheme: name, error: 'invalid_request',
				description: 'Multiple methods used to include access token',
			};
		// No token, or in a way that is not taken here, which is no error of the
		// client (RFC 6750 3.1).
		if (!name)
			return { error: null, reason: 'no_token' };
		if (!/^[\w\-.~+/]+=*$/.test(token))
			return {
				scheme: name, error: 'invalid_request',
				description: 'Malformed Authorization header',
			};
		return { scheme: name, token };
	}

	// The claims of an access token (RFC 9068), or null.
	async function claims(token) {
		try {
			const { payload } = await jwtVerify(token, keys, {
				algorithms: ['ES256'], audience: url, issuer, typ: 'at+jwt',
				requiredClaims: ['exp', 'sub', 'client_id', 'family_id', 'cnf'],
			});

			return payload;
		} catch (error) {
			// Keys that cannot be had are not the token's fault.
			if (error instanceof errors.JOSEError && !(error instanceof errors.JWKSTimeout ||
				error instanceof errors.JWKSInvalid || error.code === 'ERR_JOSE_GENERIC'))
				return null;
			throw error;
		}
	}

	// What the database says of a token whose signature is right.
	async function verdict(request, scheme, token, { cnf, family_id }) {
		try {
			const values = [...clientCertificate(request, certificates),
				JSON.stringify(cnf), family_id];

			if (scheme === 'DPoP')
				values.push(request.headersDistinct.dpop ?? [], request.method,
					url + request.url, token, url);

			const { rows } = await pool.query(checks[scheme], values);

			return rows[0];
		} catch (error) {
			// A certificate or a request URI that is malformed; the message repeats
			// nothing of it.
			if (error instanceof BadRequest || error.code === '22023')
				return { error: 'invalid_request', reason: error.message };
			throw error;
		}
	}

	// error is undefined if the request may go on.  Else it is for the client, null
	// where no token came; reason is for the log.
	async function check(request, scope) {
		const presented = credentials(request);
		const { scheme, token } = presented;

		if (!token)
			return presented;

		const payload = await claims(token);

		if (!payload)
			return { scheme, error: 'invalid_token', reason: 'token' };

		const { error, reason, next_nonce: nonce, bound, active } =
			await verdict(request, scheme, token, payload);

		if (error)
			return { scheme, nonce, error, reason };
		if (!bound || !active)
			return {
				scheme, nonce, error: 'invalid_token', reason: bound ? 'family' : 'cnf',
			};
		if (!payload.scope?.split(' ').includes(scope))
			return { scheme, nonce, error: 'insufficient_scope', scope, reason: 'scope' };
		return { nonce, claims: payload };
	}

	// The challenge of the scheme that the client used says what is wrong; the other
	// one only that it is there (RFC 9449 7.2).
	async function challenges({ scheme, error, description, scope }) {
		const used = [error, description ?? descriptions[error] ?? null, scope ?? null];
		const { rows } = await pool.query(
			'SELECT sctoken.dpop_challenge($1, error_description => $2, scope => $3)',
			scheme === 'Bearer' ? [null, null, null] : used);
		const list = [rows[0].dpop_challenge];

		if (scheme === 'Bearer')
			list.unshift(bearer(...used));
		else if (certificates)
			list.push(bearer(null, null, null));
		return list;
	}

	// RFC 6750 3: a challenge of Bearer has one parameter at least.
	function bearer(error, description, scope) {
		const parameters = { realm: url, error, error_description: description, scope };

		return 'Bearer ' + Object.entries(parameters)
			.filter(([, value]) => value !== null)
			.map(([name, value]) => `${name}="${value}"`).join(', ');
	}

	async function refuse(response, refusal) {
		const status = statuses[refusal.error] ?? 401;
		const headers = nonceHeader(refusal.nonce);

		if (status === 503)
			headers['Retry-After'] = '1';
		else
			headers['WWW-Authenticate'] = await challenges(refusal);
		answer(response, status, refusal.error ? { error: refusal.error } : {}, headers);
	}

	return { check, refuse };
}
