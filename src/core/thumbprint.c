/*
 * thumbprint.c
 *		SHA-256 in base64url, see thumbprint.h.
 */
#include "../compat.h"

#include "base64url.h"
#include "thumbprint.h"

StaticAssertDecl(SCT_THUMBPRINT_LEN == SCT_BASE64URL_ENCODED_LEN(SCT_SHA256_LEN),
				 "SCT_THUMBPRINT_LEN is that of a SHA-256");

SctReason
sct_thumbprint_bytes(const void *data, size_t len, char *thumbprint)
{
	uint8		digest[SCT_SHA256_LEN];
	SctReason	reason = sct_crypto_sha256(data, len, digest);

	if (reason == SCT_OK)
		sct_base64url_encode(digest, sizeof(digest), thumbprint);
	return reason;
}

SctReason
sct_thumbprint_key(const SctJwk *jwk, char *thumbprint)
{
	char		canonical[SCT_JWK_CANONICAL_MAX];

	return sct_thumbprint_bytes(canonical, sct_jwk_canonical(jwk, canonical),
								thumbprint);
}
