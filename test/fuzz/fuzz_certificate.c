/*
 * fuzz_certificate.c
 *		Certificates and CRLs: what is said of one is the same each time and fits
 *		together, and nothing leads to a trusted CA but what its CAs have signed.
 *
 * An input is a byte that says how, and then a certificate or CRL, or what a
 * certificate is made of that a CA of ours signs: most bytes of the former are
 * inside of lengths and behind a signature.
 */
#include "fuzz.h"

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "mb/pg_wchar.h"

#include "../unit/lines.h"
#include "../unit/signer.h"

#include "../../src/core/certificate.h"
#include "../../src/core/crypto.h"
#include "../../src/core/x509.h"
#include "../../src/core/x509_dn.h"
#include "../../src/core/x509_info.h"
#include "../../src/core/x509_name.h"
#include "../../src/core/x509_store.h"

#define AT			INT64CONST(1780000000)	/* when the test PKI is valid */
#define MAX_SIGNED	40

/* What the first byte says */
#define MAKE		0x01
#define OWN_TIMES	0x02
#define OWN_ISSUER	0x04
#define OWN_VERSION	0x08
#define KEY(how)	((how) >> 6)	/* one of signers */

#define ARCS_10		".1.1.1.1.1.1.1.1.1.1"
#define ARCS_61		ARCS_10 ARCS_10 ARCS_10 ARCS_10 ARCS_10 ARCS_10 ".1"

static const SctX509StoreOptions options = {SCT_CRL_IF_PRESENT, 4, false, false};
static SctX509Store *store;
static SctX509 *inter;
static SctX509 *leaf;
static uint8 root[2048];
static size_t root_len;

/* SHA-256 of what was signed of each certificate of the PKI */
static uint8 signed_parts[MAX_SIGNED][SCT_SHA256_LEN];
static int	signed_count = 0;

/* The keys of what is made; the first one is our CA's. */
static const SctAlg algs[] = {
	SCT_ALG_ES256, SCT_ALG_ED25519, SCT_ALG_PS256, SCT_ALG_ES384
};
static Signer signers[lengthof(algs)];
static X509 *ca;
static SctX509Store *own_store;

/* Is this input one of those for which each verdict is asked for twice? */
static bool same_now;

/* SHA-256 of the TBSCertificate, the first thing in a certificate (RFC 5280 4.1) */
static void
signed_part(const uint8 *der, uint8 *digest)
{
	const uint8 *tbs = der + 2 + ((der[1] & 0x80) != 0 ? der[1] & 0x7f : 0);
	size_t		len = tbs[1];

	if ((tbs[1] & 0x80) != 0)
	{
		len = 0;
		for (int i = 0; i < (tbs[1] & 0x7f); i++)
			len = len << 8 | tbs[2 + i];
		len += tbs[1] & 0x7f;
	}
	must(sct_crypto_sha256(tbs, 2 + len, digest) == SCT_OK, "SHA-256 works");
}

/* A name of attributes of any type, as the input says */
static void
put_name(Input *input, X509_NAME *name)
{
	static const char *const types[] = {
		"2.5.4.3", "2.5.4.10", "2.5.4.6", "2.5.4.45", "2.5.4.5", "2.5.4.16",
		"0.9.2342.19200300.100.1.1", "0.9.2342.19200300.100.1.25",
		"1.2.840.113549.1.9.1", "1.3.6.1.4.1.1466.0", "1.3.6.1.4.1.55555.1",
		/* 127 and 128 characters */
		"2.100" ARCS_61, "2.1000" ARCS_61
	};
	static const int strings[] = {
		V_ASN1_UTF8STRING, V_ASN1_PRINTABLESTRING, V_ASN1_IA5STRING,
		V_ASN1_T61STRING, V_ASN1_BMPSTRING, V_ASN1_UNIVERSALSTRING,
		V_ASN1_NUMERICSTRING, V_ASN1_VISIBLESTRING, V_ASN1_BIT_STRING
	};

	for (int i = take_byte(input) % 8; i > 0; i--)
	{
		uint8		how = take_byte(input);
		ASN1_OBJECT *type = OBJ_txt2obj(types[(how & 0x7f) % lengthof(types)], 1);
		int			string = strings[take_byte(input) % lengthof(strings)];
		Input		value = take(input, take_byte(input));

		X509_NAME_add_entry_by_OBJ(name, type, string, value.at, (int) value.len,
								   -1, (how & 0x80) != 0 ? -1 : 0);
		ASN1_OBJECT_free(type);
	}
}

