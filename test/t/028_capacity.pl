# The tables of doc/capacity.md are what doc/capacity.sql computes.

use strict;
use warnings;
use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $doc = "$FindBin::RealBin/../../doc";
my $page = slurp_file("$doc/capacity.md");
my $node = PostgreSQL::Test::Cluster->new('capacity');
my (@what, %value);

$node->init;
$node->start;

# What it computes for some variables, in the order in which it says it.
sub model
{
	my (@variables) = @_;
	my ($stdout, $stderr) = run_command(
		[ 'psql', '-XqAt', '-F', "\t", (map { ('-v', $_) } @variables), '-f', "$doc/capacity.sql", $node->connstr('postgres') ]);

	is($stderr, '', "@variables: no error");
	return map { [ split /\t/ ] } split /\n/, $stdout;
}

foreach my $families ('1e6', '1e8', '5e9')
{
	my @rows = model("families=$families");

	@what = map { $_->[0] } @rows;
	push @{ $value{ $_->[0] } }, $_->[1] foreach @rows;
}
cmp_ok(scalar @what, '>', 10, 'it computes something');
foreach my $what (@what)
{
	my $row = '| ' . join(' | ', $what, @{ $value{$what} }) . ' |';

	ok(index($page, $row) >= 0, "the page has: $what") or diag $row;
}

# More of what there is to serve never needs less.
my %half = map { @$_ } model('families=1e8', 'refreshes_per_day=4');
cmp_ok($half{'servers (shards)'}, '<=', $value{'servers (shards)'}[1], 'half the refreshes need no more servers');

$node->stop;
done_testing();
