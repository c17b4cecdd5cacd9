# A short campaign: clients rotate, retry, steal, reuse, revoke and check proofs at
# all isolation levels, while the server and sessions are killed.  make campaign runs
# a longer one, and make campaign-controls shows that it notices what it looks for.

use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../campaign";
use Campaign qw(campaign);
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'DRIVER does not name the program of test/campaign/driver.c'
  unless $ENV{DRIVER};

my ($status, $table) = eval {
	campaign(
		name => 'campaign',
		rotations => 1500,
		kills => 2,
		places => 64,
		seed => 40);
};

BAIL_OUT("no campaign: $@") unless defined $status;
note $table;
my @rules = $table =~ /^(\w+)  .*  (\S.*?) +(\d+) +(\d+)$/mg;
is(@rules, 4 * 15, 'all rules are there');
while (my ($rule, $text, $observed, $broken) = splice @rules, 0, 4)
{
	ok($observed > 0 && $broken == 0,
		"$rule: $text: observed $observed times, broken $broken times");
}
is($status, 0, 'the verdict agrees');
done_testing();
