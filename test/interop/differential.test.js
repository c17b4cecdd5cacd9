// differential.test.js: mutated proofs, judged by sctoken and by a verifier made of
// npm's jose as its documentation shows.  Each kind of disagreement has a reason in
// the list below and in doc/dpop.md; one that has none is a failure.
//
// SCTOKEN_MUTATIONS: how many proofs (2000); SCTOKEN_SEED: which ones.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import test from 'node:test';

import {
	accessToken, base64url, decode, htm, htu, keyFor, publicJwk, sha256,
} from './client.js';

// After client.js, which gives Node 18 its global crypto.
const jose = await import('jose');

const count = Number(process.env.SCTOKEN_MUTATIONS ?? 2000);
const seed = Number(process.env.SCTOKEN_SEED ?? 9449);
const now = 1700000000;
const maxAge = 60;
const futureSkew = 10;

// jose has no Ed448.
const algs = Object.keys(keyFor).filter((alg) => alg !== 'Ed448');

// What one of the two refuses and the other one takes, and why that is right.
// The word is sctoken's reason, or what the verifier made of jose threw.
const known = {
	'sctoken refuses: base64url': 'only canonical base64url: one proof has one text',
	'sctoken refuses: json': 'strict UTF-8, no BOM, no \\u0000, no lone surrogate',
	'sctoken refuses: json_duplicate': 'two members of one name mean two things to two parsers',
	'sctoken refuses: json_limit': 'nesting and size are bounded before anything is built',
	'sctoken refuses: too_long': 'a proof has at most 8192 bytes',
	'sctoken refuses: typ': 'exactly dpop+jwt (RFC 9449 4.2); jose adds application/ and ignores case',
	'sctoken refuses: crit': 'b64 and crit are understood by nobody here',
	'sctoken refuses: jwk': 'exact widths and canonical integers: one key has one thumbprint',
	'sctoken refuses: private_key': 'a private member is refused whatever its value and the kind of key',
	'sctoken refuses: htu': 'RFC 3986 on the escaped text, not the guesses of a browser',
	'sctoken refuses: exp': 'a finite number; 1e400 is infinity to a JavaScript parser',
	'sctoken refuses: jti': '1 to 256 bytes',
	'sctoken refuses: nonce_type': 'a nonce is a string, asked for or not',
	'sctoken refuses: nonce_syntax': 'a nonce is 1 to 256 NQCHAR (RFC 9449 8.1), asked for or not',
	'jose refuses: ext': 'ext is of the Web Crypto API and says nothing of a proof',
	'jose refuses: htu': 'percent-encoded unreserved characters are those characters (RFC 3986 6.2.2.2)',
};

// mulberry32
let state = seed >>> 0;
function random(n) {
	state = state + 0x6d2b79f5 | 0;
	let t = Math.imul(state ^ state >>> 15, 1 | state);

	t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t;
	return Math.floor(((t ^ t >>> 14) >>> 0) / 4294967296 * n);
}

function pick(list) {
	return list[random(list.length)];
}

function signed(header, claims, alg, encode = base64url) {
	const pair = keyFor[alg];
	const input = `${encode(header)}.${encode(claims)}`;
	const hash = alg.startsWith('Ed') ? null : `sha${alg.slice(2)}`;
	const signature = crypto.sign(hash, Buffer.from(input), {
		key: pair.privateKey,
		dsaEncoding: 'ieee-p1363',
		...alg.startsWith('PS') && {
			padding: crypto.constants.RSA_PKCS1_PSS_PADDING,
			saltLength: crypto.constants.RSA_PSS_SALTLEN_DIGEST,
		},
	});

	return `${input}.${signature.toString('base64url')}`;
}

const values = [
	'null', 'true', 'false', '0', '-0', '1', '-1', '1.5', '1e3', '1e400', '""', '"x"', '[]',
	'{}', '["dpop+jwt"]', '"\\u0000"', '"\\ud800"', '"é"', '"\\u00e9"', `"${'x'.repeat(300)}"`,
	'9007199254740993', `${now}`, `${now}.0`, `"${now}"`, `${now}e0`, `${now / 10}e1`,
];
const uris = [
	`${htu}?a=b`, `${htu}#f`, `${htu}/`, htu.toUpperCase(), 'HTTPS://SERVER.example.com/resource',
	'https://server.example.com:443/resource', 'https://server.example.com:0443/resource',
	'https://server.example.com:/resource', 'https://server.example.com/%72esource',
	'https://server.example.com/a/../resource', 'https://server.example.com/./resource',
	'https://server.example.com/%2e/resource', 'https:\\\\server.example.com\\resource',
	'https:/server.example.com/resource', 'https:server.example.com/resource',
	' https://server.example.com/resource', 'https://server.example.com/resource ',
	'https://server.exa\\tmple.com/resource', 'https://user@server.example.com/resource',
	'https://server%2eexample.com/resource', 'https://server.example.com./resource',
	'https://server.example.com//resource', 'https://server.example.com/resource%',
	'http://server.example.com/resource', '//server.example.com/resource', '/resource', '',
	'https://\\uff53erver.example.com/resource', 'https://server.example.com/resourc\\u00e9',
];

