// dpop.js: a client of OAuth with DPoP (RFC 9449), for a page without a server of
// its own.
//
// The key is made here and cannot be exported, not even by this code.  It, and the
// refresh token that is bound to it, are kept in IndexedDB; the access token is not
// kept.  Whoever copies the tokens has nothing; whoever gets a script into the page
// can use the key while the page is open (doc/choosing.md: neither).

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

function base64url(bytes) {
	return btoa(String.fromCharCode(...new Uint8Array(bytes)))
		.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}

function encode(value) {
	return base64url(new TextEncoder().encode(JSON.stringify(value)));
}

async function sha256(text) {
	return base64url(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
}

function random() {
	return base64url(crypto.getRandomValues(new Uint8Array(32)));
}

function settled(request) {
	return new Promise((resolve, reject) => {
		request.onsuccess = () => resolve(request.result);
		request.onerror = () => reject(request.error);
	});
}

// A small store that holds keys as they are, unlike localStorage.
async function openStore() {
	const opening = indexedDB.open('dpop', 1);

	opening.onupgradeneeded = () => opening.result.createObjectStore('store');
	const database = await settled(opening);
	const write = (change) => new Promise((resolve, reject) => {
		const transaction = database.transaction('store', 'readwrite');

		transaction.oncomplete = resolve;
		transaction.onabort = () => reject(transaction.error);
		change(transaction.objectStore('store'));
	});

	return {
		get: (name) => settled(database.transaction('store').objectStore('store').get(name)),
		put: (name, value) => write((store) => store.put(value, name)),
		delete: (name) => write((store) => store.delete(name)),
	};
}

// The key of this origin, made once, by one tab.
async function openKey(store) {
	await navigator.locks.request('dpop-key', async () => {
		if (!await store.get('key'))
			await store.put('key', await crypto.subtle.generateKey(algorithm, false, ['sign']));
	});

	const { privateKey, publicKey } = await store.get('key');
	const { kty, crv, x, y } = await crypto.subtle.exportKey('jwk', publicKey);

	return { privateKey, jwk: { kty, crv, x, y } };
}

// configuration: authorizationServer, api, clientId; redirectUri is this page.  watch
// is told of each request and its answer.
export async function openClient({ authorizationServer, clientId }, watch = () => {}) {
	const store = await openStore();
	const { privateKey, jwk } = await openKey(store);
	const { crv, kty, x, y } = jwk;
	const thumbprint = await sha256(JSON.stringify({ crv, kty, x, y }));	// RFC 7638
	const redirectUri = location.origin + location.pathname;
	const nonces = new Map();		// each server has its own (RFC 9449 8, 9)
	let accessToken = null;

	async function proof(method, url, token) {
		const input = encode({ typ: 'dpop+jwt', alg: 'ES256', jwk }) + '.' + encode({
			jti: crypto.randomUUID(), htm: method, htu: url.origin + url.pathname,
			iat: Math.floor(Date.now() / 1000), nonce: nonces.get(url.origin),
			ath: token && await sha256(token),
		});
		const signature = await crypto.subtle.sign(algorithm, privateKey,
			new TextEncoder().encode(input));

		return `${input}.${base64url(signature)}`;
	}

	// One request, each time with a new proof, and once more if the server asks for a
	// nonce: in the challenge if it is a resource server, in the body if it is an
	// authorization server.  A second time would mean that it never is content.
	async function send(method, address, { token, body } = {}) {
		const url = new URL(address);

		for (let attempt = 1; ; attempt++) {
			const headers = { DPoP: await proof(method, url, token) };

			if (token)
				headers.Authorization = `DPoP ${token}`;
			const response = await fetch(url, { method, headers, body, cache: 'no-store' });
			const nonce = response.headers.get('DPoP-Nonce');
			const challenge = response.headers.get('WWW-Authenticate') ?? '';
			const error = token ? /error="(\w+)"/.exec(challenge)?.[1]
				: !response.ok && (await response.clone().json()).error || undefined;

			watch({ method, path: url.pathname, status: response.status, error });
			if (nonce)
				nonces.set(url.origin, nonce);
			if (error !== 'use_dpop_nonce' || !nonce || attempt > 1)
				return { response, error };
		}
	}

	// Asks for tokens, and keeps them.  Null: the grant is no good any more.
	async function tokens(parameters) {
		const { response, error } = await send('POST', `${authorizationServer}/token`, {
			body: new URLSearchParams({ client_id: clientId, ...parameters }),
		});

		if (response.ok) {
			const answer = await response.json();

			await store.put('refresh_token', answer.refresh_token);
			return answer.access_token;
		}
		if (error !== 'invalid_grant')
			throw new Error(`${response.status} ${error}`);
		await store.delete('refresh_token');
		return null;
	}

	// The answer may get lost after the server has committed.  Then the same refresh
	// token is sent again, and answered with the same successor.  One tab at a time, so
	// that none keeps a token which the others have left behind.
	function refresh() {
		return navigator.locks.request('dpop-refresh', async () => {
			for (let attempt = 1; ; attempt++) {
				const refresh_token = await store.get('refresh_token');

				if (!refresh_token)
					return accessToken = null;
				try {
					return accessToken =
						await tokens({ grant_type: 'refresh_token', refresh_token });
				} catch (error) {
					if (attempt === 3)
						throw error;
					await new Promise((resolve) => setTimeout(resolve, 300 * attempt));
				}
			}
		});
	}

	// Leaves for the login page, and does not return.  The code that comes back is good
	// for this key only.
	async function signIn(scope) {
		const request = { state: random(), code_verifier: random() };
		const url = new URL(`${authorizationServer}/authorize`);

		sessionStorage.setItem('request', JSON.stringify(request));
		url.search = new URLSearchParams({
			response_type: 'code', client_id: clientId, redirect_uri: redirectUri, scope,
			state: request.state, code_challenge: await sha256(request.code_verifier),
			code_challenge_method: 'S256', dpop_jkt: thumbprint,
		});
		location.assign(url);
		return new Promise(() => {});
	}

	// Back from the login page: takes the code out of the address, and redeems it.
	async function finishSignIn() {
		const { code, state, iss } = Object.fromEntries(new URLSearchParams(location.search));
		const request = JSON.parse(sessionStorage.getItem('request'));

		if (!code)
			return;
		sessionStorage.removeItem('request');
		history.replaceState(null, '', redirectUri);
		if (state === request?.state && iss === authorizationServer)
			accessToken = await tokens({
				grant_type: 'authorization_code', code, redirect_uri: redirectUri,
				code_verifier: request.code_verifier,
			});
	}

	// A request to the API.  Null: nobody is signed in.
	async function call(method, url) {
		for (let attempt = 1; ; attempt++) {
			const token = accessToken ?? await refresh();

			if (!token)
				return null;
			const { response, error } = await send(method, url, { token });

			if (error !== 'invalid_token' || attempt > 1)
				return response;
			accessToken = null;
		}
	}

	async function signOut() {
		const token = await store.get('refresh_token');

		if (token)
			await fetch(`${authorizationServer}/revoke`, {
				method: 'POST',
				body: new URLSearchParams({ client_id: clientId, token }),
			});
		accessToken = null;
		await store.delete('refresh_token');
	}

	return { call, finishSignIn, refresh, signIn, signOut, thumbprint };
}
