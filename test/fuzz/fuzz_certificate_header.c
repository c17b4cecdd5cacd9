/*
 * fuzz_certificate_header.c
 *		Headers with a certificate: whoever may have written one, it is the same
 *		certificate, and one that was read can be written again.
 *
 * An input is a byte for the format, and the value.
 */
#include "fuzz.h"

#include <openssl/evp.h>

#include "../../src/core/certificate.h"
#include "../../src/core/certificate_header.h"

#define FORMATS		(SCT_FORMAT_FINGERPRINT + 1)

typedef struct Read
{
	SctReason	reason;
	SctCertificateHeader header;
	uint8	   *der;
} Read;

/* Reads a value, with room for as many bytes as the contract asks for. */
static Read
read_value(const char *value, size_t len, SctCertificateFormat format)
{
	Read		read;
	char	   *copy = exact(value, len);
	const SctCertificateHeader *header = &read.header;

	read.der = malloc(Min(len, SCT_CERTIFICATE_HEADER_MAX_LEN));
	read.reason = sct_certificate_header_read(copy, len, format, read.der,
											  &read.header);
	free(copy);
	switch (read.reason)
	{
		case SCT_OK:
			must(header->fault == SCT_FAULT_NONE && header->at < len,
				 "what was read stands somewhere");
			must(header->der_len <= SCT_X509_MAX_LEN, "a certificate is not too large");
			if (header->der_len > 0)
			{
				uint8		sha256[SCT_SHA256_LEN];

				must(sct_certificate_outline(read.der, header->der_len),
					 "and has the outline of one");
				must(sct_crypto_sha256(read.der, header->der_len, sha256) == SCT_OK &&
					 memcmp(sha256, header->sha256, SCT_SHA256_LEN) == 0,
					 "its fingerprint is its own");
			}
			break;
		case SCT_MISSING:
			break;
		case SCT_CERTIFICATE:
			must(header->fault != SCT_FAULT_NONE &&
				 sct_certificate_fault_text(header->fault) != NULL &&
				 header->at <= len, "what was refused has a fault somewhere");
			break;
		default:
			must(false, "a value is read, absent or refused");
	}
	return read;
}

static bool
same(const Read *a, const Read *b)
{
	return a->reason == b->reason &&
		(a->reason != SCT_OK ||
		 (a->header.der_len == b->header.der_len &&
		  memcmp(a->header.sha256, b->header.sha256, SCT_SHA256_LEN) == 0 &&
		  memcmp(a->der, b->der, a->header.der_len) == 0));
}

/* The value as RFC 9440 has it is the same certificate. */
static void
check_written_again(const Read *read)
{
	size_t		len = read->header.der_len;
	char	   *text = malloc(4 * ((len + 2) / 3) + 3);
	size_t		text_len;
	Read		again;

	text[0] = ':';
	text_len = 1 + (size_t) EVP_EncodeBlock((unsigned char *) text + 1, read->der,
											(int) len);
	text[text_len++] = ':';
	again = read_value(text, text_len, SCT_FORMAT_RFC9440);
	must(same(read, &again), "a certificate that was read can be written and read");
	free(again.der);
	free(text);
}

/* White space around a field is no part of it (RFC 9110 5.5). */
static void
check_white_space(const Read *read, const char *value, size_t len,
				  SctCertificateFormat format)
{
	char	   *text = malloc(len + 2);
	Read		again;

	text[0] = ' ';
	memcpy(text + 1, value, len);
	text[len + 1] = '\t';
	again = read_value(text, len + 2, format);
	must(len + 2 > SCT_CERTIFICATE_HEADER_MAX_LEN || same(read, &again),
		 "white space around a value means nothing");
	free(again.der);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8 *data, size_t size)
{
	Input		input = input_of(data, size);
	SctCertificateFormat format = take_byte(&input) % FORMATS;
	const char *value = (const char *) input.at;
	size_t		len = input.len;
	Read		first = read_value(value, len, format);
	Read		second = read_value(value, len, format);
	Read		anybody = read_value(value, len, SCT_FORMAT_AUTO);

	must(same(&first, &second) && first.header.fault == second.header.fault &&
		 first.header.at == second.header.at, "a verdict is the same each time");
	must((first.reason == SCT_MISSING) == (anybody.reason == SCT_MISSING),
		 "a value is absent whoever has sent it");
	must(first.reason != SCT_OK || same(&first, &anybody),
		 "what one sender may write, anybody may");
	if (len > 0)
		check_white_space(&first, value, len, format);
	if (first.reason == SCT_OK && first.header.der_len > 0)
		check_written_again(&first);
	free(anybody.der);
	free(second.der);
	free(first.der);
	return done_with_input();
}
