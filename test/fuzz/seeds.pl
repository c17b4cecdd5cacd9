#!/usr/bin/perl
#
# seeds.pl
#		What the fuzzer begins with: inputs made of the test vectors, and those
#		that were worth keeping, one file for each.
#
#	seeds.pl VECTORS CORPUS FOLDER
#
# VECTORS is test/vectors; CORPUS has a file for each harness, with an input in
# base64 on each line; FOLDER is made, with a folder for each harness.  The first
# bytes of an input are as the banner of its harness says.

use strict;
use warnings;
use JSON::PP;
use MIME::Base64 qw(decode_base64 decode_base64url encode_base64
  encode_base64url);

my ($vectors, $corpus, $folder) = @ARGV;
die "usage: $0 VECTORS CORPUS FOLDER\n" unless defined $folder;

my %count;

sub slurp
{
	my ($file) = @_;

	open my $handle, '<:raw', $file or die "$file: $!\n";
	local $/;
	return scalar <$handle>;
}

# Makes an input of a harness.
sub seed
{
	my ($harness, $bytes) = @_;
	my $file = sprintf '%s/%s/%04d', $folder, $harness, $count{$harness}++;

	mkdir "$folder/$harness";
	open my $handle, '>:raw', $file or die "$file: $!\n";
	print $handle $bytes;
	close $handle or die "$file: $!\n";
}

