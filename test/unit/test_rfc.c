/*
 * test_rfc.c
 *		The values that RFCs publish: thumbprints, signatures, proofs.
 *
 * SHA-384 and SHA-512 thumbprints are published nowhere; these were made with
 * another implementation.
 */
#include "unit.h"

#include "../../src/core/base64url.h"
#include "../../src/core/dpop_proof.h"

#define SECOND	INT64CONST(1000000)

typedef struct Thumbprint
{
	const char *source;
	const char *jwk;
	const char *hashes[3];		/* in the order of SctHash */
} Thumbprint;

static const Thumbprint thumbprints[] = {
	{
		"RFC 7638 3.1",
		"{\"kty\":\"RSA\",\"n\":\"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2"
		"aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXj"
		"BZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4Q"
		"yQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qM"
		"QvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcR"
		"wr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw\",\""
		"e\":\"AQAB\",\"alg\":\"RS256\",\"kid\":\"2011-04-29\"}",
		{
			"NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
			"R9_OfJjSjaw8Fuum86UzK5ixTdN9bo9BaqPSiseq89DWfmqCdpSgUHus-cxD"
			"UNc8",
			"DpvEwocfn3FjeWWQjcJHzWrpKTIymKwgoL1xVgQcud48-qZDSRCr1zfWZQdH"
			"AJn_ciqXqPTSARyg-L-NyNGpVA"
		}
	},
	{
		"RFC 8037 A.3",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7Ty"
		"WQHOg7hcvPapiMlrwIaaPcHURo\"}",
		{
			"kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
			"ePy6LSb6I7JWK2uWQyYJQ4DBrwGE4QoxPl6INUviCtqplTLCwzo6fD9Eaw69"
			"Wvtt",
			"SfSqAgfmPYvpuNzfHCiQXi6Mr51GG78hHopngoabsV9xvLR0hcUfVCoJLfyz"
			"i08Dbnds6kmcAt23CpNV-8qLTg"
		}
	},
	{
		"RFC 9449 6.1",
		"{\"kty\":\"EC\",\"x\":\"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWV"
		"AWBFs\",\"y\":\"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA\","
		"\"crv\":\"P-256\"}",
		{
			"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I",
			"WDimF4dzU2hWyX_J5Esolvqs9PG3zBAtfK_6l6nsFpaKputqYEqk1WJowN7h"
			"unEt",
			"wIkJIb028vwclXrKjBTE41OiLeorH78DjYPE623MEjusHrnx7inuQeuPMXjV"
			"IWH3kbRzh559ciX-DUWcZ1mtyA"
		}
	},
	{
		"RFC 7515 A.2 key",
		"{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJ"
		"cyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-y"
		"RT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0L"
		"OL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg"
		"665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNm"
		"oudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\",\""
		"e\":\"AQAB\"}",
		{
			"IsUn6_e04MaShXFIISMp4kG62LWzMIPy_MvSA5pJgX8",
			"tzyElxKxP1mH0ujI2P-d3AYEdddUj6l6PGg9mvBzVJDUsd6ArAe3RhxoUjrL"
			"qHZc",
			"xtFVP5UwjinwxTnjJLIZjFzWvhHwq2TnNg0GKwfzQyvztgZh_ZERWHB6noJr"
			"kQexLFK10_4BBymOEwMbr8DEmQ"
		}
	},
	{
		"RFC 7515 A.3 key",
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tL"
		"e1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6p"
		"CyStikYjKIWI5a0\"}",
		{
			"oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U",
			"Gq_Qq4Z8QBq702LiUtX4GAhslQTBucBu6DYzIx1PlLRZJRR8wNAhb88ewicf"
			"jta-",
			"nRxpjdDeDSKKXE10HvI4YCA3x2Kj7syu17jsTjhY8Lmy9fWaVkX-EkrawUoW"
			"mNxFNFYj63K206ok4ws2eFjKiQ"
		}
	},
	{
		"RFC 7515 A.4 key",
		"{\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":\"AekpBQ8ST8a8VcfVOTNl"
		"353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWc"
		"eqwQGk\",\"y\":\"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th"
		"-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2\"}",
		{
			"u5YUSjQ2-2chBi51NSk3t3g7IM4o2KYcnPqPtCNGd3U",
			"8Hlb6Ii_OOHHGd5-ZabL3Pya3QrPLxEYTDn6qpIrtyHddt6eFkc9alJpMuoJ"
			"kPyd",
			"i8nlYJCy5bsdSCXDU0h2Wg8rv4BVnv5fAjdXuHqVX2pVrUo0C04k86prz1KS"
			"63fu0pb3vcRTePZIeealN5tNZA"
		}
	},
	{
		"RFC 7520 3.1 key",
		"{\"kty\":\"EC\",\"kid\":\"bilbo.baggins@hobbiton.example\",\"u"
		"se\":\"sig\",\"crv\":\"P-521\",\"x\":\"AHKZLLOsCOzz5cY97ewNUaj"
		"B957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj"
		"0Kt\",\"y\":\"AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQ"
		"HiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1\"}",
		{
			"dHri3SADZkrush5HU_50AoRhcKFryN-PI6jPBtPL55M",
			"HncTFMje-quVjjwt2ufqfFb75ZwHLDh9M-VY4wJ9awQkfbu194TmVpeGbG6Y"
			"kb9b",
			"i8RIsIb6HVP2AO9o38HtraybJAP5veAfBIgynNUqpxlhuvq2UDgSA3JFgGgl"
			"e1YvmCQDHllAn7MG52Idb8B4fA"
		}
	},
	{
		"RFC 7520 3.3 key",
		"{\"kty\":\"RSA\",\"kid\":\"bilbo.baggins@hobbiton.example\",\""
		"use\":\"sig\",\"n\":\"n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_K"
		"uKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSF"
		"KrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6A"
		"j-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhG"
		"qC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwd"
		"q_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw\",\"e\""
		":\"AQAB\"}",
		{
			"9jg46WB3rR_AHD-EBXdN7cBkH1WOu0tA3M9fm21mqTI",
			"iRBthSmwxk6o9pTGF6a9yLHohmMXSFRvKoN9rgcbOWFgLldwqED1DrOgDtLq"
			"5Q4R",
			"FerGBUpYnzT0ptNAC7Y3qNpGINqILXdZ_9-Na3UkPUtDznnAChw7NWluNRjx"
			"-lmKDnuO1CpmIZL7e2bzRkQBew"
		}
	}
};

