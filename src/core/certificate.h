/*
 * certificate.h
 *		X.509 certificates in DER (RFC 5280 4.1).
 */
#ifndef SCT_CERTIFICATE_H
#define SCT_CERTIFICATE_H

#include "reason.h"

/*
 * Has it the outline of a certificate: one SEQUENCE that spans all len bytes
 * and consists of a SEQUENCE, a SEQUENCE and a BIT STRING of whole bytes, all
 * lengths in their shortest form?  So PEM, a public key, two certificates in a row and
 * trailing bytes are refused; what is inside is not looked at.
 */
extern bool sct_certificate_outline(const uint8 *der, size_t len);

#endif							/* SCT_CERTIFICATE_H */
