// chromium.js: a headless Chromium, driven with the DevTools protocol over a pipe
// (https://chromedevtools.github.io/devtools-protocol).

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';

const patience = 60000;	// milliseconds

function foldersIn(name) {
	if (!existsSync(name))
		return [];
	return readdirSync(name, { withFileTypes: true })
		.filter((entry) => entry.isDirectory()).map((entry) => `${name}/${entry.name}`);
}

// Where the libraries are that were unpacked beside the program, as variables of the
// environment: some packages put theirs into a folder of their own.
function libraries(program) {
	const [unpacked, inside] = program.split('/usr/lib/chromium/');

	if (unpacked === '' || inside === undefined)
		return {};

	const folders = [`${unpacked}/lib`, `${unpacked}/usr/lib`].flatMap(foldersIn)
		.filter((name) => name.includes('-linux-'));

	return { LD_LIBRARY_PATH: folders.flatMap((name) => [name, ...foldersIn(name)]).join(':') };
}

// Starts the program, which ends with the test t.  Its profile is kept in a folder of
// its own.  No sandbox: it visits nothing but the example, and may be run as root or
// where user namespaces are not to be had.
export async function startChromium(t, program) {
	const profile = mkdtempSync(`${tmpdir()}/chromium-`);
	const child = spawn(program, ['--headless', '--no-sandbox', '--disable-gpu',
		'--disable-dev-shm-usage', '--no-first-run', '--remote-debugging-pipe',
		`--user-data-dir=${profile}`], {
		stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
		env: { ...process.env, HOME: profile, ...libraries(program) },
	});
	const [, , , input, output] = child.stdio;
	const waiting = new Map();
	const listeners = new Set();
	let last = 0;
	let rest = Buffer.alloc(0);

	function receive({ id, error, result, ...event }) {
		if (id === undefined) {
			listeners.forEach((listener) => listener(event));
			return;
		}
		const { resolve, reject } = waiting.get(id);

		waiting.delete(id);
		if (error)
			reject(new Error(error.message));
		else
			resolve(result);
	}

	// Messages end with a null byte.
	output.on('data', (chunk) => {
		rest = Buffer.concat([rest, chunk]);
		for (let end; (end = rest.indexOf(0)) >= 0; rest = rest.subarray(end + 1))
			receive(JSON.parse(rest.toString('utf8', 0, end)));
	});
	child.on('exit', () => waiting.forEach(({ reject }) => reject(new Error('Chromium ended'))));
	input.on('error', () => {});
	await once(child, 'spawn');

	function send(method, params = {}, sessionId = undefined) {
		return new Promise((resolve, reject) => {
			waiting.set(++last, { resolve, reject });
			input.write(JSON.stringify({ id: last, method, params, sessionId }) + '\0');
		});
	}

	// It is asked to end, since its processes would go on writing for a moment if it
	// were killed.
	t.after(async () => {
		const ended = once(child, 'exit');

		if (child.exitCode === null && child.signalCode === null) {
			send('Browser.close').catch(() => {});
			const killer = setTimeout(() => child.kill('SIGKILL'), patience);

			await ended;
			clearTimeout(killer);
		}
		await rm(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
	});
	return { send, listeners };
}

// Opens a page in which events of the domains are told to listen.
export async function openPage({ send, listeners }, url, listen = () => {}) {
	const { targetId } = await send('Target.createTarget', { url: 'about:blank' });
	const { sessionId } = await send('Target.attachToTarget', { targetId, flatten: true });
	const call = (method, params) => send(method, params, sessionId);

	listeners.add((event) => {
		if (event.sessionId === sessionId)
			listen(event);
	});
	for (const domain of ['Page', 'Runtime', 'Network', 'Log'])
		await call(`${domain}.enable`);

	// The value of an expression, which may be a promise, in the page.
	async function evaluate(expression) {
		const { result, exceptionDetails } = await call('Runtime.evaluate',
			{ expression, awaitPromise: true, returnByValue: true, userGesture: true });

		if (exceptionDetails)
			throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
		return result.value;
	}

	// Waits for an expression to be true, also across a navigation, in which there is
	// nothing to ask.
	async function until(expression) {
		for (const end = Date.now() + patience; ;) {
			try {
				if (await evaluate(expression))
					return;
			} catch (error) {
				if (Date.now() > end)
					throw error;
			}
			if (Date.now() > end)
				throw new Error(`never true: ${expression}\n` +
					await evaluate('document.body.innerText'));
			await new Promise((resolve) => setTimeout(resolve, 50));
		}
	}

	await call('Page.navigate', { url });
	return { call, evaluate, until };
}
