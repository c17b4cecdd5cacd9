#!/usr/bin/perl
#
# vectors.pl
#		Test vectors as lines, for programs that shall not need a reader of JSON
#		or PEM other than the one that they test.
#
#	vectors.pl dpop FOLDER			for test_dpop_vectors
#	vectors.pl mtls FOLDER			for test_certificate_header... and test_x509
#	vectors.pl wycheproof FOLDER	for verify_vectors
#	vectors.pl token_binding FOLDER	for test_token_binding
#
# Fields are separated by tabs.  What may hold any byte is in hexadecimal, an
# absent value is "-".  A folder that is not there gives no lines.

use strict;
use warnings;
use JSON::PP;
use MIME::Base64 qw(decode_base64 decode_base64url encode_base64url);

my $json = JSON::PP->new->utf8->canonical->allow_nonref;

my ($what, $folder) = @ARGV;
die "usage: $0 dpop|mtls|wycheproof|token_binding FOLDER\n"
  unless defined $folder;
# The decoded file, or undef when it is not there.
sub slurp
{
	my ($file) = @_;

	open my $handle, '<:raw', "$folder/$file" or return undef;
	local $/;
	return $json->decode(scalar <$handle>);
}

# The lines of a file, none when it is not there.
sub slurp_lines
{
	my ($file) = @_;

	open my $handle, '<:raw', "$folder/$file" or return ();
	chomp(my @lines = <$handle>);
	return @lines;
}

# The bytes of a text in hexadecimal.
sub hex_of
{
	my ($text) = @_;

	return '-' unless defined $text;
	utf8::encode($text);
	return unpack 'H*', $text;
}

sub put
{
	print join("\t", @_), "\n";
}