static void
put_extensions(Input *input, X509 *x509)
{
	static const int types[] = {
		NID_subject_alt_name, NID_ext_key_usage, NID_key_usage,
		NID_basic_constraints, NID_name_constraints, NID_certificate_policies,
		NID_authority_key_identifier, NID_subject_key_identifier,
		NID_policy_constraints, NID_inhibit_any_policy, NID_netscape_cert_type,
		NID_crl_distribution_points, NID_sbgp_ipAddrBlock, NID_proxyCertInfo
	};
	ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();

	while (input->len > 0)
	{
		uint8		how = take_byte(input);
		Input		bytes = take(input, take_byte(input));
		X509_EXTENSION *extension;

		ASN1_OCTET_STRING_set(value, bytes.at, (int) bytes.len);
		extension = X509_EXTENSION_create_by_NID(NULL, types[(how & 0x7f) % lengthof(types)],
												 (how & 0x80) != 0, value);
		X509_add_ext(x509, extension, -1);
		X509_EXTENSION_free(extension);
	}
	ASN1_OCTET_STRING_free(value);
}

/* A time as it stands in a certificate, good or as the input says */
static ASN1_TIME *
make_time(Input *input, uint8 how, const char *good)
{
	ASN1_TIME  *time = ASN1_TIME_new();
	Input		text;

	ASN1_TIME_set_string(time, good);
	if ((how & OWN_TIMES) != 0)
	{
		text = take(input, take_byte(input) % 32);
		ASN1_STRING_set(time, text.at, (int) text.len);
		time->type = (text.len & 1) != 0 ? V_ASN1_UTCTIME : V_ASN1_GENERALIZEDTIME;
	}
	return time;
}

/* The DER of a certificate that our CA has signed; its length, 0 when none. */
static size_t
make_certificate(Input *input, uint8 how, uint8 **der)
{
	X509	   *x509 = X509_new();
	ASN1_TIME  *not_before = make_time(input, how, "20260101000000Z");
	ASN1_TIME  *not_after = make_time(input, how, "20351230000000Z");
	Input		serial = take(input, take_byte(input) % 24);
	int			len = 0;

	X509_set_version(x509, (how & OWN_VERSION) != 0 ? take_byte(input) : X509_VERSION_3);
	ASN1_STRING_set(X509_get_serialNumber(x509), serial.at, (int) serial.len);
	X509_set1_notBefore(x509, not_before);
	X509_set1_notAfter(x509, not_after);
	put_name(input, X509_get_subject_name(x509));
	if ((how & OWN_ISSUER) != 0)
		put_name(input, X509_get_issuer_name(x509));
	else
		X509_set_issuer_name(x509, X509_get_subject_name(ca));
	X509_set_pubkey(x509, signers[KEY(how)].key);
	put_extensions(input, x509);
	*der = NULL;
	if (X509_sign(x509, signers[0].key, EVP_sha256()) > 0)
		len = i2d_X509(x509, der);
	ASN1_TIME_free(not_after);
	ASN1_TIME_free(not_before);
	X509_free(x509);

	/* what cannot be encoded has left errors */
	ERR_clear_error();
	return len > 0 ? (size_t) len : 0;
}

/* Makes our CA, and the store that trusts it. */
static void
make_ca(void)
{
	static const uint8 script[] = {
		1, 'r', 1, 0, 0, 2, 'c', 'a', 0x83, 5, 0x30, 0x03, 0x01, 0x01, 0xff
	};
	Input		input = {script, sizeof(script)};
	uint8	   *der;
	size_t		len;

	ca = X509_new();
	for (size_t i = 0; i < lengthof(algs); i++)
		signer_make(&signers[i], algs[i]);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(ca), "CN", MBSTRING_UTF8,
							   (const unsigned char *) "ca", 2, -1, 0);
	len = make_certificate(&input, 0, &der);
	own_store = sct_x509_store_make(&options);
	must(len > 0 && own_store != NULL &&
		 sct_x509_store_add_ca(own_store, der, len) == SCT_OK, "a CA is made");
	OPENSSL_free(der);
}

