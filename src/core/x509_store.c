/*
 * x509_store.c
 *		Whether a certificate leads to a trusted CA, see x509_store.h.
 *
 * OpenSSL builds and checks the path (X509_verify_cert).  What is ours is that time,
 * purpose and security level are always set, that a CA is no client, and what a
 * missing CRL means.
 */
#include "../compat.h"

#include <openssl/err.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "x509_info.h"
#include "x509_store.h"

#define SECURITY_LEVEL	2		/* 112 bits */

struct SctX509Store
{
	X509_STORE *store;
	SctX509StoreOptions options;
	bool		has_crl;
};

SctX509Store *
sct_x509_store_make(const SctX509StoreOptions *options)
{
	SctX509Store *store = calloc(1, sizeof(SctX509Store));

	if (store == NULL)
		return NULL;
	store->options = *options;
	ERR_set_mark();
	store->store = X509_STORE_new();
	ERR_pop_to_mark();
	if (store->store == NULL)
	{
		free(store);
		return NULL;
	}
	return store;
}

SctReason
sct_x509_store_add_ca(SctX509Store *store, const uint8 *der, size_t len)
{
	SctX509    *ca;
	SctReason	reason = sct_x509_parse(der, len, &ca);

	if (reason != SCT_OK)
		return reason;
	ERR_set_mark();
	if (!sct_x509_is_ca(ca))
		reason = SCT_CERTIFICATE;
	else if (X509_STORE_add_cert(store->store, ca) != 1)
		reason = SCT_INTERNAL;
	ERR_pop_to_mark();
	sct_x509_free(ca);
	return reason;
}

/*
 * Does the CRL say of every certificate of its issuer whether it is revoked, and
 * until when it says so?  OpenSSL would take a delta CRL for a whole one, and pass
 * over one that is for some reasons or other issuers only.
 */
static bool
crl_is_whole(const X509_CRL *crl)
{
	ISSUING_DIST_POINT *point;
	int			critical;
	bool		whole;

	if (X509_CRL_get0_nextUpdate(crl) == NULL ||
		X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0)
		return false;
	point = X509_CRL_get_ext_d2i(crl, NID_issuing_distribution_point,
								 &critical, NULL);

	/* -1: there is none */
	if (point == NULL)
		return critical == -1;
	whole = point->onlysomereasons == NULL && point->indirectCRL <= 0;
	ISSUING_DIST_POINT_free(point);
	return whole;
}

static X509_CRL *
crl_parse(const uint8 *der, size_t len)
{
	const unsigned char *at = der;
	X509_CRL   *crl;

	if (len > SCT_X509_MAX_CRL)
		return NULL;
	crl = d2i_X509_CRL(NULL, &at, (long) len);
	if (crl != NULL && (at != der + len || !crl_is_whole(crl)))
	{
		X509_CRL_free(crl);
		crl = NULL;
	}
	return crl;
}

bool
sct_x509_is_crl(const uint8 *der, size_t len)
{
	X509_CRL   *crl;

	ERR_set_mark();
	crl = crl_parse(der, len);
	X509_CRL_free(crl);
	ERR_pop_to_mark();
	return crl != NULL;
}

SctReason
sct_x509_store_add_crl(SctX509Store *store, const uint8 *der, size_t len)
{
	X509_CRL   *crl;
	SctReason	reason = SCT_OK;

	ERR_set_mark();
	crl = crl_parse(der, len);
	if (crl == NULL)
		reason = SCT_CERTIFICATE;
	else if (X509_STORE_add_crl(store->store, crl) != 1)
		reason = SCT_INTERNAL;
	X509_CRL_free(crl);
	ERR_pop_to_mark();
	if (reason == SCT_OK)
		store->has_crl = true;
	return reason;
}

void
sct_x509_store_free(SctX509Store *store)
{
	if (store == NULL)
		return;
	X509_STORE_free(store->store);
	free(store);
}

/*
 * Lets pass that a certificate has no CRL, where it need not have one.  The trusted
 * one never need: where it is not self-signed, whoever could revoke it is not
 * trusted here.
 */
static int
verify_callback(int ok, X509_STORE_CTX *ctx)
{
	const SctX509Store *store = X509_STORE_CTX_get_app_data(ctx);
	int			error = X509_STORE_CTX_get_error(ctx);
	int			depth = X509_STORE_CTX_get_error_depth(ctx);
	bool		trusted = depth > 0 &&
		depth == sk_X509_num(X509_STORE_CTX_get0_chain(ctx)) - 1;

	if (ok || (error == X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER && trusted))
		return 1;
	if (error != X509_V_ERR_UNABLE_TO_GET_CRL)
		return 0;
	if (trusted)
		return 1;
	switch (store->options.crl_check)
	{
		case SCT_CRL_IF_PRESENT:
			return 1;
		case SCT_CRL_LEAF:
			return depth > 0;
		case SCT_CRL_CHAIN:
			break;
	}
	return 0;
}

