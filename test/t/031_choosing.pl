# The SQL of doc/choosing.md: each statement is run as it stands there, and gives
# what the guide says, to the right client and to the wrong one.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use MIME::Base64 qw(decode_base64);
use Page;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Prover;
use Test::More;

my $top = "$FindBin::RealBin/../..";
my $token_endpoint = 'https://as.example.com/token';
my $resource = 'https://api.example.com/orders';

# Statements by section.
my (%guide, %unused);
foreach my $block (page_blocks("$top/doc/choosing.md"))
{
	next if $block->{language} ne 'sql';
	$guide{ $block->{section} } //= [''];
	foreach my $line (split /^/, $block->{text})
	{
		$guide{ $block->{section} }[-1] .= $line;
		push @{ $guide{ $block->{section} } }, '' if $line =~ /;$/;
	}
}
foreach my $name (keys %guide)
{
	is(pop @{ $guide{$name} }, '', "$name: every statement has an end");
	$unused{"$name $_"} = 1 foreach 1 .. @{ $guide{$name} };
}

my $node = PostgreSQL::Test::Cluster->new('choosing');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION sctoken');

# The columns that a statement gives, with these variables of psql.
sub guide
{
	my ($name, $number, %variables) = @_;

	delete $unused{"$name $number"};
	return split /\|/,
	  $node->safe_psql(
		'postgres',
		$guide{$name}[ $number - 1 ],
		extra_params => [ map { ('-v', "$_=$variables{$_}") } sort keys %variables ]),
	  -1;
}

sub token_proof
{
	return prover('proof', $node->basedir . "/$_[0].pem", 'POST', $token_endpoint);
}

sub resource_proof
{
	return prover('proof', $node->basedir . "/$_[0].pem", 'GET', $resource, '--token', 'at');
}

my %cnf;
foreach my $key ('phone', 'thief')
{
	my $file = $node->basedir . "/$key.pem";

	prover('key', $file);
	$cnf{$key} = '{"jkt": "' . prover('jkt', $file) . '"}';
}