// Header and claims as lists of members, texts of JSON, so that they can have any
// member twice.
function parts(alg) {
	const jwk = Object.entries(publicJwk(keyFor[alg])).map(([k, v]) => [k, JSON.stringify(v)]);

	return {
		header: [['typ', '"dpop+jwt"'], ['alg', JSON.stringify(alg)], ['jwk', jwk]],
		claims: [
			['jti', JSON.stringify(`jti-${random(1e9)}`)], ['htm', JSON.stringify(htm)],
			['htu', JSON.stringify(htu)], ['iat', String(now)],
			['ath', JSON.stringify(sha256(accessToken))],
		],
	};
}

function json(members) {
	return `{${members.map(([k, v]) =>
		`"${k}":${Array.isArray(v) ? json(v) : v}`).join(',')}}`;
}

// The text of a member's value in its place.
function set(members, name, value) {
	const found = members.find(([k]) => k === name);

	if (found === undefined)
		members.push([name, value]);
	else
		found[1] = value;
}

function anyMembers({ header, claims }) {
	return pick([header, claims, header.find(([k]) => k === 'jwk')[1]]);
}

// Edits of the JSON, after which the proof is signed again.
const edits = {
	nothing() {},
	'member removed': (p) => {
		const members = anyMembers(p);

		members.splice(random(members.length), 1);
	},
	'value replaced': (p) => {
		const member = pick(anyMembers(p));

		member[1] = pick(values);
	},
	'member twice': (p) => {
		const members = anyMembers(p);
		const [name, value] = pick(members);

		members.splice(random(members.length + 1), 0, [name, random(2) ? value : pick(values)]);
	},
	'member twice, escaped': (p) => {
		const members = anyMembers(p);
		const [name, value] = pick(members);

		members.push([`\\u00${name.charCodeAt(0).toString(16)}${name.slice(1)}`, value]);
	},
	'name escaped': (p) => {
		const member = pick(anyMembers(p));
		const [name] = member;

		member[0] = `\\u00${name.charCodeAt(0).toString(16)}${name.slice(1)}`;
	},
	'member added': (p) => {
		anyMembers(p).push([pick([
			'exp', 'nbf', 'nonce', 'ath', 'iss', 'sub', 'aud', 'crit', 'b64', 'kid', 'jku', 'x5c',
			'cty', 'zip', 'd', 'p', 'k', 'priv', 'oth', 'use', 'key_ops', 'alg', 'ext', 'kty', 'x',
		]), pick([...values, '"sig"', '"enc"', '["verify"]', '["sign"]', '["exp"]', '["b64"]',
			`${now + 5}`, `${now - 5}`, `${now - 100}`, `${now + 100}`, '"ES256"', '"RS256"'])]);
	},
	typ: (p) => set(p.header, 'typ', pick(['"DPOP+JWT"', '"dpop+JWT"', '"application/dpop+jwt"',
		'"JWT"', '"dpop+jwt "', '"dpop\\u002bjwt"', '"dpop"'])),
	alg: (p) => set(p.header, 'alg', JSON.stringify(pick([...algs, 'none', 'HS256', 'es256',
		'ES256K', '']))),
	htu: (p) => set(p.claims, 'htu', `"${pick(uris)}"`),
	htm: (p) => set(p.claims, 'htm', pick(['"post"', '"GET"', '"POST "', '"\\u0050OST"'])),
	iat: (p) => set(p.claims, 'iat', String(pick([now - maxAge - 1, now - maxAge, now - 1, now + 1,
		now + futureSkew, now + futureSkew + 1, `${now - 5}.25`, now + 1e10, -now, now * 1000,
		`${now}e-1`, `0${now}`, `+${now}`]))),
	ath: (p) => set(p.claims, 'ath', pick(['""', `"${sha256('another')}"`,
		`"${sha256(accessToken)}="`])),
	nonce: (p) => set(p.claims, 'nonce', pick(['"n"', '""', '"a b"', '"a\\"b"', '1', 'null', '"é"',
		`"${'n'.repeat(257)}"`])),
	jti: (p) => set(p.claims, 'jti', pick(['"\\u0000"', '"a\\u0000b"', '"\\udc00"', '"\\ud83d\\ude00"',
		`"${'j'.repeat(256)}"`, `"${'j'.repeat(257)}"`, '1'])),
	coordinate: (p) => {
		const member = pick(p.header[2][1].filter(([k]) => ['x', 'y', 'n', 'e'].includes(k)));
		const bytes = Buffer.from(JSON.parse(member[1]), 'base64url');

		member[1] = JSON.stringify(pick([
			() => Buffer.concat([Buffer.alloc(1), bytes]).toString('base64url'),
			() => bytes.subarray(1).toString('base64url'),
			() => `${bytes.toString('base64url')}=`,
			() => bytes.toString('base64'),
			() => Buffer.alloc(bytes.length).toString('base64url'),
			() => crypto.createHash('sha256').update(bytes).digest('base64url'),
		])());
	},
	deep: (p) => anyMembers(p).push(['deep', `${'['.repeat(50)}${']'.repeat(50)}`]),
	wide: (p) => anyMembers(p).push(['wide', `[${'0,'.repeat(300)}0]`]),
	long: (p) => p.claims.push(['long', `"${'x'.repeat(7000)}"`]),
};