typedef struct JwsExample
{
	const char *source;
	const char *alg;
	const char *jwk;
	const char *jws;
} JwsExample;

static const JwsExample jws_examples[] = {
	{
		"RFC 7515 A.2",
		"RS256",
		"{\"kty\":\"RSA\",\"n\":\"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJ"
		"cyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-y"
		"RT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0L"
		"OL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg"
		"665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNm"
		"oudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ\",\""
		"e\":\"AQAB\"}",
		"eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzO"
		"DAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPo"
		"j9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm"
		"4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAyn"
		"RFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0G"
		"arZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqv"
		"hJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtV"
		"rBp0igcN_IoypGlUPQGe77Rw"
	},
	{
		"RFC 7515 A.3",
		"ES256",
		"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tL"
		"e1gHMzV76e8Tus9uPHvRVEU\",\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6p"
		"CyStikYjKIWI5a0\"}",
		"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzO"
		"DAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3lj"
		"bEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxf"
		"KTUJqPP3-Kg6NU1Q"
	},
	{
		"RFC 7515 A.4",
		"ES512",
		"{\"kty\":\"EC\",\"crv\":\"P-521\",\"x\":\"AekpBQ8ST8a8VcfVOTNl"
		"353vSrDCLLJXmPk06wTjxrrjcBpXp5EOnYG_NjFZ6OvLFV1jSfS9tsz4qUxcWc"
		"eqwQGk\",\"y\":\"ADSmRA43Z1DSNx_RvcLI87cdL07l6jQyyBXMoxVg_l2Th"
		"-x3S1WDhjDly79ajL4Kkd0AZMaZmh9ubmf63e3kyMj2\"}",
		"eyJhbGciOiJFUzUxMiJ9.UGF5bG9hZA.AdwMgeerwtHoh-l192l60hp9wAHZFV"
		"JbLfD_UxMi70cwnZOYaRI1bKPWROc-mZZqwqT2SI-KGDKB34XO0aw_7XdtAG8G"
		"aSwFKdCAPZgoXD2YBJZCPEX3xKpRwcdOO8KpEHwJjyqOgzDO7iKvU8vcnwNrmx"
		"YbSW9ERBXukOXolLzeO_Jn"
	},
	{
		"RFC 7520 4.1",
		"RS256",
		"{\"kty\":\"RSA\",\"kid\":\"bilbo.baggins@hobbiton.example\",\""
		"use\":\"sig\",\"n\":\"n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_K"
		"uKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSF"
		"KrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6A"
		"j-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhG"
		"qC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwd"
		"q_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw\",\"e\""
		":\"AQAB\"}",
		"eyJhbGciOiJSUzI1NiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZX"
		"hhbXBsZSJ9.SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29"
		"pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kI"
		"GlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3d"
		"pbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4.MRjdkly7_-oTP"
		"TS3AXP41iQIGKa80A0ZmTuV5MEaHoxnW2e5CZ5NlKtainoFmKZopdHM1O2U4mw"
		"zJdQx996ivp83xuglII7PNDi84wnB-BDkoBwA78185hX-Es4JIwmDLJK3lfWRa"
		"-XtL0RnltuYv746iYTh_qHRD68BNt1uSNCrUCTJDt5aAE6x8wW1Kt9eRo4QPoc"
		"SadnHXFxnt8Is9UzpERV0ePPQdLuW3IS_de3xyIrDaLGdjluPxUAhb6L2aXic1"
		"U12podGU0KLUQSE_oI-ZnmKJ3F4uOZDnd6QZWJushZ41Axf_fcIe8u9ipH84og"
		"oree7vjbU5y18kDquDg"
	},
	{
		"RFC 7520 4.2",
		"PS384",
		"{\"kty\":\"RSA\",\"kid\":\"bilbo.baggins@hobbiton.example\",\""
		"use\":\"sig\",\"n\":\"n4EPtAOCc9AlkeQHPzHStgAbgs7bTZLwUBZdR8_K"
		"uKPEHLd4rHVTeT-O-XV2jRojdNhxJWTDvNd7nqQ0VEiZQHz_AJmSCpMaJMRBSF"
		"KrKb2wqVwGU_NsYOYL-QtiWN2lbzcEe6XC0dApr5ydQLrHqkHHig3RBordaZ6A"
		"j-oBHqFEHYpPe7Tpe-OfVfHd1E6cS6M1FZcD1NNLYD5lFHpPI9bTwJlsde3uhG"
		"qC0ZCuEHg8lhzwOHrtIQbS0FVbb9k3-tVTU4fg_3L_vniUFAKwuCLqKnS2BYwd"
		"q_mzSnbLY7h_qixoR7jig3__kRhuaxwUkRz5iaiQkqgc5gHdrNP5zw\",\"e\""
		":\"AQAB\"}",
		"eyJhbGciOiJQUzM4NCIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZX"
		"hhbXBsZSJ9.SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29"
		"pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kI"
		"GlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3d"
		"pbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4.cu22eBqkYDKgI"
		"lTpzDXGvaFfz6WGoz7fUDcfT0kkOy42miAh2qyBzk1xEsnk2IpN6-tPid6Vrkl"
		"HkqsGqDqHCdP6O8TTB5dDDItllVo6_1OLPpcbUrhiUSMxbbXUvdvWXzg-UD8bi"
		"iReQFlfz28zGWVsdiNAUf8ZnyPEgVFn442ZdNqiVJRmBqrYRXe8P_ijQ7p8Vdz"
		"0TTrxUeT3lm8d9shnr2lfJT8ImUjvAA2Xez2Mlp8cBE5awDzT0qI0n6uiP1aCN"
		"_2_jLAeQTlqRHtfa64QQSUmFAAjVKPbByi7xho0uTOcbH510a6GYmJUAfmWjwZ"
		"6oD4ifKo8DYM-X72Eaw"
	},
	{
		"RFC 7520 4.3",
		"ES512",
		"{\"kty\":\"EC\",\"kid\":\"bilbo.baggins@hobbiton.example\",\"u"
		"se\":\"sig\",\"crv\":\"P-521\",\"x\":\"AHKZLLOsCOzz5cY97ewNUaj"
		"B957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj"
		"0Kt\",\"y\":\"AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQ"
		"HiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1\"}",
		"eyJhbGciOiJFUzUxMiIsImtpZCI6ImJpbGJvLmJhZ2dpbnNAaG9iYml0b24uZX"
		"hhbXBsZSJ9.SXTigJlzIGEgZGFuZ2Vyb3VzIGJ1c2luZXNzLCBGcm9kbywgZ29"
		"pbmcgb3V0IHlvdXIgZG9vci4gWW91IHN0ZXAgb250byB0aGUgcm9hZCwgYW5kI"
		"GlmIHlvdSBkb24ndCBrZWVwIHlvdXIgZmVldCwgdGhlcmXigJlzIG5vIGtub3d"
		"pbmcgd2hlcmUgeW91IG1pZ2h0IGJlIHN3ZXB0IG9mZiB0by4.AE_R_YZCChjn4"
		"791jSQCrdPZCNYqHXCTZH0-JZGYNlaAjP2kqaluUIIUnC9qvbu9Plon7KRTzoN"
		"EuT4Va2cmL1eJAQy3mtPBu_u_sDDyYjnAMDxXPn7XrT0lw-kvAD890jl8e2puQ"
		"ens_IEKBpHABlsbEPX6sFY8OcGDqoRuBomu9xQ2"
	},
	{
		"RFC 8037 A.4",
		"EdDSA",
		"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7Ty"
		"WQHOg7hcvPapiMlrwIaaPcHURo\"}",
		"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0"
		"il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVs"
		"Pt9g7sVvpAr_MuM0KAg"
	}
};

