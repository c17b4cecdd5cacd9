// page.js: the server of the page, which is nothing but files.

import { readFile } from 'node:fs/promises';

import { handler, path } from './http.js';

const files = {
	'/': ['index.html', 'text/html'],
	'/app.js': ['app.js', 'text/javascript'],
	'/dpop.js': ['dpop.js', 'text/javascript'],
	'/style.css': ['style.css', 'text/css'],
};

// A handler for http.createServer.  configuration is what the page gets to know.
// A script that somebody gets into the page can use the key while the page is open,
// so no script runs but those of these files, and nothing is sent to anybody else.
export function page(configuration) {
	const { authorizationServer, api } = configuration;

	return handler(async (request, response) => {
		const name = path(request);
		const [file, type] = files[name] ?? [];

		response.setHeader('Cache-Control', 'no-store');
		response.setHeader('Content-Security-Policy', "default-src 'none'; script-src 'self'; " +
			`style-src 'self'; connect-src 'self' ${authorizationServer} ${api}; ` +
			"base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
		response.setHeader('Referrer-Policy', 'no-referrer');
		response.setHeader('X-Content-Type-Options', 'nosniff');
		if (name === '/configuration.json')
			response.setHeader('Content-Type', 'application/json')
				.end(JSON.stringify(configuration));
		else if (file)
			response.setHeader('Content-Type', `${type}; charset=utf-8`)
				.end(await readFile(new URL(`page/${file}`, import.meta.url)));
		else
			response.writeHead(404).end();
	});
}
