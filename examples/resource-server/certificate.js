// certificate.js: the client certificate of a request.

import { BadRequest } from './http.js';

// Parameters for SQL: the certificate in DER where TLS ends here; the value and the
// format of the header where it ends at a proxy; all null where there is none.
//
// source is 'tls', or { header, format } with a format that certificate_from_header
// knows, or undefined where certificates are not used.  Only one of them is looked
// at: a header that no proxy of yours writes is the client's own.
export function clientCertificate(request, source) {
	if (source === undefined)
		return [null, null, null];
	if (source === 'tls')
		return [request.socket.getPeerX509Certificate()?.raw ?? null, null, null];

	const values = request.headersDistinct[source.header] ?? [];

	if (values.length > 1)
		throw new BadRequest(`more than one header ${source.header}`);
	return [null, values[0] ?? null, source.format];
}
