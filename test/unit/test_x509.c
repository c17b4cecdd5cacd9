/*
 * test_x509.c
 *		Certificates, their names and chains (RFC 5280, RFC 4514, RFC 8705 2) under
 *		every kind of damage.  What they mean is tested in SQL; here it is that
 *		nothing that was changed passes, and nothing is read beyond its end.
 */
#include "unit.h"
#include "lines.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include "../../src/core/x509.h"
#include "../../src/core/x509_cache.h"
#include "../../src/core/x509_dn.h"
#include "../../src/core/x509_info.h"
#include "../../src/core/x509_name.h"
#include "../../src/core/x509_store.h"

#define MAX_FILES	40
#define AT			INT64CONST(1780000000)	/* when the test PKI is valid */

static bool used;				/* whether a chain of one was needed */

typedef struct File
{
	char		name[64];
	uint8		der[2048];
	size_t		len;
} File;

static File files[MAX_FILES];
static int	file_count = 0;

static const File *
file(const char *name)
{
	for (int i = 0; i < file_count; i++)
	{
		if (strcmp(files[i].name, name) == 0)
			return &files[i];
	}
	fprintf(stderr, "no %s\n", name);
	exit(1);
}

static bool
read_files(void)
{
	FILE	   *lines = lines_open("certificates.txt");
	char	   *fields[MAX_FIELDS];

	if (lines == NULL)
		return false;
	while (lines_next(lines, fields) > 0 && file_count < MAX_FILES)
	{
		File	   *f = &files[file_count];

		if (strcmp(fields[0], "header") == 0)
			continue;
		strlcpy(f->name, fields[1], sizeof(f->name));
		f->len = unhex(fields[2]);
		memcpy(f->der, fields[2], f->len);
		file_count++;
	}
	fclose(lines);
	return true;
}

/* Parses from a buffer of exactly that size; NULL when it is refused. */
static SctX509 *
parse(const uint8 *der, size_t len)
{
	uint8	   *copy = malloc(len > 0 ? len : 1);
	SctX509    *x509;

	memcpy(copy, der, len);
	if (sct_x509_parse(copy, len, &x509) != SCT_OK)
		x509 = NULL;
	free(copy);
	return x509;
}

static SctX509Store *
root_store(SctCrlCheck crl_check)
{
	SctX509StoreOptions options = {.crl_check = crl_check, .max_depth = 4};
	SctX509Store *store = sct_x509_store_make(&options);
	const File *root = file("root.pem");

	if (store == NULL ||
		sct_x509_store_add_ca(store, root->der, root->len) != SCT_OK)
		exit(1);
	return store;
}

/* Reads everything that a certificate says. */
static void
look_at(SctX509 *x509)
{
	static const char *const values[SCT_X509_MEMBERS] = {
		"CN=client-1,O=Acme\\, Inc.,C=FR", "a.example", "spiffe://td.example/a",
		"192.0.2.7", "Bob@example.com"
	};
	SctX509Info info;

	if (sct_x509_info_make(x509, &info) == SCT_OK)
		sct_x509_info_free(&info);
	for (int i = 0; i < SCT_X509_MEMBERS; i++)
		(void) sct_x509_name_match(x509, (SctX509Member) i, values[i],
								   strlen(values[i]));
}