// Changes of the JSON's text, signed again too.
const texts = {
	'white space': (text) => text.replaceAll(':', ' : ').replaceAll(',', ',\n\t'),
	'text before': (text) => pick([' ', '\ufeff', 'x', '\0']) + text,
	'text after': (text) => text + pick([' ', '\n', 'x', '{}', '\0', ',']),
	'comment': (text) => `${text.slice(0, -1)}/**/}`,
	'comma too many': (text) => `${text.slice(0, -1)},}`,
	'single quotes': (text) => text.replaceAll('"', '\''),
	'array': (text) => `[${text}]`,
	'no UTF-8': (text) => Buffer.concat([
		Buffer.from(`${text.slice(0, -1)},"u":"`), pick([[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80],
			[0xf5, 0x80, 0x80, 0x80], [0xe9]].map(Buffer.from)), Buffer.from('"}')]),
	'control character': (text) => `${text.slice(0, -1)},"u":"${pick(['\t', '\n', '\x01', '\x7f'])}"}`,
};

// Changes of the encoding, signed over what they give.
const stray = { A: 'B', Q: 'R', g: 'h', w: 'x', E: 'F', I: 'J', M: 'N', U: 'V', Y: 'Z' };
const encodings = {
	padding: (text) => `${base64url(text)}=`,
	'white space': (text) => base64url(text).replace(/^(.{9})/, `$1${pick([' ', '\n', '\t'])}`),
	'another alphabet': (text) => Buffer.from(text).toString('base64'),
	'stray bits': (text) => {
		const encoded = base64url(text);

		return encoded.length % 4 === 0 ? encoded
			: encoded.replace(/.$/, (last) => stray[last] ?? last);
	},
};

// Changes of the finished text.
const endings = {
	'bit flipped': (proof) => {
		const at = random(proof.length);
		const flipped = proof.charCodeAt(at) ^ 1 << random(7);

		return proof.slice(0, at) + (flipped ? String.fromCharCode(flipped) : '')
			+ proof.slice(at + 1);
	},
	'character removed': (proof) => {
		const at = random(proof.length);

		return proof.slice(0, at) + proof.slice(at + 1);
	},
	'character added': (proof) => {
		const at = random(proof.length + 1);

		return proof.slice(0, at) + pick(['A', '.', '=', ' ', '\n', '+', '-', '\u00e9'])
			+ proof.slice(at);
	},
	'cut off': (proof) => proof.slice(0, random(proof.length)),
	'part added': (proof) => `${proof}.AA`,
	'signature padded': (proof) => `${proof}=`,
	'signature with stray bits': (proof) => proof.replace(/.$/, (last) => stray[last] ?? last),
	'signature doubled': (proof) => proof + proof.split('.')[2],
	'key of another': (proof) => {
		const [, claims, signature] = proof.split('.');
		const { header } = parts(pick(algs));

		return `${base64url(json(header))}.${claims}.${signature}`;
	},
};

