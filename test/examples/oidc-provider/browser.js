// browser.js: a user with a browser: follows redirects, keeps cookies, fills forms.

export class Browser {
	#cookies = new Map();

	async #fetch(url, options = {}) {
		const response = await fetch(url, {
			redirect: 'manual',
			...options,
			headers: {
				...options.headers,
				cookie: [...this.#cookies].map((pair) => pair.join('=')).join('; '),
			},
		});

		for (const cookie of response.headers.getSetCookie()) {
			const [, name, value] = cookie.match(/^([^=]+)=([^;]*)/);

			if (value)
				this.#cookies.set(name, value);
			else
				this.#cookies.delete(name);
		}
		return response;
	}

	// Logs in and consents, as the pages ask for it.  Gives the URL, beginning with
	// redirectUri, to which the browser is sent in the end.
	async authorize(url, redirectUri, login) {
		let response = await this.#fetch(url);

		for (let steps = 0; steps < 20; steps++) {
			const location = response.headers.get('location');

			if (location?.startsWith(redirectUri))
				return new URL(location);
			if (location) {
				url = new URL(location, url);
				response = await this.#fetch(url);
				continue;
			}
			const page = await response.text();
			const [, action] = page.match(/<form[^>]* action="([^"]+)"/) ?? [];
			const [, prompt] = page.match(/name="prompt" value="([^"]+)"/) ?? [];

			if (!action)
				throw new Error(`${response.status} ${url}: ${page}`);
			url = new URL(action, url);
			response = await this.#fetch(url, {
				method: 'POST',
				headers: { 'content-type': 'application/x-www-form-urlencoded' },
				body: new URLSearchParams({ prompt, login, password: 'any' }).toString(),
			});
		}
		throw new Error(`does not come to an end: ${url}`);
	}
}