/* RFC 7515 A.5: an unsecured JWS */
static const char unsecured_jws[] =
"eyJhbGciOiJub25lIn0.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQ"
"ogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.";

typedef struct ProofExample
{
	const char *claim;
	const char *proof;
	const char *htm;
	const char *htu;
	int64		iat;
	const char *jti;
	const char *access_token;
	const char *ath;
} ProofExample;

static const ProofExample proofs[] = {
	{
		"RFC 9449 5: the proof of a token request",
		"eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6Ik"
		"VDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldW"
		"QVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWcl"
		"UwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2M"
		"ybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wb"
		"GUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-Fd"
		"WP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZ"
		"T3Lg",
		"POST",
		"https://server.example.com/token",
		INT64CONST(1562262616),
		"-BwC3ESc6acc2lTc",
		NULL,
		NULL
	},
	{
		"RFC 9449 5: the proof of a refresh",
		"eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6Ik"
		"VDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldW"
		"QVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWcl"
		"UwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2M"
		"ybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wb"
		"GUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjY1Mjk2fQ.pAqut2IRDm_De6PR93SY"
		"mGBPXpwrAk90e8cP2hjiaG5QsGSuKDYW7_X620BxqhvYC8ynrrvZLTk41mSRro"
		"apUA",
		"POST",
		"https://server.example.com/token",
		INT64CONST(1562265296),
		"-BwC3ESc6acc2lTc",
		NULL,
		NULL
	},
	{
		"RFC 9449 7.1: the proof for a protected resource",
		"eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6Ik"
		"VDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldW"
		"QVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWcl"
		"UwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1"
		"MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtc"
		"GxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXR"
		"oIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFb"
		"yJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqy"
		"Vnmcw6Fy1dqd-jfxSYoMxhAJpLjA",
		"GET",
		"https://resource.example.org/protectedresource",
		INT64CONST(1562262618),
		"e1j3V_bKic8-LAEB",
		"Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU",
		"fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo"
	}
};

