/*
 * fuzz_name.c
 *		Names that a client may register (RFC 8705 2.1.2): a DN that is written
 *		again is the same name, and a certificate bears no name but its own.
 */
#include "fuzz.h"

#include <openssl/bio.h>
#include <openssl/x509.h>

#include "../unit/lines.h"

#include "../../src/core/x509.h"
#include "../../src/core/x509_dn.h"
#include "../../src/core/x509_name.h"

static SctX509 *certificate;

/* The certificate that bears a name of each kind */
int
LLVMFuzzerInitialize(int *argc pg_attribute_unused(),
					 char ***argv pg_attribute_unused())
{
	FILE	   *lines = lines_open("certificates.txt");
	char	   *fields[MAX_FIELDS];

	while (lines != NULL && lines_next(lines, fields) > 0)
	{
		if (strcmp(fields[0], "certificate") == 0 &&
			strcmp(fields[1], "san.pem") == 0)
		{
			size_t		len = unhex(fields[2]);

			sct_x509_parse((const uint8 *) fields[2], len, &certificate);
		}
	}
	must(certificate != NULL, "UNIT_DATA names a folder with certificates.txt");
	return 0;
}

/* The DN as text, which the caller frees */
static char *
print(const X509_NAME *name, size_t *len)
{
	BIO		   *bio = BIO_new(BIO_s_mem());
	char	   *data;
	char	   *text;

	must(sct_x509_dn_print(bio, name) == SCT_OK, "a name that was read can be written");
	*len = (size_t) BIO_get_mem_data(bio, &data);
	text = exact(data, *len);
	BIO_free(bio);
	return text;
}

static void
check_dn(const char *value, size_t len)
{
	X509_NAME  *name;
	X509_NAME  *again;
	char	   *text;
	char	   *text_again;
	size_t		text_len;
	size_t		text_again_len;

	ERR_set_mark();
	if (sct_x509_dn_parse(value, len, &name) == SCT_OK)
	{
		text = print(name, &text_len);
		if (text_len <= SCT_X509_MAX_NAME)
		{
			must(sct_x509_dn_parse(text, text_len, &again) == SCT_OK,
				 "a name that was written can be read");
			must(X509_NAME_cmp(name, again) == 0, "and is the same");
			text_again = print(again, &text_again_len);
			must(text_len == text_again_len && memcmp(text, text_again, text_len) == 0,
				 "a name that was written once is written so again");
			free(text_again);
			X509_NAME_free(again);
		}
		free(text);
	}
	X509_NAME_free(name);
	ERR_pop_to_mark();
}

/* Is it a name that san.pem bears?  An address has many spellings. */
static bool
is_its_own(SctX509Member member, const char *value, size_t len)
{
	static const char *const names[SCT_X509_MEMBERS] = {
		[SCT_X509_SAN_DNS] = "api.example.com",
		[SCT_X509_SAN_URI] = "spiffe://td.example/a",
		[SCT_X509_SAN_EMAIL] = "Bob@Example.com"
	};
	const char *name = names[member];

	if (name == NULL)
		return true;
	if (len != strlen(name) || pg_strncasecmp(value, name, len) != 0)
		return false;
	if (member == SCT_X509_SAN_URI)
		return memcmp(value, name, len) == 0;
	return member == SCT_X509_SAN_DNS || memcmp(value, "Bob@", 4) == 0;
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	Input		input = input_of(data, size);
	SctX509Member member = take_byte(&input) % SCT_X509_MEMBERS;
	char	   *value = exact(input.at, input.len);
	SctReason	reason = sct_x509_name_check(member, value, input.len);
	SctReason	match = sct_x509_name_match(certificate, member, value, input.len);

	must(reason == SCT_OK || reason == SCT_NAME_SYNTAX,
		 "a name may be registered or is malformed");
	must(sct_x509_name_check(member, value, input.len) == reason,
		 "a verdict is the same each time");
	must((match == SCT_NAME_SYNTAX) == (reason == SCT_NAME_SYNTAX),
		 "a name is compared if it may be registered");
	must(sct_x509_name_match(certificate, member, value, input.len) == match,
		 "and with the same result each time");

	must(match != SCT_OK || is_its_own(member, value, input.len),
		 "a certificate bears no name but its own");
	if (member == SCT_X509_SUBJECT_DN)
		check_dn(value, input.len);
	free(value);
	return done_with_input();
}