# Certificates, as nginx forwards them.
my (%header, %x5t);
foreach my $name ('leaf', 'selfsigned')
{
	my $pem = slurp_file("$top/test/vectors/mtls/pki/$name.pem");
	my $der = unpack 'H*', decode_base64($pem =~ s/-----[^-]*-----//gr);

	$header{$name} = $pem =~ s/([^A-Za-z0-9._~-])/sprintf '%%%02X', ord $1/ger;
	$x5t{$name} = $node->safe_psql('postgres', "SELECT sctoken.certificate_thumbprint('\\x$der')");
	$cnf{$name} = qq({"x5t#S256": "$x5t{$name}"});
}

#
# DPoP
#
my %app = (client_id => 'app', subject => 'alice');
my @row = guide('DPoP', 1, %app, proof => token_proof('phone'));
is("$row[0] $row[4]", "issued $cnf{phone}", 'DPoP: a login');
my $token = $row[3];
@row = guide('DPoP', 2, %app, refresh_token => $token, proof => token_proof('thief'));
is("$row[0] $row[1]", 'binding_mismatch invalid_grant', 'DPoP: a refresh with another key');
@row = guide('DPoP', 2, %app, refresh_token => $token, proof => token_proof('phone'));
is("$row[0] $row[4]", "rotated $cnf{phone}", 'DPoP: a refresh');

my %request = (access_token => 'at', cnf => $cnf{phone});
is_deeply([ guide('DPoP', 3, %request, proof => resource_proof('phone')) ],
	[ 't', '', '' ], 'DPoP: a request');
is_deeply([ guide('DPoP', 3, %request, proof => resource_proof('thief')) ],
	[ 'f', 'invalid_token', 'jkt' ], 'DPoP: a request with another key');
foreach my $cnf ('{}', $cnf{leaf})
{
	is_deeply([ guide('DPoP', 3, %request, proof => resource_proof('phone'), cnf => $cnf) ],
		[ 'f', 'invalid_token', 'jkt' ], "DPoP: a token with the cnf $cnf");
}
guide('DPoP', 4, client_id => 'dpop');
@row = guide('mTLS', 2, client_id => 'dpop', subject => 'alice', client_cert => $header{leaf});
is($row[0], 'binding_required', 'DPoP: a client that must use it does not');

#
# mTLS
#
my %bank = (client_id => 'bank', subject => 'alice');
guide('mTLS', 5, %bank);
$node->safe_psql('postgres',
	"INSERT INTO sctoken.client_certificate (client_id, thumbprint, check_validity) VALUES ('bank', '$x5t{leaf}', false)");
foreach my $case ([ $header{leaf}, 't' ], [ $header{selfsigned}, 'f' ], [ '', 'f' ])
{
	is((guide('mTLS', 1, %bank, client_cert => $case->[0]))[0],
		$case->[1], 'mTLS: client authentication');
}
@row = guide('mTLS', 2, %bank, client_cert => $header{leaf});
is("$row[0] $row[3]", "issued $cnf{leaf}", 'mTLS: a login');
$token = $row[2];
is((guide('mTLS', 3, %bank, refresh_token => $token, client_cert => ''))[0],
	'binding_required', 'mTLS: a refresh without a certificate');
@row = guide('mTLS', 3, %bank, refresh_token => $token, client_cert => $header{selfsigned});
is("$row[0] $row[3]", "rotated $cnf{selfsigned}", 'mTLS: a refresh after a renewal');
foreach my $case (
	[ 'leaf', $cnf{leaf}, 't' ], [ 'selfsigned', $cnf{leaf}, 'f' ],
	[ 'none', $cnf{leaf}, 'f' ], [ 'leaf', '{}', 'f' ], [ 'leaf', $cnf{phone}, 'f' ])
{
	my ($certificate, $cnf, $expected) = @$case;

	is_deeply([ guide('mTLS', 4, client_cert => $header{$certificate} // '', cnf => $cnf) ],
		[$expected], "mTLS: a request with certificate $certificate, token with $cnf");
}

#
# Both
#
@row = guide('Both', 1, %app, proof => token_proof('phone'), client_cert => $header{leaf});
my $both = $row[3];
like($both, qr/"jkt".*"x5t#S256"/, 'both: a login');
foreach my $case (
	[ $both, 'phone', 'leaf', 't' ], [ $both, 'phone', 'none', 'f' ],
	[ $both, 'phone', 'selfsigned', 'f' ], [ $both, 'thief', 'leaf', 'f' ],
	[ $both, 'none', 'leaf', 'f' ], [ $cnf{phone}, 'phone', 'none', 't' ],
	[ $cnf{phone}, 'none', 'leaf', 'f' ], [ $cnf{leaf}, 'none', 'leaf', 't' ],
	[ '{}', 'phone', 'leaf', 'f' ], [ '{"kid": "x"}', 'phone', 'leaf', 'f' ])
{
	my ($cnf, $key, $certificate, $expected) = @$case;

	@row = guide(
		'Both', 2,
		access_token => 'at',
		cnf => $cnf,
		proof => $key eq 'none' ? '' : resource_proof($key),
		client_cert => $header{$certificate} // '');
	is($row[0], $expected, "both: a request with key $key, certificate $certificate, token with $cnf");
}

#
# Neither
#
my $neither = 'Neither: a backend for the frontend';
my %bff = (client_id => 'bff', subject => 'alice', session_id => 'session');
guide($neither, 1, %bff);
@row = guide($neither, 2, %bff);
is($row[0], 'issued', 'neither: a login');
$token = $row[1];
is((guide($neither, 3, %bff, refresh_token => $token))[0], 'rotated', 'neither: a refresh');
my %active = (family_id => $node->safe_psql('postgres', "SELECT sctoken.token_family_id('$token')"));
is_deeply([ guide($neither, 5, %active) ], ['t'], 'neither: the family lives');
is_deeply([ guide($neither, 4, %bff) ], [1], 'neither: a logout');
is_deeply([ guide($neither, 5, %active) ], ['f'], 'neither: the family is dead');

#
# Renewal
#
my $renewal = 'When a certificate is renewed';
@row = guide('mTLS', 2, %app, client_cert => $header{leaf});
$token = $row[2];
my %family = (
	family_id => $node->safe_psql('postgres', "SELECT sctoken.token_family_id('$token')"),
	new_thumbprint => $x5t{selfsigned},
	old_thumbprint => $x5t{selfsigned});
is((guide('mTLS', 3, %app, refresh_token => $token, client_cert => $header{selfsigned}))[0],
	'binding_mismatch', 'renewal: a public client with a new certificate');
is_deeply([ guide($renewal, 1, %family) ], ['t'], 'renewal: an operator binds its family anew');
@row = guide('mTLS', 3, %app, refresh_token => $token, client_cert => $header{selfsigned});
is($row[0], 'rotated', 'renewal: it goes on');
is_deeply([ guide('Estates with both', 1, refresh_token => $row[2]) ],
	[ $cnf{selfsigned} ], 'what it is bound to now');
is_deeply([ guide($renewal, 2, %family) ], [1], 'renewal: all of a stolen key are revoked');

#
# FAPI 2.0
#
my $fapi = 'FAPI 2.0, OAuth 2.1, RFC 9700';
guide($fapi, 1, client_id => 'fapi');
@row = guide('DPoP', 1, %app, client_id => 'fapi', proof => token_proof('phone'));
is((guide('DPoP', 2, client_id => 'fapi', refresh_token => $row[3], proof => token_proof('phone')))[0],
	'kept', 'FAPI: a refresh does not rotate');
is((guide($neither, 2, %bff, client_id => 'fapi'))[0], 'binding_required', 'FAPI: no bearer token');

is_deeply([ sort keys %unused ], [], 'every statement was run');
done_testing();