static void
no_bit_may_change(void)
{
	const File *leaf = file("leaf.pem");
	const File *inter = file("inter.pem");
	SctX509Store *store = root_store(SCT_CRL_IF_PRESENT);
	SctX509    *chain[1] = {parse(inter->der, inter->len)};
	SctX509    *good = parse(leaf->der, leaf->len);
	int			parsed = 0;
	int			passed = 0;

	ok(sct_x509_store_verify(store, good, chain, 1, AT, &used) == SCT_OK,
	   "the certificate as it is passes");
	ok(used, "its issuer was needed for that");
	for (size_t bit = 0; bit < leaf->len * 8; bit++)
	{
		uint8		der[sizeof(leaf->der)];
		SctX509    *x509;

		memcpy(der, leaf->der, leaf->len);
		der[bit / 8] ^= 1 << bit % 8;
		x509 = parse(der, leaf->len);
		if (x509 == NULL)
			continue;
		parsed++;
		look_at(x509);
		if (sct_x509_store_verify(store, x509, chain, 1, AT, &used) == SCT_OK)
			passed++;
		sct_x509_free(x509);
	}
	note("%d of %zu changed certificates could still be read", parsed, leaf->len * 8);
	ok(parsed > 0 && passed == 0, "with any bit changed it does not");

	parsed = passed = 0;
	for (size_t bit = 0; bit < inter->len * 8; bit++)
	{
		uint8		der[sizeof(inter->der)];
		SctX509    *changed;

		memcpy(der, inter->der, inter->len);
		der[bit / 8] ^= 1 << bit % 8;
		changed = parse(der, inter->len);
		if (changed == NULL)
			continue;
		parsed++;
		if (sct_x509_store_verify(store, good, &changed, 1, AT, &used) == SCT_OK)
			passed++;
		sct_x509_free(changed);
	}
	ok(parsed > 0 && passed == 0, "with any bit of its issuer changed it does not");

	sct_x509_free(good);
	sct_x509_free(chain[0]);
	sct_x509_store_free(store);
}

static void
nothing_missing_nothing_more(void)
{
	int			taken = 0;
	int			longer = 0;

	for (int i = 0; i < file_count; i++)
	{
		uint8		der[sizeof(files[i].der) + 1] = {0};

		memcpy(der, files[i].der, files[i].len);
		for (size_t len = 0; len < files[i].len; len++)
		{
			SctX509    *x509 = parse(der, len);

			taken += x509 != NULL || sct_x509_is_crl(der, len);
			sct_x509_free(x509);
		}
		longer += parse(der, files[i].len + 1) != NULL ||
			sct_x509_is_crl(der, files[i].len + 1);
	}
	ok(taken == 0, "no certificate or CRL that was cut short is taken");
	ok(longer == 0, "none with a byte behind it is taken");
}

/* The indefinite length and other forms of BER, around a certificate that is good. */
static void
one_form_only(void)
{
	const File *leaf = file("leaf.pem");
	uint8		der[sizeof(leaf->der) + 8];
	size_t		at;

	/* 30 82 xx xx: the outer length in three bytes instead of two */
	der[0] = 0x30;
	der[1] = 0x83;
	der[2] = 0;
	memcpy(der + 3, leaf->der + 2, leaf->len - 2);
	ok(leaf->der[1] == 0x82 && parse(der, leaf->len + 1) == NULL,
	   "a length with a leading zero is refused");

	der[1] = 0x80;
	memcpy(der + 2, leaf->der + 4, leaf->len - 4);
	der[leaf->len - 2] = der[leaf->len - 1] = 0;
	ok(parse(der, leaf->len) == NULL, "an indefinite length is refused");

	/*
	 * The signature's BIT STRING says how many bits of its last byte are not
	 * used: no signature has any, and X509 would drop them.
	 */
	memcpy(der, leaf->der, leaf->len);
	for (at = leaf->len - 4; at > 4 && memcmp(der + at, "\x03", 1) != 0; at--)
		continue;
	for (; at > 4; at--)
	{
		if (der[at] == 0x03 && der[at + 2] == 0 && at + 2 + der[at + 1] == leaf->len)
			break;
	}
	der[at + 2] = 1;
	ok(at > 4 && parse(der, leaf->len) == NULL,
	   "unused bits in the signature are refused");
}