/* RFC 9449 6.1 */
static const char proof_jkt[] = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

/* RFC 9449 6.1, Figure 9: an access token with cnf */
static const char bound_token[] =
"eyJhbGciOiJFUzI1NiIsImtpZCI6IkJlQUxrYiJ9.eyJzdWIiOiJzb21lb25lQGV4Y"
"W1wbGUuY29tIiwiaXNzIjoiaHR0cHM6Ly9zZXJ2ZXIuZXhhbXBsZS5jb20iLCJuYmY"
"iOjE1NjIyNjI2MTEsImV4cCI6MTU2MjI2NjIxNiwiY25mIjp7ImprdCI6IjBaY09DT"
"1JaTll5LURXcHFxMzBqWnlKR0hUTjBkMkhnbEJWM3VpZ3VBNEkifX0.3Tyo8VTcn6u"
"_PboUmAOYUY1kfAavomW_YwYMkmRNizLJoQzWy2fCo79Zi5yObpIzjWb5xW4OGld7E"
"SZrh0fsrA";

static SctJson json;
static char space[SCT_JSON_SPACE(SCT_JSON_MAX_LEN)];
static SctDpopProof result;

static bool
read_jwk(const char *text, SctJwk *jwk)
{
	return sct_json_parse(text, strlen(text), space, &json) == SCT_OK &&
		sct_jwk_parse(&json, &json.nodes[0], jwk) == SCT_OK;
}