int
LLVMFuzzerInitialize(int *argc pg_attribute_unused(),
					 char ***argv pg_attribute_unused())
{
	FILE	   *lines = lines_open("certificates.txt");
	char	   *fields[MAX_FIELDS];

	while (lines != NULL && lines_next(lines, fields) > 0)
	{
		size_t		len;
		SctX509    *x509;

		if (strcmp(fields[0], "certificate") != 0)
			continue;
		len = unhex(fields[2]);
		must(signed_count < MAX_SIGNED && len < sizeof(root) &&
			 sct_x509_parse((const uint8 *) fields[2], len, &x509) == SCT_OK,
			 "the PKI can be read");
		signed_part((const uint8 *) fields[2], signed_parts[signed_count++]);
		if (strcmp(fields[1], "inter.pem") == 0)
			inter = x509;
		else if (strcmp(fields[1], "leaf.pem") == 0)
			leaf = x509;
		else
			sct_x509_free(x509);
		if (strcmp(fields[1], "root.pem") == 0)
			memcpy(root, fields[2], root_len = len);
	}
	without_randomness();
	make_ca();
	store = sct_x509_store_make(&options);
	must(inter != NULL && leaf != NULL && store != NULL &&
		 sct_x509_store_add_ca(store, root, root_len) == SCT_OK,
		 "UNIT_DATA names a folder with certificates.txt");
	return 0;
}

static bool
was_signed(const uint8 *der)
{
	uint8		digest[SCT_SHA256_LEN];

	signed_part(der, digest);
	for (int i = 0; i < signed_count; i++)
	{
		if (memcmp(signed_parts[i], digest, SCT_SHA256_LEN) == 0)
			return true;
	}
	return false;
}

/* Has a DN nothing but strings as values, of not too many types with short OIDs? */
static bool
is_of_strings(const X509_NAME *name)
{
	int			count = X509_NAME_entry_count(name);

	for (int i = 0; i < count; i++)
	{
		const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
		int			type = ASN1_STRING_type(X509_NAME_ENTRY_get_data(entry));
		char		oid[256];

		if ((ASN1_tag2bit(type) &
			 (B_ASN1_UTF8STRING | B_ASN1_PRINTABLESTRING | B_ASN1_IA5STRING |
			  B_ASN1_T61STRING | B_ASN1_BMPSTRING | B_ASN1_UNIVERSALSTRING |
			  B_ASN1_NUMERICSTRING | B_ASN1_VISIBLESTRING)) == 0)
			return false;
		if (OBJ_obj2txt(oid, sizeof(oid), X509_NAME_ENTRY_get_object(entry), 1) > 64)
			return false;
	}
	return count <= 64;
}

/* The subject as text is a name that the certificate bears. */
static void
check_subject(SctX509 *x509, const char *subject)
{
	size_t		len = strlen(subject);
	char	   *copy = exact(subject, len);
	SctReason	reason = sct_x509_name_match(x509, SCT_X509_SUBJECT_DN, copy, len);

	must(reason == SCT_OK || reason == SCT_NAME_SYNTAX,
		 "a certificate bears the name that it is said to have");
	must(reason == SCT_OK || len == 0 || len > SCT_X509_MAX_NAME ||
		 !is_of_strings(X509_get_subject_name(x509)),
		 "which may be registered where it is one of strings");
	free(copy);
}

static void
check_key(SctX509 *x509, const SctX509Info *info)
{
	SctJwk		jwk;
	SctPublicKey *key;
	char		canonical[SCT_JWK_CANONICAL_MAX];

	must(sct_x509_jwk(x509, &jwk) == info->has_jwk,
		 "a key has a JWK or has none");
	if (!info->has_jwk)
		return;
	must(jwk.type == info->jwk.type && jwk.first_len == info->jwk.first_len &&
		 jwk.second_len == info->jwk.second_len &&
		 memcmp(jwk.first, info->jwk.first, jwk.first_len) == 0 &&
		 memcmp(jwk.second, info->jwk.second, jwk.second_len) == 0,
		 "and always the same");
	must(sct_jwk_canonical(&jwk, canonical) <= SCT_JWK_CANONICAL_MAX,
		 "a JWK has a canonical form");
	if (jwk.first_len > 0 && sct_jwk_safe(&jwk) == SCT_OK)
	{
		SctReason	reason = sct_crypto_key_import(&jwk, &key);

		must(reason == SCT_OK || reason == SCT_KEY,
			 "a safe key can be loaded, or is none");
		sct_crypto_key_free(key);
	}
}

