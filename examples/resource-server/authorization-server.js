// authorization-server.js: the least that gives out tokens of sctoken: the
// authorization code flow with PKCE for public clients, refresh and revocation.
//
// It logs nobody in: its login page has one user and no password.  For a server that
// is one, see ../oidc-provider; what is to be copied from here are the transactions.

import { createHash, randomBytes, randomUUID } from 'node:crypto';

import { exportJWK, generateKeyPair, SignJWT } from 'jose';

import { clientCertificate } from './certificate.js';
import { transaction } from './database.js';
import { answer, BadRequest, cors, form, handler, nonceHeader, parameters, path, query }
	from './http.js';

const subject = 'alice';
const scopes = ['orders:read', 'orders:write'];

function sha256(text) {
	return createHash('sha256').update(text).digest();
}

function refusal(error, nonce) {
	return { error, nonce };
}

// A handler for http.createServer or https.createServer.
//
// pool: sessions with the duty authorization_server.  url: the issuer.  audience:
// the URL of the resource server.  origin: that of the page.  clients: the redirect
// URI of each.  life: seconds that an access token is good for.  certificates: see
// clientCertificate.
export async function authorizationServer(
	{ pool, url, audience, origin, clients, life, certificates }) {
	const { publicKey, privateKey } = await generateKeyPair('ES256');
	const kid = randomUUID();
	const jwks = { keys: [{ ...await exportJWK(publicKey), alg: 'ES256', use: 'sig', kid }] };

	// What every SQL call about tokens is given of the request: the proof, the URI
	// that it must be for, and the certificate.
	function presented(request) {
		const proofs = request.headersDistinct.dpop ?? [];

		if (proofs.length > 1)
			throw new BadRequest('more than one header DPoP');
		return [proofs[0] ?? null, url + path(request),
			...clientCertificate(request, certificates)];
	}

	// The login.  All of the request's parameters stay in the form's URL.
	async function authorize(request, response) {
		const asked = parameters(query(request));
		const granted = asked.scope?.split(' ').filter((one) => scopes.includes(one));

		// Never redirect to where the client did not register.
		if (!Object.hasOwn(clients, asked.client_id ?? '') ||
			clients[asked.client_id] !== asked.redirect_uri)
			throw new BadRequest('unknown client_id or redirect_uri');
		if (asked.response_type !== 'code' || asked.code_challenge_method !== 'S256' ||
			!asked.code_challenge || !granted?.length ||
			!/^[\w-]{43}$/.test(asked.dpop_jkt ?? '-'.repeat(43)))
			throw new BadRequest('response_type, code_challenge, scope or dpop_jkt');
		if (request.method !== 'POST') {
			response.writeHead(200, {
				'Cache-Control': 'no-store',
				'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
				'Content-Type': 'text/html; charset=utf-8',
			}).end(`<!DOCTYPE html><title>Sign in</title><h1>Sign in</h1>
				<form method="post"><button>Continue as ${subject}</button></form>`);
			return;
		}

		const code = randomBytes(32).toString('base64url');

		await pool.query(
			'DELETE FROM shop.authorization_code WHERE expires_at < now()');
		await pool.query(`
			INSERT INTO shop.authorization_code (digest, client_id, redirect_uri,
			    code_challenge, dpop_jkt, subject, scope, grant_id)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		[sha256(code), asked.client_id, asked.redirect_uri, asked.code_challenge,
			asked.dpop_jkt ?? null, subject, granted.join(' '), randomUUID()]);

		const back = new URL(asked.redirect_uri);

		for (const [name, value] of Object.entries({ code, state: asked.state, iss: url }))
			if (value !== undefined)
				back.searchParams.set(name, value);
		response.writeHead(303, { 'Cache-Control': 'no-store', Location: back.href }).end();
	}

	// A code for tokens.  It is used up last: a proof that is refused, or a nonce that
	// is asked for, does not cost the client its code.
	function redeem(asked, [proof, htu, ...certificate]) {
		return transaction(pool, async (session) => {
			const { rows: [code] } = await session.query(`
				SELECT * FROM shop.authorization_code
				WHERE digest = $1 AND expires_at > now() FOR UPDATE`,
			[sha256(asked.code ?? '')]);

			if (code?.client_id !== asked.client_id ||
				code.redirect_uri !== asked.redirect_uri ||
				code.code_challenge !== sha256(asked.code_verifier ?? '').toString('base64url'))
				return refusal('invalid_grant');
			if (code.used) {
				await session.query("SELECT sctoken.revoke_grant($1, 'code_reuse')",
					[code.grant_id]);
				return refusal('invalid_grant');
			}

			let cnf = null;

			if (proof !== null || code.dpop_jkt !== null) {
				const { rows: [{ valid, error, reason, jkt, next_nonce: nonce }] } =
					await session.query(`
						SELECT * FROM sctoken.dpop_check($1, 'POST', $2, jkt => $3,
						                                 require_nonce => true)`,
					[proof, htu, code.dpop_jkt]);

				// doc/dpop.md: authorization codes bound to a key.
				if (!valid)
					return refusal({ jkt: 'invalid_grant', missing: 'invalid_request' }[reason] ??
						error, nonce);
				cnf = { jkt };
			}

			const { rows: [grant] } = await session.query(`
				SELECT * FROM sctoken.issue($1, $2, $3, ARRAY[$4], cnf => $5, grant_id => $6,
				    certificate => coalesce($7::bytea,
				                            sctoken.certificate_from_header($8, $9)))`,
			[code.client_id, code.subject, code.scope, audience, cnf, code.grant_id,
				...certificate]);

			if (!grant.error)
				await session.query(
					'UPDATE shop.authorization_code SET used = true WHERE digest = $1',
					[code.digest]);
			return grant;
		});
	}

	// One statement is one transaction, and its row is here after the commit.  Where
	// the connection is lost instead, nobody here knows whether there was a commit:
	// the client repeats its request, with the same refresh token and a new proof.
	async function refresh(asked, presented) {
		const { rows: [grant] } = await pool.query(`
			SELECT * FROM sctoken.rotate($1, $2, $3, dpop_proof => $4, htu => $5,
			    certificate => coalesce($6::bytea, sctoken.certificate_from_header($7, $8)))`,
		[asked.refresh_token ?? null, asked.client_id, asked.scope ?? null, ...presented]);

		return grant;
	}

	// grant.cnf belongs into the access token; the resource server checks it.
	async function tokens(grant) {
		const access_token = await new SignJWT({
			client_id: grant.client_id, scope: grant.scope, cnf: grant.cnf,
			family_id: grant.family_id,
		})
			.setProtectedHeader({ alg: 'ES256', kid, typ: 'at+jwt' })
			.setIssuer(url).setAudience(grant.audience).setSubject(grant.subject)
			.setJti(randomUUID()).setIssuedAt().setExpirationTime(`${life}s`)
			.sign(privateKey);

		return {
			access_token, token_type: grant.cnf?.jkt ? 'DPoP' : 'Bearer', expires_in: life,
			refresh_token: grant.refresh_token, scope: grant.scope,
		};
	}

	const grants = { authorization_code: redeem, refresh_token: refresh };

	async function token(request, response) {
		const asked = await form(request);

		if (!asked.client_id || !Object.hasOwn(grants, asked.grant_type ?? ''))
			return answer(response, 400, {
				error: asked.client_id ? 'unsupported_grant_type' : 'invalid_request',
			});

		const grant = await grants[asked.grant_type](asked, presented(request));
		const headers = nonceHeader(grant.next_nonce ?? grant.nonce);

		if (grant.error) {
			console.log(`${asked.grant_type}: refused, ${grant.outcome ?? grant.error}`);
			if (grant.error === 'temporarily_unavailable')
				return answer(response, 503, { error: grant.error }, { 'Retry-After': '1' });
			return answer(response, 400, { error: grant.error }, headers);
		}
		answer(response, 200, await tokens(grant), headers);
	}

	// 200 whatever the token was (RFC 7009 2.2).
	async function revoke(request, response) {
		const asked = await form(request);

		if (!asked.client_id)
			throw new BadRequest('no client_id');
		await pool.query('SELECT sctoken.revoke($1, $2)',
			[asked.token ?? null, asked.client_id]);
		answer(response, 200, {});
	}

	async function metadata(request, response) {
		const { rows } = await pool.query('SELECT sctoken.dpop_metadata() AS dpop');

		answer(response, 200, {
			issuer: url,
			authorization_endpoint: `${url}/authorize`,
			token_endpoint: `${url}/token`,
			revocation_endpoint: `${url}/revoke`,
			jwks_uri: `${url}/jwks`,
			scopes_supported: scopes,
			response_types_supported: ['code'],
			grant_types_supported: Object.keys(grants),
			token_endpoint_auth_methods_supported: ['none'],
			code_challenge_methods_supported: ['S256'],
			authorization_response_iss_parameter_supported: true,
			tls_client_certificate_bound_access_tokens: certificates !== undefined,
			...rows[0].dpop,
		});
	}

	const routes = {
		'GET /authorize': authorize,
		'POST /authorize': authorize,
		'POST /token': token,
		'POST /revoke': revoke,
		'GET /jwks': (request, response) => answer(response, 200, jwks),
		'GET /.well-known/oauth-authorization-server': metadata,
	};

	return handler(async (request, response) => {
		const route = routes[`${request.method} ${path(request)}`];

		if (cors(request, response, origin))
			return;
		if (!route)
			return answer(response, 404, { error: 'not_found' });
		await route(request, response);
	});
}
