// webcrypto.js: Node 18 has Web Crypto, which jose uses, but not as globals.

import { webcrypto } from 'node:crypto';

globalThis.crypto ??= webcrypto;
globalThis.CryptoKey ??= webcrypto.CryptoKey;