static void
check_info(SctX509 *x509)
{
	SctX509Info info;
	SctX509Info again;
	SctX509Validity validity;
	SctReason	reason = sct_x509_info_make(x509, &info);

	must(reason == SCT_OK || reason == SCT_CERTIFICATE,
		 "what a certificate says can be read, or is malformed");
	must(sct_x509_info_make(x509, &again) == reason,
		 "a verdict is the same each time");
	if (reason != SCT_OK)
		return;
	must(strcmp(info.subject, again.subject) == 0 &&
		 strcmp(info.issuer, again.issuer) == 0 &&
		 strcmp(info.serial, again.serial) == 0 &&
		 info.san_count == again.san_count && info.is_ca == again.is_ca,
		 "and so is what it says");
	must(pg_encoding_verifymbstr(PG_UTF8, info.subject, (int) strlen(info.subject)) ==
		 (int) strlen(info.subject), "a name is UTF-8");
	must(sct_x509_validity(x509, &validity) == SCT_OK &&
		 validity.not_before == info.validity.not_before &&
		 validity.not_after == info.validity.not_after,
		 "a certificate has one validity");
	must(sct_x509_is_ca(x509) == info.is_ca, "it is a CA or is none");
	for (int i = 0; i < info.san_count; i++)
	{
		/* each byte, for the sanitizer to see */
		(void) choice(info.sans[i].data, info.sans[i].len);
	}
	check_subject(x509, info.subject);
	check_key(x509, &info);
	sct_x509_info_free(&again);
	sct_x509_info_free(&info);
}

/* The verdict, which is the same each time; each time is dear. */
static SctReason
verify(SctX509Store *by, SctX509 *x509, SctX509 *const *chain, int count)
{
	bool		used[SCT_X509_MAX_CHAIN] = {false};
	bool		used_again[SCT_X509_MAX_CHAIN] = {false};
	SctReason	reason = sct_x509_store_verify(by, x509, chain, count, AT, used);

	if (same_now)
		must(sct_x509_store_verify(by, x509, chain, count, AT, used_again) == reason &&
			 memcmp(used, used_again, sizeof(used)) == 0,
			 "a verdict on a chain is the same each time");
	return reason;
}

/* As leaf, as an intermediate CA and as a trusted one */
static void
check_chain(SctX509 *x509, const uint8 *der, size_t len, bool made)
{
	SctX509    *chain[2];
	SctX509Store *trusting;

	chain[0] = inter;
	chain[1] = x509;
	if (made)
		(void) verify(own_store, x509, chain, 2);
	else
	{
		must(verify(store, x509, chain, 2) != SCT_OK || was_signed(der),
			 "a leaf was signed by a CA");
		must(verify(store, leaf, &chain[1], 1) != SCT_OK || was_signed(der),
			 "so was an intermediate CA");
	}

	trusting = sct_x509_store_make(&options);
	if (sct_x509_store_add_ca(trusting, der, len) == SCT_OK)
	{
		must(sct_x509_is_ca(x509), "a trusted CA is one");
		(void) verify(trusting, leaf, chain, 1);
	}
	sct_x509_store_free(trusting);
}

/* A CRL that the operator has taken from somewhere */
static void
check_crl(const uint8 *der, size_t len)
{
	SctX509Store *listing;

	if (!sct_x509_is_crl(der, len))
		return;
	listing = sct_x509_store_make(&options);
	must(sct_x509_store_add_ca(listing, root, root_len) == SCT_OK &&
		 sct_x509_store_add_crl(listing, der, len) == SCT_OK,
		 "a CRL can be added to a store");
	(void) verify(listing, leaf, &inter, 1);
	sct_x509_store_free(listing);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	Input		input = input_of(data, size);
	uint8		how = take_byte(&input);
	uint8	   *der;
	size_t		len = input.len;
	SctX509    *x509;
	SctReason	reason;

	if ((how & MAKE) != 0)
	{
		uint8	   *made;

		len = make_certificate(&input, how, &made);
		der = exact(made, len);
		OPENSSL_free(made);
	}
	else
		der = exact(input.at, len);

	same_now = choice(der, len) % 4 == 0;
	reason = sct_x509_parse(der, len, &x509);
	must(reason == SCT_OK || reason == SCT_CERTIFICATE,
		 "a certificate can be read or is none");
	must((reason == SCT_OK) == (x509 != NULL), "it is there when it was read");
	if (reason == SCT_OK)
	{
		must(sct_certificate_outline(der, len),
			 "what can be read has the outline of a certificate");
		check_info(x509);
		check_chain(x509, der, len, (how & MAKE) != 0);
		sct_x509_free(x509);
	}
	check_crl(der, len);
	free(der);
	return done_with_input();
}
