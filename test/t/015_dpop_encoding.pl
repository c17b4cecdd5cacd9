# Proofs are UTF-8, whatever the database's encoding: the verdicts are the same in
# each, and never an error.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Prover;
use Test::More;

my $htu = 'https://as.example/token';
my @encodings = ('UTF8', 'LATIN1', 'SQL_ASCII', 'EUC_JP', 'WIN1252', 'KOI8R');

my $node = PostgreSQL::Test::Cluster->new('dpop_encoding');
$node->init;
$node->append_conf('postgresql.conf', 'sctoken.dpop_max_age = 600');
$node->start;

my $key = $node->basedir . '/key.pem';
prover('key', $key);

sub proof
{
	my ($jti, $uri) = @_;

	return prover('proof', $key, 'POST', $uri // $htu, '--jti', $jti);
}

# Name, jti, URI, reason, and encodings that have the characters of jti.
my @cases = (
	[ 'ASCII', 'abc', undef, '', 'all' ],
	[ 'Latin', "caf\xc3\xa9", undef, '', 'UTF8 LATIN1 WIN1252 EUC_JP' ],
	[ 'kanji', "\xe6\x97\xa5\xe6\x9c\xac", undef, '', 'UTF8 EUC_JP' ],
	[ 'Cyrillic', "\xd0\x96", undef, '', 'UTF8 EUC_JP KOI8R' ],
	[ 'beyond the BMP', "\xf0\x9f\x98\x80", undef, '', 'UTF8' ],
	[ 'control characters', "a\tb\x7f", undef, '', 'all' ],
	[ '256 bytes', "\xc3\xa9" x 128, undef, '', 'UTF8 LATIN1 WIN1252 EUC_JP' ],
	[ '258 bytes', "\xc3\xa9" x 129, undef, 'jti', '' ],
	[ 'a byte that is no UTF-8', "a\xe9", undef, 'json', '' ],
	[ 'an overlong form', "\xc0\xaf", undef, 'json', '' ],
	[ 'a surrogate', "\xed\xa0\x80", undef, 'json', '' ],
	[ 'a URI beyond ASCII', 'uri', "https://as.example/caf\xc3\xa9", 'htu', '' ]);
$_->[5] = proof($_->[1], $_->[2]) foreach @cases;

foreach my $encoding (@encodings)
{
	$node->safe_psql('postgres',
		"CREATE DATABASE \"x$encoding\" TEMPLATE template0 ENCODING '$encoding' LC_COLLATE 'C' LC_CTYPE 'C'");

	my $sql = sub {
		my ($query) = @_;
		my ($ret, $stdout, $stderr) = $node->psql("x$encoding", $query,
			on_error_die => 0);

		return $ret == 0 ? $stdout : "error $stderr";
	};

	is($sql->('CREATE EXTENSION sctoken'), '', "$encoding: installed");
	foreach my $case (@cases)
	{
		my ($name, $jti, undef, $reason, $shown, $proof) = @$case;
		my $check = "sctoken.dpop_check('$proof', 'POST', '$htu')";
		my $valid = $reason eq '' ? 't' : 'f';

		is($sql->("SELECT valid, reason FROM sctoken.dpop_verify('$proof', 'POST', '$htu')"),
			"$valid|$reason", "$encoding, $name: dpop_verify");
		is($sql->("SELECT valid, reason FROM $check"),
			"$valid|$reason", "$encoding, $name: dpop_check");
		is($sql->("SELECT valid, reason FROM $check"),
			'f|' . ($reason || 'replayed'), "$encoding, $name: again");
		next if $reason ne '';

		# SQL_ASCII takes the bytes as they are
		my $can = $shown eq 'all' || $encoding eq 'SQL_ASCII' || $shown =~ /\b$encoding\b/;
		is( $sql->(
				"SELECT jti NOT LIKE '%\\u%', claims::text LIKE '%htm%' FROM sctoken.dpop_verify('$proof', 'POST', '$htu')"
			),
			($can ? 't' : 'f') . '|t',
			"$encoding, $name: jti is spelled " . ($can ? 'as it is' : 'as in JSON'));
	}

	# issue and rotate, with the same proof and with another one
	my $first = proof("issue \xe6\x97\xa5");
	my $second = proof("rotate \xf0\x9f\x98\x80");
	is( $sql->(qq{
SELECT refresh_token AS token, outcome FROM sctoken.issue('app', 'alice', dpop_proof => '$first', htu => '$htu') \\gset
SELECT :'outcome', r.outcome, r.reason FROM sctoken.rotate(:'token', 'app', dpop_proof => '$first', htu => '$htu') r;
SELECT outcome FROM sctoken.rotate(:'token', 'app', dpop_proof => '$second', htu => '$htu')}),
		"issued|proof_invalid|replayed\nrotated",
		"$encoding: issue and rotate");
}

$node->stop;
done_testing();