/* Does the printed form of a name read as an equal name? */
static bool
round_trip(X509_NAME *name)
{
	BIO		   *bio = BIO_new(BIO_s_mem());
	X509_NAME  *again;
	char	   *text;
	long		len;
	bool		equal = false;

	if (sct_x509_dn_print(bio, name) == SCT_OK)
	{
		len = BIO_get_mem_data(bio, &text);
		if (sct_x509_dn_parse(text, len, &again) == SCT_OK)
		{
			equal = X509_NAME_cmp(name, again) == 0;
			X509_NAME_free(again);
		}
	}
	BIO_free(bio);
	return equal;
}

static void
names_survive_printing(void)
{
	static const char *const names[] = {
		"CN=client-1,O=Acme\\, Inc.,C=FR",
		"CN=a\\=b,O=\\ #lead\\, \\\"q\\\" \\+ \\<x\\>\\; \\\\ end\\ ",
		"CN=x,1.2.3.4.5=#0C036F6464,serialNumber=0123,jurisdictionCountryName=BR",
		"UID=u1+CN=c+OU=o,O=Acme,DC=example,DC=com",
		"CN=good.example\\00.evil.example",
		"CN=x,2.5.4.5=#12053132333435",
		"CN=\xc3\xa9\\C3\\A9,O=\xf0\x9f\x94\x91",
		"CN=,O=",
		"CN=\\#,O=\\ "
	};
	static const char alphabet[] = "CN=OU+,\\ #;\"<>0aF1.\xc3\xa9\x80";
	uint32		seed = 1;
	int			read = 0;
	int			broken = 0;

	/* whoever calls these two keeps the queue of errors */
	ERR_set_mark();
	for (size_t i = 0; i < lengthof(names); i++)
	{
		X509_NAME  *name;

		if (sct_x509_dn_parse(names[i], strlen(names[i]), &name) != SCT_OK ||
			!round_trip(name))
		{
			note("%s", names[i]);
			broken++;
		}
		else
			X509_NAME_free(name);
	}
	ok(broken == 0, "a name that is printed and read again is the same name");

	/* 100,000 texts that are made of them by up to four changes */
	for (int i = 0; i < 100000; i++)
	{
		const char *from = names[i % lengthof(names)];
		size_t		len = strlen(from);
		char	   *text = malloc(len);
		X509_NAME  *name;

		memcpy(text, from, len);
		for (int change = 0; change <= i % 4; change++)
		{
			seed = seed * 1103515245 + 12345;
			text[seed / 65536 % len] = alphabet[seed / 7 % (sizeof(alphabet) - 1)];
		}
		if (sct_x509_dn_parse(text, len, &name) == SCT_OK)
		{
			read++;
			if (!round_trip(name))
			{
				note("%.*s", (int) len, text);
				broken++;
			}
			X509_NAME_free(name);
		}
		free(text);
	}
	ERR_pop_to_mark();
	note("%d of 100000 changed names could be read", read);
	ok(read > 1000 && broken == 0, "and so is each one that 100,000 changes gave");
}

/* A certificate whose subject has an attribute of that type and nothing else. */
static SctReason
subject_with(const char *oid)
{
	X509	   *x509 = X509_new();
	EVP_PKEY   *key = EVP_EC_gen("P-256");
	ASN1_OBJECT *type = OBJ_txt2obj(oid, 1);
	X509_NAME  *subject = X509_NAME_new();
	char	   *text;
	SctX509Info info;
	SctReason	reason;

	if (X509_NAME_add_entry_by_OBJ(subject, type, V_ASN1_UTF8STRING,
								   (const unsigned char *) "x", 1, -1, 0) != 1 ||
		X509_set_subject_name(x509, subject) != 1 ||
		X509_set_pubkey(x509, key) != 1 || X509_gmtime_adj(X509_getm_notBefore(x509), 0) == NULL ||
		X509_gmtime_adj(X509_getm_notAfter(x509), 0) == NULL ||
		X509_sign(x509, key, EVP_sha256()) <= 0)
		exit(1);
	reason = sct_x509_subject(x509, &text);
	if ((reason == SCT_OK) != (text != NULL) ||
		sct_x509_info_make(x509, &info) != reason)
		reason = SCT_INTERNAL;
	if (reason == SCT_OK)
		sct_x509_info_free(&info);
	free(text);
	X509_NAME_free(subject);
	ASN1_OBJECT_free(type);
	EVP_PKEY_free(key);
	X509_free(x509);
	return reason;
}

