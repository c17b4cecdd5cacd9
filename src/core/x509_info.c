/*
 * x509_info.c
 *		What a certificate says, see x509_info.h.
 */
#include "../compat.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "x509_dn.h"
#include "x509_info.h"

/* Makes *text of what was written to bio, and frees bio. */
static SctReason
bio_take(BIO *bio, char **text)
{
	char	   *data;
	long		len = BIO_get_mem_data(bio, &data);

	*text = malloc(len + 1);
	if (*text != NULL)
	{
		/* data is NULL when nothing was written */
		if (len > 0)
			memcpy(*text, data, len);
		(*text)[len] = '\0';
	}
	BIO_free(bio);
	return *text != NULL ? SCT_OK : SCT_INTERNAL;
}

static SctReason
name_text(const X509_NAME *name, char **text)
{
	BIO		   *bio = BIO_new(BIO_s_mem());
	SctReason	reason;

	if (bio == NULL)
		return SCT_INTERNAL;
	reason = sct_x509_dn_print(bio, name);
	if (reason == SCT_OK)
		return bio_take(bio, text);
	BIO_free(bio);
	return reason;
}

SctReason
sct_x509_subject(const SctX509 *x509, char **text)
{
	SctReason	reason;

	*text = NULL;
	ERR_set_mark();
	reason = name_text(X509_get_subject_name(x509), text);
	ERR_pop_to_mark();
	return reason;
}

static char *
serial_text(const X509 *x509)
{
	BIGNUM	   *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(x509), NULL);
	char	   *digits = number == NULL ? NULL : BN_bn2hex(number);
	char	   *text = digits == NULL ? NULL : strdup(digits);

	OPENSSL_free(digits);
	BN_free(number);
	return text;
}

static bool
seconds_since_epoch(const ASN1_TIME *time, const ASN1_TIME *epoch, int64 *seconds)
{
	int			days;
	int			rest;

	if (ASN1_TIME_diff(&days, &rest, epoch, time) != 1)
		return false;
	*seconds = (int64) days * 86400 + rest;
	return true;
}

SctReason
sct_x509_validity(const SctX509 *x509, SctX509Validity *validity)
{
	ASN1_TIME  *epoch;
	bool		read;

	ERR_set_mark();
	epoch = ASN1_TIME_set(NULL, 0);
	read = epoch != NULL &&
		seconds_since_epoch(X509_get0_notBefore(x509), epoch,
							&validity->not_before) &&
		seconds_since_epoch(X509_get0_notAfter(x509), epoch,
							&validity->not_after);
	ASN1_TIME_free(epoch);
	ERR_pop_to_mark();
	return read ? SCT_OK : SCT_CERTIFICATE;
}

/* A number of the key as len bytes, or as the fewest when *len is 0. */
static bool
key_number(const EVP_PKEY *key, const char *name, uint8 *dst, size_t max,
		   size_t *len)
{
	BIGNUM	   *number = NULL;
	bool		done = false;

	if (EVP_PKEY_get_bn_param(key, name, &number) == 1)
	{
		size_t		width = *len > 0 ? *len : (size_t) BN_num_bytes(number);

		done = width <= max && BN_bn2binpad(number, dst, (int) width) >= 0;
		*len = width;
	}
	BN_free(number);
	return done;
}

static bool
key_to_jwk(const EVP_PKEY *key, SctJwk *jwk)
{
	static const struct
	{
		const char *group;
		SctKeyType	type;
		size_t		width;
	}			groups[] = {
		{"prime256v1", SCT_KEY_P256, 32},
		{"secp384r1", SCT_KEY_P384, 48},
		{"secp521r1", SCT_KEY_P521, 66}
	};
	char		group[32];
	int			explicit_parameters = 1;

	jwk->first_len = jwk->second_len = 0;
	if (EVP_PKEY_is_a(key, "RSA"))
	{
		jwk->type = SCT_KEY_RSA;
		return key_number(key, OSSL_PKEY_PARAM_RSA_N, jwk->first,
						  SCT_JWK_FIRST_MAX, &jwk->first_len) &&
			key_number(key, OSSL_PKEY_PARAM_RSA_E, jwk->second,
					   SCT_JWK_SECOND_MAX, &jwk->second_len);
	}
	if (EVP_PKEY_is_a(key, "ED25519") || EVP_PKEY_is_a(key, "ED448"))
	{
		jwk->type = EVP_PKEY_is_a(key, "ED25519") ? SCT_KEY_ED25519 : SCT_KEY_ED448;
		jwk->first_len = SCT_JWK_FIRST_MAX;
		return EVP_PKEY_get_raw_public_key(key, jwk->first, &jwk->first_len) == 1;
	}
	if (!EVP_PKEY_is_a(key, "EC") ||
		EVP_PKEY_get_int_param(key, OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS,
							   &explicit_parameters) != 1 ||
		explicit_parameters != 0 ||
		EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) != 1)
		return false;
	for (size_t i = 0; i < lengthof(groups); i++)
	{
		if (strcmp(group, groups[i].group) != 0)
			continue;
		jwk->type = groups[i].type;
		jwk->first_len = jwk->second_len = groups[i].width;
		return key_number(key, OSSL_PKEY_PARAM_EC_PUB_X, jwk->first,
						  SCT_JWK_FIRST_MAX, &jwk->first_len) &&
			key_number(key, OSSL_PKEY_PARAM_EC_PUB_Y, jwk->second,
					   SCT_JWK_SECOND_MAX, &jwk->second_len);
	}
	return false;
}