static SctReason
reason_of(int error)
{
	switch (error)
	{
		case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
		case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
		case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
		case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
		case X509_V_ERR_CERT_UNTRUSTED:
			return SCT_ISSUER;
		case X509_V_ERR_INVALID_CA:
		case X509_V_ERR_KEYUSAGE_NO_CERTSIGN:
			return SCT_NOT_A_CA;
		case X509_V_ERR_PATH_LENGTH_EXCEEDED:
		case X509_V_ERR_CERT_CHAIN_TOO_LONG:
			return SCT_PATH_LENGTH;
		case X509_V_ERR_CERT_SIGNATURE_FAILURE:
			return SCT_CHAIN_SIGNATURE;
		case X509_V_ERR_CERT_HAS_EXPIRED:
			return SCT_EXPIRED;
		case X509_V_ERR_CERT_NOT_YET_VALID:
			return SCT_NOT_YET_VALID;
		case X509_V_ERR_INVALID_PURPOSE:
			return SCT_PURPOSE;
		case X509_V_ERR_EE_KEY_TOO_SMALL:
		case X509_V_ERR_CA_KEY_TOO_SMALL:
		case X509_V_ERR_CA_MD_TOO_WEAK:
		case X509_V_ERR_EC_KEY_EXPLICIT_PARAMS:
			return SCT_WEAK;
		case X509_V_ERR_PERMITTED_VIOLATION:
		case X509_V_ERR_EXCLUDED_VIOLATION:
		case X509_V_ERR_SUBTREE_MINMAX:
		case X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE:
		case X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX:
		case X509_V_ERR_UNSUPPORTED_NAME_SYNTAX:
			return SCT_NAME_CONSTRAINTS;
		case X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION:
			return SCT_CRITICAL_EXTENSION;
		case X509_V_ERR_CERT_REVOKED:
			return SCT_REVOKED;
		case X509_V_ERR_UNABLE_TO_GET_CRL:
			return SCT_CRL_MISSING;
		case X509_V_ERR_CRL_HAS_EXPIRED:
		case X509_V_ERR_CRL_NOT_YET_VALID:
			return SCT_CRL_EXPIRED;
		case X509_V_ERR_OUT_OF_MEM:
			return SCT_INTERNAL;
		default:
			return SCT_CHAIN;
	}
}

static unsigned long
store_flags(const SctX509Store *store)
{
	unsigned long flags = 0;

	if (store->options.partial_chain)
		flags |= X509_V_FLAG_PARTIAL_CHAIN;
	if (store->options.strict)
		flags |= X509_V_FLAG_X509_STRICT;
	if (store->has_crl || store->options.crl_check != SCT_CRL_IF_PRESENT)
		flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
	return flags;
}

/* OpenSSL looks at all of this but curves, for which it must be told to be strict. */
static bool
keys_are_strong(STACK_OF(X509) *chain)
{
	for (int i = 0; i < sk_X509_num(chain); i++)
	{
		if (!sct_x509_is_strong(sk_X509_value(chain, i)))
			return false;
	}
	return true;
}

/* Which of the other certificates the chain is made of */
static void
find_used(STACK_OF(X509) *chain, SctX509 *const *others, int count, bool *used)
{
	for (int i = 0; i < count; i++)
	{
		used[i] = false;
		for (int j = 0; j < sk_X509_num(chain); j++)
			used[i] = used[i] || sk_X509_value(chain, j) == others[i];
	}
}

static SctReason
verify(X509_STORE_CTX *ctx, SctX509Store *store, X509 *leaf,
	   STACK_OF(X509) *chain, int64 seconds)
{
	X509_VERIFY_PARAM *param;

	if (X509_STORE_CTX_init(ctx, store->store, leaf, chain) != 1 ||
		X509_STORE_CTX_set_default(ctx, "ssl_client") != 1 ||
		X509_STORE_CTX_set_app_data(ctx, store) != 1)
		return SCT_INTERNAL;
	X509_STORE_CTX_set_verify_cb(ctx, verify_callback);
	param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_time(param, (time_t) seconds);
	X509_VERIFY_PARAM_set_auth_level(param, SECURITY_LEVEL);
	X509_VERIFY_PARAM_set_depth(param, store->options.max_depth);
	if (X509_VERIFY_PARAM_set_flags(param, store_flags(store)) != 1)
		return SCT_INTERNAL;

	/* 1 is the only success; 0 and negative are both failures */
	if (X509_verify_cert(ctx) != 1)
		return reason_of(X509_STORE_CTX_get_error(ctx));
	return keys_are_strong(X509_STORE_CTX_get0_chain(ctx)) ? SCT_OK : SCT_WEAK;
}

SctReason
sct_x509_store_verify(SctX509Store *store, SctX509 *leaf,
					  SctX509 *const *chain, int chain_count, int64 seconds,
					  bool *used)
{
	STACK_OF(X509) *others;
	X509_STORE_CTX *ctx;
	SctReason	reason = SCT_OK;

	/*
	 * OpenSSL takes a CA for a client when its key usage allows signatures, but
	 * who holds a CA's key could be every client.
	 */
	if (sct_x509_is_ca(leaf))
		return SCT_LEAF_IS_CA;

	ERR_set_mark();
	others = sk_X509_new_null();
	ctx = X509_STORE_CTX_new();
	if (others == NULL || ctx == NULL)
		reason = SCT_INTERNAL;
	for (int i = 0; reason == SCT_OK && i < chain_count; i++)
	{
		if (sk_X509_push(others, chain[i]) == 0)
			reason = SCT_INTERNAL;
	}
	if (reason == SCT_OK)
		reason = verify(ctx, store, leaf, others, seconds);
	if (reason == SCT_OK)
		find_used(X509_STORE_CTX_get0_chain(ctx), chain, chain_count, used);
	X509_STORE_CTX_free(ctx);
	sk_X509_free(others);
	ERR_pop_to_mark();
	return reason;
}
