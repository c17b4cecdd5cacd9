// partner.js: a client with a certificate and no proofs: signs in, calls the API with
// the certificate, and once more without it.

import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import https from 'node:https';

const {
	AS_URL = 'https://localhost:8081', API_URL = 'https://localhost:8082',
	CLIENT_KEY, CLIENT_CERTIFICATE, SERVER_CERTIFICATE,
} = process.env;
const certificate = {
	key: readFileSync(CLIENT_KEY), cert: readFileSync(CLIENT_CERTIFICATE),
};
const client = { client_id: 'partner', redirect_uri: 'https://partner.example/callback' };

function send(url, { body, ...options }) {
	return new Promise((resolve, reject) => {
		const request = https.request(url,
			{ agent: false, ca: readFileSync(SERVER_CERTIFICATE), ...options },
			async (response) => {
				let text = '';

				for await (const chunk of response)
					text += chunk;
				resolve({ status: response.statusCode, headers: response.headers, text });
			});

		request.on('error', reject);
		request.end(body);
	});
}

// What the user's browser would do at the login page.
const code_verifier = randomBytes(32).toString('base64url');
const asked = new URLSearchParams({
	...client, response_type: 'code', scope: 'orders:read', code_challenge_method: 'S256',
	code_challenge: createHash('sha256').update(code_verifier).digest('base64url'),
});
const login = await send(`${AS_URL}/authorize?${asked}`, { method: 'POST' });
const code = new URL(login.headers.location).searchParams.get('code');

// The tokens are bound to the certificate of this connection.
const { text } = await send(`${AS_URL}/token`, {
	method: 'POST', ...certificate,
	body: new URLSearchParams({ ...client, grant_type: 'authorization_code', code, code_verifier })
		.toString(),
});
const headers = { Authorization: `Bearer ${JSON.parse(text).access_token}` };

for (const [name, options] of [['with', certificate], ['without', {}]]) {
	const answer = await send(`${API_URL}/orders`, { headers, ...options });

	console.log(`${name} the certificate: ${answer.status} ${answer.text}`);
	if (answer.headers['www-authenticate'])
		console.log(`WWW-Authenticate: ${answer.headers['www-authenticate']}`);
}