/* RFC 7638: the hash of the canonical form */
static void
check_thumbprint(const Thumbprint *example, SctHash hash, const char *hash_name)
{
	SctJwk		jwk;
	char		canonical[SCT_JWK_CANONICAL_MAX];
	uint8		digest[SCT_HASH_MAX];
	char		text[SCT_BASE64URL_ENCODED_LEN(SCT_HASH_MAX) + 1] = {0};
	size_t		digest_len;
	bool		same;

	same = read_jwk(example->jwk, &jwk) &&
		sct_crypto_digest(hash, canonical, sct_jwk_canonical(&jwk, canonical),
						  digest, &digest_len) == SCT_OK;
	if (same)
		sct_base64url_encode(digest, digest_len, text);
	ok(same && strcmp(text, example->hashes[hash]) == 0,
	   "%s: %s thumbprint", example->source, hash_name);
	if (same && hash == SCT_SHA256)
	{
		char		jkt[SCT_THUMBPRINT_LEN];

		ok(sct_thumbprint_key(&jwk, jkt) == SCT_OK &&
		   memcmp(jkt, example->hashes[hash], SCT_THUMBPRINT_LEN) == 0,
		   "%s: jkt", example->source);
	}
}

/* Verifies a compact JWS under a key, as far as the core has steps for it. */
static SctReason
verify_jws(const char *jwk_text, const char *jws, size_t len, SctAlg *alg)
{
	SctJwsParts parts;
	SctJwk		jwk;
	SctPublicKey *key;
	char		header[1024];
	uint8		signature[1024];
	size_t		header_len;
	size_t		signature_len;
	SctReason	reason;

	reason = sct_jws_split(jws, len, &parts);
	if (reason == SCT_OK)
		reason = sct_base64url_decode(parts.header, parts.header_len,
									  (uint8 *) header, &header_len);
	if (reason == SCT_OK)
		reason = sct_json_parse(header, header_len, space, &json);
	if (reason == SCT_OK)
		reason = sct_jws_header(&json, alg);
	if (reason == SCT_OK)
		reason = sct_base64url_decode(parts.signature, parts.signature_len,
									  signature, &signature_len);
	if (reason == SCT_OK && !read_jwk(jwk_text, &jwk))
		reason = SCT_JWK;
	if (reason == SCT_OK)
		reason = sct_jwk_usable(&json, &json.nodes[0], &jwk,
								sct_alg_name(*alg));
	if (reason == SCT_OK)
		reason = sct_crypto_key_import(&jwk, &key);
	if (reason != SCT_OK)
		return reason;
	reason = sct_crypto_verify(key, *alg, jws, parts.signed_len,
							   signature, signature_len);
	sct_crypto_key_free(key);
	return reason;
}