# case: id, verdict, error, htm, htu, now, access token, jkt, proof, jkt of it,
#		name
# pair: id, match, htu, request's URL, name
sub dpop
{
	my $cases = slurp('dpop_cases.json');
	my $pairs = slurp('htu_pairs.json');

	for my $case (@{ $cases ? $cases->{cases} : [] })
	{
		my $request = $case->{request};

		put('case', $case->{id}, $case->{expect}, $case->{error} // '-',
			hex_of($request->{htm}), hex_of($request->{htu}), $request->{now},
			hex_of($request->{access_token}), hex_of($request->{expected_jkt}),
			hex_of($case->{proof}), $case->{jkt} // '-', $case->{name});
	}
	for my $pair (@{ $pairs ? $pairs->{pairs} : [] })
	{
		put('pair', $pair->{id}, $pair->{match} ? 'match' : 'differ',
			hex_of($pair->{htu_claim}), hex_of($pair->{request_url}),
			$pair->{name});
	}
}

# certificate or crl: file, DER
# header: name, value, kind, x5t#S256
sub mtls
{
	my %escape = ('\n' => "\n", '\r' => "\r", '\t' => "\t");

	for my $file (sort glob "$folder/*.pem $folder/pki/*.pem $folder/pki/*.crl")
	{
		open my $handle, '<', $file or die "$file: $!\n";
		local $/;
		my ($body) = <$handle> =~ /^-----BEGIN (?:CERTIFICATE|X509 CRL)-----\n([^-]*)/m;
		put($file =~ /crl$/ ? 'crl' : 'certificate', $file =~ s{.*/}{}r,
			unpack 'H*', decode_base64($body));
	}
	open my $handle, '<', "$folder/cert_headers.tsv" or return;
	while (my $line = <$handle>)
	{
		chomp $line;
		next if $line =~ /^#/;
		my ($name, $value, $kind, $thumbprint) = split /\t/, $line;
		$value =~ s/(\\[nrt])/$escape{$1}/g;
		put('header', $name, hex_of($value), $kind, $thumbprint);
	}
}

# Where our verdict is another than the file's, by file and tcId: the verdict and
# why.  Whatever else differs is a failure.
my %exceptions;

sub wycheproof
{
	my %signature = (
		346 => ['invalid', 'the key is for PS256, the header says PS384'],
		350 => ['invalid', 'the key is for PS256, the header says PS384'],
		347 => ['invalid', 'the key is for "ES521", the header says ES512'],
		351 => ['invalid', 'the key is for "ES521", the header says ES512'],
		372 => ['invalid', 'there is a "?" in the header part'],
		373 => ['invalid', 'there is a "?" in the payload part'],
		367 => ['skip', 'the text is that of 357, the padding was lost'],
		370 => ['skip', 'the text is that of 357, the padding was lost']);
	my %sets = (
		1 => ['skip', 'a policy on key sets'],
		4 => ['skip', 'a policy on key sets'],
		7 => ['skip', 'needs a ROCA fingerprint check']);
	my %older = (
		46 => ['skip', 'needs a ROCA fingerprint check'],
		47 => ['skip', 'a policy on key sets']);

	%exceptions = (
		'json_web_signature_test.json' => \%signature,
		'json_web_key_test.json'       => \%sets,
		'json_web_crypto_test.json'    => \%older);

	jws_file($_) for sort keys %exceptions;
	key_file("ecdsa_secp256r1_sha256_p1363_test.json", 'ES256');
	key_file("ecdsa_secp384r1_sha384_p1363_test.json", 'ES384');
	key_file("ecdsa_secp521r1_sha512_p1363_test.json", 'ES512');
	key_file("ed25519_test.json",                      'Ed25519');
	key_file("ed448_test.json",                        'Ed448');
	for my $bits (2048, 3072, 4096)
	{
		key_file("rsa_signature_${bits}_sha${_}_test.json", "RS$_")
		  for 256, 384, 512;
	}
	key_file("rsa_signature_8192_sha256_test.json", 'RS256');
	for my $set ('2048_sha256_mgf1_32', '2048_sha384_mgf1_48',
		'3072_sha256_mgf1_32', '4096_sha256_mgf1_32',
		'4096_sha384_mgf1_48', '4096_sha512_mgf1_64', 'misc')
	{
		key_file("rsa_pss_${set}_test.json", 'PS');
	}
	hmac_file('hmac_sha256_test.json');
	hkdf_file('hkdf_sha256_test.json');
}

# vector: file, tcId, kind, verdict, what sct_jwk_usable() says, algorithm, JWK,
#		data, signature, why
sub vector
{
	my ($file, $test, $kind, $usable, $alg, $jwk, $data, $signature) = @_;
	my $exception = $exceptions{$file}{ $test->{tcId} };
	my $verdict = $test->{result} eq 'valid' ? 'valid' : 'invalid';
	my $why = '-';

	# "acceptable" is for who has to live with old software
	$why = 'acceptable is not good enough' if $test->{result} eq 'acceptable';
	($verdict, $why) = @$exception if $exception;
	put('vector', $file, $test->{tcId}, $kind, $verdict, $usable, $alg,
		$jwk ? $json->encode($jwk) : '-', $data, $signature, $why);
}

# Compact JWS.  Those with a symmetric key must be refused, whatever the verdict.
sub jws_file
{
	my ($file) = @_;
	my $set = slurp($file) or return;

	for my $group (@{ $set->{testGroups} })
	{
		my $key = $group->{public} // $group->{private};

		for my $test (@{ $group->{tests} })
		{
			my $jwk = $key->{keys} ? pick_key($key, $test->{jws}) : $key;
			my $symmetric = ($jwk->{kty} // '') eq 'oct';

			next unless defined $test->{jws};	# JWE
			vector($file, $test, $symmetric ? 'symmetric' : 'jws', '-', '-',
				$jwk, hex_of($test->{jws}), '-');
		}
	}
}

# The key of a set that the header of a JWS names, or its first.
sub pick_key
{
	my ($set, $jws) = @_;
	my ($part) = split /\./, $jws;
	my $header = eval { $json->decode(decode_base64url($part)) } // {};

	for my $key (@{ $set->{keys} })
	{
		return $key if ($key->{kid} // '') eq ($header->{kid} // '');
	}
	return $set->{keys}[0];
}

# Signatures under a key for each group.
sub key_file
{
	my ($file, $name) = @_;
	my $set = slurp($file) or return;

	for my $group (@{ $set->{testGroups} })
	{
		my $alg = $name;
		my $jwk = $group->{publicKeyJwk} // $group->{keyJwk};
		my $jose = 1;

		($alg, $jose) = pss_alg($group) if $alg eq 'PS';
		$jwk = jwk_of($group->{publicKey}, $name) unless $jwk;
		for my $test (@{ $group->{tests} })
		{
			my %test = %$test;

			# good PSS, but with parameters that RFC 7518 3.5 does not allow
			$test{result} = 'invalid' unless $jose;
			vector($file, \%test, 'key', rsa_usable($jwk), $alg, $jwk,
				$test->{msg}, $test->{sig});
		}
	}
}

# The JOSE name nearest to a group's parameters, and whether it stands for them.
sub pss_alg
{
	my ($group) = @_;
	my ($bits) = $group->{sha} =~ /^SHA-(256|384|512)$/;

	return ('PS256', 0) unless $bits;
	return ("PS$bits",
		$group->{mgfSha} eq $group->{sha} && $group->{sLen} == $bits / 8);
}

# A JWK for a group that has none.
sub jwk_of
{
	my ($key, $name) = @_;

	if (defined $key->{modulus})
	{
		return {
			kty => 'RSA',
			n   => integer($key->{modulus}),
			e   => integer($key->{publicExponent}) };
	}

	my ($width, $curve) = @{ {
		ES256 => [ 64, 'P-256' ],
		ES384 => [ 96, 'P-384' ],
		ES512 => [ 132, 'P-521' ] }->{$name} };
	return {
		kty => 'EC',
		crv => $curve,
		x   => encode_base64url(pack 'H*', substr $key->{uncompressed}, 2, $width),
		y   => encode_base64url(pack 'H*', substr $key->{uncompressed}, 2 + $width)
	};
}

# A Base64urlUInt from hexadecimal, without leading zeros.
sub integer
{
	my ($digits) = @_;

	$digits =~ s/^(00)+//;
	return encode_base64url(pack 'H*', $digits);
}

# What sct_jwk_usable() shall say: a key that our policy refuses must be refused,
# and the verdict then is about the signature alone.
sub rsa_usable
{
	my ($jwk) = @_;

	return 'usable' unless $jwk->{kty} eq 'RSA';
	my $bits = 8 * length decode_base64url($jwk->{n});
	my $exponent = unpack 'H*', decode_base64url($jwk->{e});
	return 'key' if $bits > 4096 || $bits < 2048;
	return 'key' if length $exponent > 8 || hex $exponent < 65537;
	return 'usable';
}

# Only keys and tags of the one length that sct_crypto_hmac() has.
sub hmac_file
{
	my ($file) = @_;
	my $set = slurp($file) or return;

	for my $group (@{ $set->{testGroups} })
	{
		next unless $group->{keySize} == 256;
		vector($file, $_, 'hmac', '-', $_->{key}, undef, $_->{msg}, $_->{tag})
		  for @{ $group->{tests} };
	}
}

# Only output of the one length that sct_crypto_hkdf() has.
sub hkdf_file
{
	my ($file) = @_;
	my $set = slurp($file) or return;

	for my $group (@{ $set->{testGroups} })
	{
		for my $test (@{ $group->{tests} })
		{
			next unless $test->{size} == 32;
			vector($file, $test, 'hkdf', $test->{salt}, $test->{ikm}, undef,
				$test->{info}, $test->{okm});
		}
	}
}

# row: file, name, message, keying material, negotiated key parameters, verdict,
#		tbh of the provided binding, tbh of the referred one if a token may be
#		bound to it
# id: Token Binding ID, tbh
sub token_binding
{
	my %unknown;	# tbh of IDs with unknown key parameters

	for my $file ('published.json', 'generated.json')
	{
		for my $case (@{ slurp($file) // [] })
		{
			my $bindings = $case->{bindings} // [];

			for my $binding (@$bindings)
			{
				put('id', $binding->{tbid_hex}, $binding->{tbh});
				$unknown{ $binding->{tbh} } = 1 if $binding->{keyparams} > 2;
			}
			token_binding_case($file, $case, \%unknown);
		}
	}
	for my $line (slurp_lines('all.tsv'))
	{
		my @field = split /\t/, $line;

		next if $line =~ /^#/;
		$field[6] = '-' if $unknown{ $field[6] };
		put('row', 'all.tsv', @field);
	}
}

# A message under each of the key parameters that its file has a verdict for.
# Without keying material every signature is wrong.
sub token_binding_case
{
	my ($file, $case, $unknown) = @_;
	my %verdict = $case->{https_result_by_negotiated}
	  ? %{ $case->{https_result_by_negotiated} }
	  : ($case->{negotiated} // 2, $case->{expected} // 'provided_sig');
	my %tbh = (0 => [], 1 => []);

	for my $binding (@{ $case->{bindings} // [] })
	{
		push @{ $tbh{ $binding->{type} } }, $binding->{tbh};
	}
	my ($provided, $referred) =
	  map { @{ $tbh{$_} } == 1 ? $tbh{$_}[0] : '-' } 0, 1;

	$referred = '-' if $unknown->{$referred};
	for my $negotiated (sort keys %verdict)
	{
		my ($word) = split /:/, $verdict{$negotiated};

		put('row', $file, $case->{name}, $case->{message_hex},
			$case->{ekm_hex} // '00' x 32, $negotiated, $word, $provided,
			$referred);
	}
}

if    ($what eq 'dpop')          { dpop() }
elsif ($what eq 'mtls')          { mtls() }
elsif ($what eq 'wycheproof')    { wycheproof() }
elsif ($what eq 'token_binding') { token_binding() }
else                             { die "unknown set of vectors: $what\n" }
