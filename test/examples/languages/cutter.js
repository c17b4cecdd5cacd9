// cutter.js: a way to the server on which connections break at a moment of choice.

import net from 'node:net';

// Listens at a socket in the folder and leads to the server at another one.  cut says
// what happens to the first connection that rotates a token, or to all of them:
// nothing, or that it breaks
//	'before'	the call has reached the server
//	'after'		the server has committed, and before its answer has arrived
export async function startCutter(t, folder, upstream) {
	const state = { cut: null, times: 1, count: 0 };
	const server = net.createServer((client) => {
		const server = net.connect(upstream);
		let asked = false;
		let answered = false;
		let rest = Buffer.alloc(0);

		function breakOff() {
			state.count++;
			client.destroy();
			server.destroy();
		}

		// The rest of a message of the server, whose first bytes are its type and length
		// (protocol, "Message Formats").  True: it was idle after a row of the call.
		function committed(chunk) {
			let end = false;

			rest = Buffer.concat([rest, chunk]);
			while (rest.length >= 5 && rest.length > rest.readUInt32BE(1)) {
				const type = String.fromCharCode(rest[0]);

				answered ||= asked && type === 'D';
				end ||= answered && type === 'Z' && rest[5] === 'I'.charCodeAt(0);
				rest = rest.subarray(rest.readUInt32BE(1) + 1);
			}
			return end;
		}

		client.on('data', (chunk) => {
			asked ||= chunk.includes('sctoken.rotate');
			if (asked && state.cut === 'before' && state.count < state.times)
				breakOff();
			else
				server.write(chunk);
		});
		server.on('data', (chunk) => {
			if (committed(chunk) && state.cut === 'after' && state.count < state.times)
				breakOff();
			else
				client.write(chunk);
		});
		client.on('end', () => server.end());
		server.on('end', () => client.end());
		client.on('error', () => server.destroy());
		server.on('error', () => client.destroy());
	});

	await new Promise((resolve) => server.listen(`${folder}/.s.PGSQL.5432`, resolve));
	t.after(() => server.close());
	return state;
}