static void
check_jws(const JwsExample *example)
{
	size_t		len = strlen(example->jws);
	size_t		middle = strcspn(example->jws, ".") + 2;
	char		changed[2048];
	SctAlg		alg;

	ok(verify_jws(example->jwk, example->jws, len, &alg) == SCT_OK &&
	   strcmp(sct_alg_name(alg), example->alg) == 0,
	   "%s: the %s signature is good", example->source, example->alg);
	snprintf(changed, sizeof(changed), "%s", example->jws);
	changed[middle] = changed[middle] == 'A' ? 'B' : 'A';
	ok(verify_jws(example->jwk, changed, len, &alg) == SCT_SIGNATURE,
	   "%s: over another payload it is not", example->source);
}

/* A request that a proof was made for, now seconds after 1970. */
static SctDpopRequest
request_of(const ProofExample *example, int64 now)
{
	static char htu[256];
	SctDpopRequest request = {0};

	if (sct_uri_normalize(example->htu, strlen(example->htu),
						  htu, &request.htu_len) != SCT_OK)
		note("%s does not normalise", example->htu);
	request.htm = example->htm;
	request.htm_len = strlen(example->htm);
	request.htu = htu;
	request.ath = example->ath;
	request.algs = SCT_ALG_BIT(SCT_ALG_ES256);
	request.now = now * SECOND;
	request.max_age = 60 * SECOND;
	request.future_skew = 10 * SECOND;
	return request;
}

static SctReason
verify(const ProofExample *example, const SctDpopRequest *request)
{
	return sct_dpop_verify(example->proof, strlen(example->proof), request,
						   &result);
}

static SctReason
verify_at(const ProofExample *example, int64 now)
{
	SctDpopRequest request = request_of(example, now);

	return verify(example, &request);
}

static void
check_proof(const ProofExample *example)
{
	SctDpopRequest request = request_of(example, example->iat);
	char		ath[SCT_THUMBPRINT_LEN];

	request.jkt = proof_jkt;
	request.jkt_len = SCT_THUMBPRINT_LEN;
	ok(verify(example, &request) == SCT_OK, "%s is good at its iat",
	   example->claim);
	ok(result.alg == SCT_ALG_ES256 && result.iat == example->iat * SECOND &&
	   result.jti_len == strlen(example->jti) &&
	   memcmp(result.jti, example->jti, result.jti_len) == 0 &&
	   memcmp(result.jkt, proof_jkt, SCT_THUMBPRINT_LEN) == 0 &&
	   result.nonce == NULL &&
	   (result.ath != NULL) == (example->ath != NULL),
	   "%s says what the RFC says", example->claim);
	ok(verify(example, &request) == SCT_OK && result.has_key && result.key_found,
	   "%s finds its key the second time", example->claim);
	ok(verify_at(example, example->iat + 60) == SCT_OK &&
	   verify_at(example, example->iat + 61) == SCT_IAT_PAST,
	   "%s lives for 60 seconds", example->claim);
	ok(verify_at(example, example->iat - 10) == SCT_OK &&
	   verify_at(example, example->iat - 11) == SCT_IAT_FUTURE,
	   "%s may be 10 seconds early", example->claim);
	ok(verify_at(example, INT64CONST(1750000000)) == SCT_IAT_PAST,
	   "%s is long over", example->claim);

	request.htm = "PUT";
	request.htm_len = 3;
	ok(verify(example, &request) == SCT_HTM, "%s is for its method",
	   example->claim);
	request = request_of(example, example->iat);
	request.htu = "https://server.example.com/other";
	request.htu_len = strlen(request.htu);
	ok(verify(example, &request) == SCT_HTU, "%s is for its URI",
	   example->claim);
	request = request_of(example, example->iat);
	request.jkt = thumbprints[0].hashes[SCT_SHA256];
	request.jkt_len = SCT_THUMBPRINT_LEN;
	ok(verify(example, &request) == SCT_JKT, "%s is of its key",
	   example->claim);
	request = request_of(example, example->iat);
	request.algs = ~SCT_ALG_BIT(SCT_ALG_ES256);
	ok(verify(example, &request) == SCT_ALG, "%s is of its algorithm",
	   example->claim);

	request = request_of(example, example->iat);
	if (example->ath != NULL)
	{
		ok(sct_dpop_ath(example->access_token, strlen(example->access_token),
						ath) == SCT_OK &&
		   memcmp(ath, example->ath, SCT_THUMBPRINT_LEN) == 0,
		   "%s: ath of its access token", example->claim);
		request.ath = NULL;
		ok(verify(example, &request) == SCT_ATH_UNEXPECTED,
		   "%s is refused where there is no access token", example->claim);
		request.ath = proof_jkt;
		ok(verify(example, &request) == SCT_ATH,
		   "%s is refused with another access token", example->claim);
	}
	else
	{
		request.ath = proof_jkt;
		ok(verify(example, &request) == SCT_ATH,
		   "%s is refused where there is an access token", example->claim);
	}
}

