// browser.js: a user with a browser: follows redirects, keeps cookies, fills forms.

import http from 'node:http';

export class Browser {
	#cookies = new Map();

	// By node:http, since the fetch of Debian 12 does not tell cookies apart.
	async #request(url, form) {
		const request = http.request(url, {
			method: form ? 'POST' : 'GET',
			headers: {
				cookie: [...this.#cookies].map((pair) => pair.join('=')).join('; '),
				...(form && { 'content-type': 'application/x-www-form-urlencoded' }),
			},
		});
		const response = await new Promise((resolve, reject) => {
			request.on('response', resolve).on('error', reject);
			request.end(form && new URLSearchParams(form).toString());
		});
		let page = '';

		for await (const chunk of response.setEncoding('utf8'))
			page += chunk;
		for (const cookie of response.headers['set-cookie'] ?? []) {
			const [, name, value] = cookie.match(/^([^=]+)=([^;]*)/);

			if (value)
				this.#cookies.set(name, value);
			else
				this.#cookies.delete(name);
		}
		return { status: response.statusCode, location: response.headers.location, page };
	}

	// Logs in and consents, as the pages ask for it.  Gives the URL, beginning with
	// redirectUri, to which the browser is sent in the end.
	async authorize(url, redirectUri, login) {
		let answer = await this.#request(url);

		for (let steps = 0; steps < 20; steps++) {
			const { status, location, page } = answer;

			if (location?.startsWith(redirectUri))
				return new URL(location);
			if (location) {
				url = new URL(location, url);
				answer = await this.#request(url);
				continue;
			}
			const [, action] = page.match(/<form[^>]* action="([^"]+)"/) ?? [];
			const [, prompt] = page.match(/name="prompt" value="([^"]+)"/) ?? [];

			if (!action)
				throw new Error(`${status} ${url}: ${page}`);
			url = new URL(action, url);
			answer = await this.#request(url, { prompt, login, password: 'any' });
		}
		throw new Error(`does not come to an end: ${url}`);
	}
}