bool
sct_x509_jwk(const SctX509 *x509, SctJwk *jwk)
{
	const EVP_PKEY *key;
	bool		done;

	ERR_set_mark();
	key = X509_get0_pubkey(x509);
	done = key != NULL && key_to_jwk(key, jwk);
	ERR_pop_to_mark();
	return done;
}

bool
sct_x509_is_strong(const SctX509 *x509)
{
	const EVP_PKEY *key;
	int			explicit_parameters = 1;
	bool		result;

	ERR_set_mark();
	key = X509_get0_pubkey(x509);
	result = key != NULL && EVP_PKEY_get_security_bits(key) >= 112;
	if (result && EVP_PKEY_is_a(key, "EC"))
		result = EVP_PKEY_get_int_param(key,
										OSSL_PKEY_PARAM_EC_DECODED_FROM_EXPLICIT_PARAMS,
										&explicit_parameters) == 1 &&
			explicit_parameters == 0;
	ERR_pop_to_mark();
	return result;
}

bool
sct_x509_is_ca(SctX509 *x509)
{
	bool		result;

	ERR_set_mark();
	result = X509_check_ca(x509) != 0;
	ERR_pop_to_mark();
	return result;
}

/* The extended key usage; *text stays as it is when there is none. */
static SctReason
usage_text(const X509 *x509, char **text)
{
	int			critical;
	EXTENDED_KEY_USAGE *usage;
	BIO		   *bio;
	SctReason	reason = SCT_OK;

	usage = X509_get_ext_d2i(x509, NID_ext_key_usage, &critical, NULL);

	/* -1: there is none */
	if (usage == NULL)
		return critical == -1 ? SCT_OK : SCT_CERTIFICATE;
	bio = BIO_new(BIO_s_mem());
	if (bio == NULL)
		reason = SCT_INTERNAL;
	for (int i = 0; reason == SCT_OK && i < sk_ASN1_OBJECT_num(usage); i++)
	{
		if (i > 0 && BIO_puts(bio, " ") != 1)
			reason = SCT_INTERNAL;
		else
			reason = sct_x509_object_print(bio, sk_ASN1_OBJECT_value(usage, i));
	}
	EXTENDED_KEY_USAGE_free(usage);
	if (reason == SCT_OK)
		return bio_take(bio, text);
	BIO_free(bio);
	return reason;
}

static bool
san_type(const GENERAL_NAME *name, SctX509SanType *type)
{
	switch (name->type)
	{
		case GEN_DNS:
			*type = SCT_SAN_DNS;
			return true;
		case GEN_URI:
			*type = SCT_SAN_URI;
			return true;
		case GEN_IPADD:
			*type = SCT_SAN_IP;
			return true;
		case GEN_EMAIL:
			*type = SCT_SAN_EMAIL;
			return true;
		default:
			return false;
	}
}

static SctReason
collect_sans(const X509 *x509, SctX509Info *info)
{
	int			critical;
	GENERAL_NAMES *names = X509_get_ext_d2i(x509, NID_subject_alt_name,
											&critical, NULL);

	if (names == NULL)
		return critical == -1 ? SCT_OK : SCT_CERTIFICATE;
	info->san_memory = names;
	info->sans = calloc(sk_GENERAL_NAME_num(names) + 1, sizeof(SctX509San));
	if (info->sans == NULL)
		return SCT_INTERNAL;
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
	{
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		SctX509San *san = &info->sans[info->san_count];

		if (!san_type(name, &san->type))
			continue;
		san->data = ASN1_STRING_get0_data(name->d.ia5);
		san->len = (size_t) ASN1_STRING_length(name->d.ia5);
		info->san_count++;
	}
	return SCT_OK;
}

SctReason
sct_x509_info_make(SctX509 *x509, SctX509Info *info)
{
	const EVP_PKEY *key;
	SctReason	reason;

	memset(info, 0, sizeof(SctX509Info));
	ERR_set_mark();
	reason = name_text(X509_get_subject_name(x509), &info->subject);
	if (reason == SCT_OK)
		reason = name_text(X509_get_issuer_name(x509), &info->issuer);
	info->serial = serial_text(x509);
	info->is_ca = X509_check_ca(x509) != 0;
	key = X509_get0_pubkey(x509);
	if (key != NULL)
	{
		info->key_type = EVP_PKEY_get0_type_name(key);
		info->key_bits = EVP_PKEY_get_bits(key);
		info->has_jwk = key_to_jwk(key, &info->jwk);
	}
	if (reason == SCT_OK && info->serial == NULL)
		reason = SCT_INTERNAL;
	if (reason == SCT_OK)
		reason = sct_x509_validity(x509, &info->validity);
	if (reason == SCT_OK)
		reason = usage_text(x509, &info->extended_key_usage);
	if (reason == SCT_OK)
		reason = collect_sans(x509, info);
	ERR_pop_to_mark();
	if (reason != SCT_OK)
		sct_x509_info_free(info);
	return reason;
}

void
sct_x509_info_free(SctX509Info *info)
{
	free(info->subject);
	free(info->issuer);
	free(info->serial);
	free(info->extended_key_usage);
	free(info->sans);
	GENERAL_NAMES_free(info->san_memory);
	memset(info, 0, sizeof(SctX509Info));
}