/* No proof but the very one is good. */
static void
check_bit_flips(const ProofExample *example)
{
	SctDpopRequest request = request_of(example, example->iat);
	size_t		len = strlen(example->proof);
	char		copy[2048];
	int			accepted = 0;

	for (size_t i = 0; i < len; i++)
	{
		for (int bit = 0; bit < 8; bit++)
		{
			memcpy(copy, example->proof, len);
			copy[i] ^= 1 << bit;
			if (sct_dpop_verify(copy, len, &request, &result) == SCT_OK)
				accepted++;
		}
	}
	ok(accepted == 0, "%s does not survive one flipped bit", example->claim);
	for (size_t i = 0; i < len; i++)
	{
		if (sct_dpop_verify(example->proof, i, &request, &result) == SCT_OK)
			accepted++;
	}
	ok(accepted == 0, "%s does not survive a cut", example->claim);
}

/* RFC 9449 6.1: the access token carries the thumbprint of the proof's key */
static void
check_bound_token(void)
{
	SctJwsParts parts;
	char		claims[1024];
	size_t		len;
	const SctJsonNode *cnf;

	ok(sct_jws_split(bound_token, strlen(bound_token), &parts) == SCT_OK &&
	   sct_base64url_decode(parts.payload, parts.payload_len,
							(uint8 *) claims, &len) == SCT_OK &&
	   sct_json_parse(claims, len, space, &json) == SCT_OK,
	   "RFC 9449 6.1: the claims of the access token are read");
	cnf = sct_json_member(&json, &json.nodes[0], "cnf");
	ok(sct_json_string_is(sct_json_member(&json, cnf, "jkt"), proof_jkt),
	   "RFC 9449 6.1: cnf names the key of the proofs");
}

int
main(void)
{
	SctAlg		alg;

	for (size_t i = 0; i < lengthof(thumbprints); i++)
	{
		check_thumbprint(&thumbprints[i], SCT_SHA256, "SHA-256");
		check_thumbprint(&thumbprints[i], SCT_SHA384, "SHA-384");
		check_thumbprint(&thumbprints[i], SCT_SHA512, "SHA-512");
	}
	for (size_t i = 0; i < lengthof(jws_examples); i++)
		check_jws(&jws_examples[i]);
	ok(verify_jws(jws_examples[0].jwk, unsecured_jws, strlen(unsecured_jws),
				  &alg) != SCT_OK, "RFC 7515 A.5: an unsecured JWS is refused");
	for (size_t i = 0; i < lengthof(proofs); i++)
		check_proof(&proofs[i]);
	check_bit_flips(&proofs[0]);
	check_bound_token();
	return done();
}