/* The type of an attribute is the client's to choose, and bounded. */
static void
types_have_bounds(void)
{
	char		oid[2048];

	strcpy(oid, "2.100");
	for (int i = 0; i < 61; i++)
		strcat(oid, ".1");
	ok(subject_with(oid) == SCT_OK, "an OID of 127 characters is written");
	strcat(oid, "0");
	ok(subject_with(oid) == SCT_CERTIFICATE, "one of 128 is not");

	/* a number that OpenSSL does not compute */
	strcpy(oid, "2.25.1");
	for (int i = 0; i < 1500; i++)
		strcat(oid, "0");
	ok(subject_with(oid) == SCT_CERTIFICATE, "and none with a number of 1,500 digits");
}

/* A CRL counts only as it was signed. */
static void
crl_may_not_change(void)
{
	const File *crl = file("inter.crl");
	const File *leaf = file("leaf_noeku.pem");
	const File *inter = file("inter.pem");
	SctX509    *chain[1] = {parse(inter->der, inter->len)};
	SctX509    *good = parse(leaf->der, leaf->len);
	SctX509Store *store = root_store(SCT_CRL_LEAF);
	int			taken = 0;
	int			passed = 0;

	ok(sct_x509_store_add_crl(store, crl->der, crl->len) == SCT_OK &&
	   sct_x509_store_verify(store, good, chain, 1, AT, &used) == SCT_OK,
	   "a certificate that the CRL does not list passes");
	sct_x509_store_free(store);
	for (size_t bit = 0; bit < crl->len * 8; bit++)
	{
		uint8		der[sizeof(crl->der)];

		memcpy(der, crl->der, crl->len);
		der[bit / 8] ^= 1 << bit % 8;
		store = root_store(SCT_CRL_LEAF);
		if (sct_x509_store_add_crl(store, der, crl->len) == SCT_OK)
		{
			taken++;
			if (sct_x509_store_verify(store, good, chain, 1, AT, &used) == SCT_OK)
				passed++;
		}
		sct_x509_store_free(store);
	}
	note("%d of %zu changed CRLs could still be read", taken, crl->len * 8);
	ok(taken > 0 && passed == 0, "with any bit of the CRL changed none does");
	sct_x509_free(good);
	sct_x509_free(chain[0]);
}

/* The cache gives back what it was given, and never more than it can hold. */
static void
cache_is_bounded(void)
{
	const File *leaf = file("leaf.pem");
	uint8		digest[32] = {0};
	int			found = 0;

	for (int i = 0; i < 1000; i++)
	{
		digest[0] = (uint8) i;
		digest[1] = (uint8) (i >> 8);
		sct_x509_cache_add(digest, parse(leaf->der, leaf->len));
		if (sct_x509_cache_find(digest) == NULL)
			exit(1);
	}
	for (int i = 0; i < 1000; i++)
	{
		digest[0] = (uint8) i;
		digest[1] = (uint8) (i >> 8);
		found += sct_x509_cache_find(digest) != NULL;
	}
	ok(found == 128, "of 1,000 certificates the cache holds 128");
}

int
main(void)
{
	if (!read_files())
		return skip_all("no test vectors: ", "certificates.txt");
	no_bit_may_change();
	nothing_missing_nothing_more();
	one_form_only();
	names_survive_printing();
	types_have_bounds();
	crl_may_not_change();
	cache_is_bounded();
	ok(ERR_peek_error() == 0, "OpenSSL's queue of errors is as empty as before");
	return done();
}
