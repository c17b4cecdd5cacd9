// session.js: clients as they are made of openid-client and oauth4webapi, and what
// they hold after a user has logged in.

import crypto, { webcrypto } from 'node:crypto';
import { setTimeout } from 'node:timers/promises';

import { Browser } from './browser.js';

// Node 18 has Web Crypto, which both libraries use, but not as a global.
globalThis.crypto ??= webcrypto;
globalThis.CryptoKey ??= webcrypto.CryptoKey;

export const oauth = await import('oauth4webapi');
export const openid = await import('openid-client');

// The clients of clients.json.
const registered = {
	app: { redirectUri: 'http://localhost/callback', auth: () => openid.None() },
	web: {
		redirectUri: 'https://web.example.com/callback',
		auth: () => openid.ClientSecretBasic('change-me-a-secret-of-the-web-client'),
	},
};

// One installation of a client: app with a DPoP key of its own, web without.
export class Session {
	// Requests that were sent, the last one last: { url, options, response }.
	sent = [];

	static async of(issuer, clientId) {
		const session = new Session();

		session.clientId = clientId;
		session.config = await openid.discovery(new URL(issuer), clientId,
			undefined, registered[clientId].auth(), {
				execute: [openid.allowInsecureRequests],
				[openid.customFetch]: (...args) => session.fetch(...args),
			});
		if (clientId === 'app')
			await session.newKey();
		return session;
	}

	static async loggedIn(issuer, clientId, subject = 'alice') {
		const session = await Session.of(issuer, clientId);

		await session.login(subject);
		return session;
	}

	async fetch(url, options) {
		const response = await fetch(url, options);

		this.sent.push({ url, options, response: response.clone() });
		return response;
	}

	async newKey() {
		const pair = await openid.randomDPoPKeyPair();
		const jwk = await crypto.webcrypto.subtle.exportKey('jwk', pair.publicKey);

		this.jkt = crypto.createHash('sha256').update(JSON.stringify(
			{ crv: jwk.crv, kty: jwk.kty, x: jwk.x, y: jwk.y })).digest('base64url');
		this.dpop = { DPoP: openid.getDPoPHandle(this.config, pair) };
		this.pair = pair;
	}

	// The callback URL that the user's browser is sent to, and what belongs to it.
	async authorize(subject) {
		const { redirectUri } = registered[this.clientId];
		const pkceCodeVerifier = openid.randomPKCECodeVerifier();
		const expectedState = openid.randomState();
		const url = openid.buildAuthorizationUrl(this.config, {
			redirect_uri: redirectUri,
			scope: 'openid offline_access',
			prompt: 'consent',
			state: expectedState,
			code_challenge: await openid.calculatePKCECodeChallenge(pkceCodeVerifier),
			code_challenge_method: 'S256',
		});

		return {
			callback: await new Browser().authorize(url, redirectUri, subject),
			checks: { pkceCodeVerifier, expectedState },
		};
	}

	redeem({ callback, checks }) {
		return openid.authorizationCodeGrant(this.config, callback, checks, undefined,
			this.dpop);
	}

	async login(subject) {
		this.tokens = await this.redeem(await this.authorize(subject));
	}

	// Sends a refresh token and keeps nothing.
	send(token, parameters) {
		return openid.refreshTokenGrant(this.config, token, parameters, this.dpop);
	}

	// The same, but comes again where the server says 503 and when, as it does when the
	// token's family was not free for too long.
	async sendPatiently(token) {
		for (;;) {
			try {
				return await this.send(token);
			} catch (error) {
				if (error.cause?.status !== 503)
					throw error;
				await setTimeout(1000 * error.cause.headers.get('retry-after'));
			}
		}
	}

	// Refreshes as a client does: what comes takes the place of what was.
	async refresh(parameters) {
		const before = this.tokens.refresh_token;

		this.tokens = await this.send(before, parameters);
		return before;
	}

	userinfo() {
		return openid.fetchUserInfo(this.config, this.tokens.access_token, 'alice', this.dpop);
	}

	// The last request, sent once more as it was.
	async repeat() {
		const { url, options } = this.sent.at(-1);
		const response = await fetch(url, options);

		return { status: response.status, headers: response.headers, body: await response.json() };
	}
}

// The OAuth error that a request is refused with.
export async function refused(request) {
	try {
		await request;
	} catch (error) {
		if (error.error ?? error.cause?.[0]?.parameters?.error)
			return error.error ?? error.cause[0].parameters.error;
		throw error;
	}
	return 'not refused';
}
