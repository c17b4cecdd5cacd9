# campaign.pl: make campaign.  Prints the table of a campaign; status 1 where a rule
# was broken, another where nothing can be said.
#
# Environment: ROTATIONS (20000), KILLS (10), CLIENTS (64), SEED; and the others of
# Campaign.pm, in capitals.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use Campaign qw(campaign);
use Test::More;

# Standard output and error are a log file's by now.
my $out = Test::More->builder->output;
my $err = Test::More->builder->failure_output;
my %c = (
	name => 'campaign',
	rotations => 20000,
	kills => 10,
	seed => int(rand 1_000_000),
	fsync => 'on',
	tell => sub { print $out "@_\n" });

foreach my $name (
	qw(rotations kills clients places seed mix calls_to_kill interrupts kill_servers_only
	duration fsync conf))
{
	$c{$name} = $ENV{ uc $name } if ($ENV{ uc $name } // '') ne '';
}
my ($status, $table) = eval { campaign(%c) };

if (!defined $status)
{
	print $err "campaign: $@";
	exit 2;
}
print $out "\n$table";
exit $status;