const mutations = [
	...Object.entries(edits).flatMap(([name, edit]) => Array(3).fill([`edit: ${name}`, (alg) => {
		const p = parts(alg);

		edit(p);
		return signed(json(p.header), json(p.claims), alg);
	}])),
	...Object.entries(texts).map(([name, change]) => [`text: ${name}`, (alg) => {
		const { header, claims } = parts(alg);

		return random(2) ? signed(change(json(header)), json(claims), alg)
			: signed(json(header), change(json(claims)), alg);
	}]),
	...Object.entries(encodings).map(([name, encode]) => [`encoding: ${name}`, (alg) => {
		const { header, claims } = parts(alg);

		return signed(json(header), json(claims), alg, encode);
	}]),
	...Object.entries(endings).flatMap(([name, change]) => Array(3).fill([`end: ${name}`, (alg) => {
		const { header, claims } = parts(alg);

		return change(signed(json(header), json(claims), alg));
	}])),
];

// Is "ext" of the key no boolean?
function hasOddExt(proof) {
	try {
		return !['undefined', 'boolean'].includes(typeof decode(proof).header.jwk.ext);
	} catch {
		return false;
	}
}

// A verifier as applications write it: jose for the JWS and the times, the URL class
// for htu.  Null, or what is wrong.
async function joseVerdict(proof) {
	let claims;

	try {
		({ payload: claims } = await jose.jwtVerify(proof, jose.EmbeddedJWK, {
			typ: 'dpop+jwt', algorithms: algs, currentDate: new Date(now * 1000),
			maxTokenAge: maxAge, clockTolerance: futureSkew,
			requiredClaims: ['jti', 'htm', 'htu', 'iat', 'ath'],
		}));
	} catch (error) {
		if (error.code === 'ERR_JWS_INVALID' && hasOddExt(proof))
			return 'ext';
		return error.claim ?? error.code ?? error.name;
	}
	if (typeof claims.jti !== 'string' || claims.jti === '')
		return 'jti';
	if (claims.htm !== htm)
		return 'htm';
	if (claims.ath !== sha256(accessToken))
		return 'ath';
	if (claims.iat > now + futureSkew || claims.iat < now - maxAge)
		return 'iat';
	try {
		const url = new URL(claims.htu);

		url.search = '';
		url.hash = '';
		if (url.href !== htu)
			return 'htu';
	} catch {
		return 'htu';
	}
	return null;
}

// The verdicts of sctoken, in one query.
function sctokenVerdicts(proofs) {
	const file = `${process.cwd()}/proofs-${process.pid}`;

	fs.writeFileSync(file, proofs.map((proof, n) =>
		`${n}\t${Buffer.from(proof).toString('hex')}\n`).join(''));
	const output = execFileSync('psql', ['-XAtq', '-v', 'ON_ERROR_STOP=1'], {
		encoding: 'utf8',
		maxBuffer: 1 << 28,
		input: `
CREATE TEMP TABLE mutation (n integer, hex text);
\\copy mutation FROM '${file}'
SELECT coalesce(v.reason, '')
FROM mutation, sctoken.dpop_verify(convert_from(decode(hex, 'hex'), 'UTF8'), '${htm}', '${htu}',
	'${accessToken}', algs => '{${algs}}', max_age => '${maxAge} s',
	future_skew => '${futureSkew} s', at => to_timestamp(${now})) AS v
ORDER BY n;
`,
	});

	fs.unlinkSync(file);
	return output.split('\n').slice(0, -1).map((reason) => reason || null);
}

test(`${count} mutated proofs, seed ${seed}`, async (t) => {
	const made = Array.from({ length: count }, () => {
		const [name, mutate] = pick(mutations);
		const alg = pick(algs);

		return { name, alg, proof: mutate(alg) };
	});
	const ours = sctokenVerdicts(made.map(({ proof }) => proof));
	const classes = new Map();
	let both = 0;

	assert.equal(ours.length, count);
	for (const [n, { name, alg, proof }] of made.entries()) {
		const theirs = await joseVerdict(proof);

		both += ours[n] === null && theirs === null;
		if ((ours[n] === null) === (theirs === null))
			continue;
		const which = ours[n] === null ? `jose refuses: ${theirs}` : `sctoken refuses: ${ours[n]}`;
		const found = classes.get(which) ?? { count: 0, by: new Set(), example: `${alg} ${proof}` };

		found.count++;
		found.by.add(name);
		classes.set(which, found);
	}

	t.diagnostic(`accepted by both: ${both}`);
	for (const [which, { count: times, by, example }] of [...classes].sort()) {
		t.diagnostic(`${which}: ${times} (${[...by].sort().join(', ')})`);
		if (!(which in known))
			t.diagnostic(`unknown, for example: ${example}`);
	}
	assert.ok(both > count / 50, 'some proofs are good');
	assert.deepEqual([...classes.keys()].filter((which) => !(which in known)), []);
});
