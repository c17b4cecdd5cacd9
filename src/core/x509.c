/*
 * x509.c
 *		X.509 certificates as OpenSSL reads them, see x509.h.
 *
 * Nothing here throws, so that no handle is lost to a longjmp.
 */
#include "../compat.h"

#include <openssl/err.h>
#include <openssl/x509.h>

#include "certificate.h"
#include "x509.h"

/* Is der what OpenSSL makes of the certificate again? */
static bool
is_canonical(X509 *x509, const uint8 *der, size_t len)
{
	unsigned char *again = NULL;
	int			again_len = i2d_X509(x509, &again);
	bool		same;

	same = again_len > 0 && (size_t) again_len == len &&
		memcmp(again, der, len) == 0;
	OPENSSL_free(again);
	return same;
}

SctReason
sct_x509_parse(const uint8 *der, size_t len, SctX509 **x509)
{
	const unsigned char *at = der;
	SctReason	reason = SCT_OK;

	*x509 = NULL;
	if (len > SCT_X509_MAX_LEN || !sct_certificate_outline(der, len))
		return SCT_CERTIFICATE;

	ERR_set_mark();
	*x509 = d2i_X509(NULL, &at, (long) len);
	if (*x509 == NULL || at != der + len || !is_canonical(*x509, der, len))
	{
		X509_free(*x509);
		*x509 = NULL;
		reason = SCT_CERTIFICATE;
	}
	ERR_pop_to_mark();
	return reason;
}

void
sct_x509_free(SctX509 *x509)
{
	X509_free(x509);
}