# Proofs as they are, and signed anew: flag 1, a signer, header with FE for the
# key, FF, claims.
sub proofs
{
	my $cases = decode_json(slurp("$vectors/dpop/dpop_cases.json"));

	foreach my $case (@{ $cases->{cases} })
	{
		my ($header, $claims) =
		  map { decode_base64url($_ // '') } split /\./, $case->{proof} // '';
		my ($jwk) = ($header // '') =~ /"jwk":(\{[^{}]*\})/;
		my $token = defined $case->{request}{access_token} ? 2 : 0;

		next if !defined $claims || length $case->{proof} > 9000;
		seed('fuzz_proof', chr($token) . "\0$case->{proof}");
		seed('fuzz_json', $_) foreach $header, $claims;
		next unless defined $jwk;
		seed('fuzz_jwk', $jwk);
		$header =~ s/"jwk":\{[^{}]*\}/"jwk":\xFE/;

		# The harness has one request.
		$claims =~ s/"htm":"GET"/"htm":"POST"/;
		$claims =~ s{https://resource\.example\.org/protectedresource}{https://server.example.com/token};
		my $signer = $header =~ /"EdDSA"|"Ed25519"/ ? 1 : $header =~ /"ES384"/ ? 2 : $header =~ /"PS256"/ ? 3 : $header =~ /"Ed448"/ ? 4 : 0;
		seed('fuzz_proof', chr(1 | $token) . chr($signer) . "$header\xFF$claims");
	}
}

sub uris
{
	my $pairs = decode_json(slurp("$vectors/dpop/htu_pairs.json"));

	foreach my $pair (@{ $pairs->{pairs} })
	{
		foreach my $uri ($pair->{htu_claim}, $pair->{request_url})
		{
			utf8::encode($uri);
			seed('fuzz_uri', "$uri\n" . join '', map { chr } 1, 5, 0, 20, 49, 7, 32, 3, 16);
		}
	}
}

# Certificates and CRLs, and JWKs made of those with a P-256 key.
sub certificates
{
	foreach my $file (sort glob("$vectors/mtls/pki/*"), "$vectors/mtls/rfc8705_appendix_a.pem")
	{
		my ($base64) = slurp($file) =~ /-----\n(.*?)-----/s;
		my $der = decode_base64($base64);

		seed('fuzz_certificate', "\0$der");
		next unless $der =~ /\x03\x42\x00\x04(.{32})(.{32})/s;
		my ($x, $y) = map { encode_base64url($_) } $1, $2;
		my $x5c = encode_base64($der, '');
		my $jwk = qq({"kty":"EC","crv":"P-256","x":"$x","y":"$y","x5c":["$x5c"]});

		seed('fuzz_jwk', $jwk);
		seed('fuzz_jwk', qq({"keys":[$jwk]}));
	}
}

# What the harness makes a certificate of: how, serial, subject, extensions.
sub made_certificates
{
	my $subject = chr(2) . "\0\0\2ab" . "\1\1\2cd";
	my @extensions = map { my ($type, $hex) = @$_; chr($type) . pack 'C/a', pack 'H*', $hex }
	  [ 1, '300a06082b06010505070302' ],	# clientAuth
	  [ 2 | 128, '03020780' ],				# digitalSignature
	  [ 3 | 128, '3000' ], [ 3, '30060101ff020100' ],
	  [ 0, '3011820161860373 3a61870401020304810361 4062' =~ s/ //gr ],
	  [ 4 | 128, '3005a00330018201' ], [ 5, '300630040602551d' ];

	foreach my $how (1, 1 | 64, 1 | 128, 1 | 192)
	{
		seed('fuzz_certificate', chr($how) . "\1\1" . $subject . $_)
		  foreach @extensions, join '', @extensions[ 0 .. 2 ];
	}
	seed('fuzz_certificate', chr(3) . pack('C/a C/a', '200101000000Z', '310101000000Z') . "\1\1$subject");
	seed('fuzz_certificate', chr(1) . "\1\1" . chr(7) . join '', map { chr($_) . chr($_) . "\4\0\0\0a" } 0 .. 6);
	seed('fuzz_certificate', chr(1) . "\1\1" . chr(3) . join '', map { chr(128 | $_) . chr($_) . "\4\0\0\0a" } 7 .. 9);
}

# The member and a value.
sub names
{
	foreach my $line (split /\n/, slurp("$vectors/mtls/dn_match.tsv"))
	{
		my (undef, undef, $dn) = split /\t/, $line;

		seed('fuzz_name', "\0$dn") if defined $dn;
	}
	seed('fuzz_name', $_)
	  foreach "\1api.example.com", "\2spiffe://td.example/a", "\3" . '192.0.2.7',
	  "\3" . '2001:db8::1', "\4Bob\@Example.com";
}

# The format and a value.
sub headers
{
	foreach my $line (split /\n/, slurp("$vectors/mtls/cert_headers.tsv"))
	{
		my ($name, $value) = split /\t/, $line;
		my %escape = (n => "\n", r => "\r", t => "\t");

		next if $name =~ /^#/ || !defined $value;
		$value =~ s/\\([nrt])/$escape{$1}/g;
		seed('fuzz_certificate_header', "\0$value");
	}
}

# Tokens and nonces of other keys, and messages as the harness spells them.
sub others
{
	seed('fuzz_token', 'sct_AQegoaKjpKWmp6ipqqusra6vAAAAAAABAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8-ZaoS6Q6b93r8ocY4Bn0s16pt03');
	seed('fuzz_token', join '', map { chr } 1 .. 60);
	seed('fuzz_token', encode_base64('any bytes', ''));
	seed('fuzz_nonce', "\1\7" . pack('Q>', 1700000000000000) . pack('nC', 50, 2) . "as\nAQcAAAAAAbBVFanDPyUUTNroXTKBfKne0AC2F4au3OYbNA");
	seed('fuzz_token_binding', join '', map { chr } @$_)
	  foreach [ 8 | 3, 2 ], [ 8 | 3, 2, 10 ], [ 8 | 3, 3, 8 | 2 ], [ 8 | 1, 0, 8 | 1 ],
	  [ 8 | 2, 1, 8 | 3 ], [ 8 | 3, 2, 2 | 4, 9 ], [ 8 | 3, 2 | 128, 4, 1, 0, 1, 7 ],
	  [ 3, 0, 0 ], [ 8 | 3, 2, 8 | 16 | 2, 0, 88 ];
}

# What was kept: see minimise.sh.
sub kept
{
	foreach my $file (sort glob "$corpus/fuzz_*")
	{
		my ($harness) = $file =~ m{([^/]+)$};

		seed($harness, decode_base64($_)) foreach split /\n/, slurp($file);
	}
}

mkdir $folder or die "$folder: $!\n";
proofs();
uris();
certificates();
made_certificates();
names();
headers();
others();
kept();
