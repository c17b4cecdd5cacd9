# One secret on several servers: what one of them hands out the others recognise,
# while the secret is exchanged too.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use MIME::Base64;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Prover;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir;
prover('key', "$dir/key");

my $htu = 'https://rs.example.com/accounts';
my %secret = map { $_ => encode_base64(pack('C*', map { int rand 256 } 1 .. 32), '') } 0, 1;
my %node;
my %path;

# Puts other lines in the place of a server's file.
sub write_lines
{
	my ($name, @lines) = @_;

	unlink "$path{$name}.new";
	append_to_file("$path{$name}.new", join "\n", @lines, '');
	chmod 0600, "$path{$name}.new" or die $!;
	rename "$path{$name}.new", $path{$name} or die $!;
}

# The same, and the server reads them.
sub lines
{
	my ($name, @lines) = @_;

	write_lines($name, @lines);
	my $before = $node{$name}->safe_psql('postgres', 'SELECT pg_conf_load_time()');
	$node{$name}->reload;
	$node{$name}->poll_query_until('postgres', "SELECT pg_conf_load_time() <> '$before'")
	  or die 'no reload';
}

sub nonce
{
	my ($name) = @_;

	return $node{$name}->safe_psql('postgres', "SELECT sctoken.dpop_nonce('rs')");
}

# What a server says of a fresh proof with this nonce.
sub verdict
{
	my ($name, $nonce) = @_;
	my $proof = prover('proof', "$dir/key", 'GET', $htu, '--nonce', $nonce);

	return $node{$name}->safe_psql('postgres', qq{
SELECT CASE WHEN valid THEN 'valid' ELSE reason END
  FROM sctoken.dpop_check('$proof', 'GET', '$htu', server => 'rs', require_nonce => true)});
}

# Each accepts what the other makes.
sub understood
{
	my ($when) = @_;

	is(verdict('east', nonce('west')), 'valid', "$when: a nonce of west in east");
	is(verdict('west', nonce('east')), 'valid', "$when: a nonce of east in west");
}

foreach my $name ('east', 'west')
{
	$node{$name} = PostgreSQL::Test::Cluster->new($name);
	$path{$name} = $node{$name}->basedir . '/secrets';
	$node{$name}->init;
	write_lines($name, "0 $secret{0}");
	$node{$name}->append_conf('postgresql.conf',
		"sctoken.dpop_max_age = 600\nsctoken.secret_file = '$path{$name}'\n");
	$node{$name}->start;
	$node{$name}->safe_psql('postgres', 'CREATE EXTENSION sctoken');
}
understood('one secret');

# Two rounds, as doc/operations.md says: at no time does one make what another
# does not know.
my $old = nonce('east');
foreach my $round (
	[ "0 $secret{0}", "1 $secret{1} retired" ],
	[ "0 $secret{0} retired", "1 $secret{1}" ])
{
	foreach my $name ('east', 'west')
	{
		lines($name, @$round);
		understood("$round->[0] in $name" =~ s/ .{44}//r);
	}
}
isnt(nonce('east'), $old, 'another secret makes the nonces now');
is(verdict('west', $old), 'valid', 'and those of the one before count for a while');

# Where the secret differs they do not.
lines('west', '1 ' . encode_base64('x' x 32, ''));
is(verdict('west', nonce('east')), 'nonce', 'another secret under the same id is another secret');

# A refresh token is genuine on every server and at home on one: another does not
# know its family, and says so without harm.
lines('west', "0 $secret{0} retired", "1 $secret{1}");
my ($token) = $node{east}->safe_psql('postgres',
	q{SELECT refresh_token FROM sctoken.issue('app', 'alice')});
is($node{west}->safe_psql('postgres', "SELECT outcome, reason FROM sctoken.rotate('$token', 'app')"),
	'unknown_token|family', 'the wrong server refuses a refresh token');
is($node{east}->safe_psql('postgres', "SELECT outcome FROM sctoken.rotate('$token', 'app')"),
	'rotated', 'the right one has lost nothing by it');

$_->stop foreach values %node;
done_testing();
