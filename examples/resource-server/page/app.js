// app.js: shows the orders of who is signed in, and the requests that it took.

import { openClient } from './dpop.js';

const element = (id) => document.getElementById(id);

function line(list, text) {
	const item = document.createElement('li');

	item.textContent = text;
	element(list).append(item);
}

const configuration = await (await fetch('configuration.json')).json();
const client = await openClient(configuration, ({ method, path, status, error }) =>
	line('requests', `${method} ${path} ${status} ${error ?? ''}`));
const url = `${configuration.api}/orders`;

// Runs one action at a time, and then shows how things are.
async function act(action) {
	for (const button of document.querySelectorAll('button'))
		button.disabled = true;
	element('status').textContent = 'Working';
	try {
		await action();
		const response = await client.call('GET', url);

		element('orders').replaceChildren();
		for (const order of response?.ok ? await response.json() : [])
			line('orders', `Order ${order.id}`);
		if (response && !response.ok)
			throw new Error(`${response.status}`);
		element('sign-in').hidden = response !== null;
		for (const id of ['place', 'refresh', 'sign-out'])
			element(id).hidden = response === null;
		element('status').textContent = response ? 'Signed in' : 'Signed out';
	} catch (error) {
		element('status').textContent = `That did not work: ${error.message}`;
	}
	for (const button of document.querySelectorAll('button'))
		button.disabled = false;
}

const actions = {
	'sign-in': () => client.signIn('orders:read orders:write'),
	place: () => client.call('POST', url),
	refresh: () => client.refresh(),
	'sign-out': () => client.signOut(),
};

for (const [id, action] of Object.entries(actions))
	element(id).addEventListener('click', () => act(action));
element('thumbprint').textContent = client.thumbprint;
await act(client.finishSignIn);
