# Where all is SERIALIZABLE, a call gives its verdict or a 40001 that changed
# nothing, also beside calls on other families, for index pages are shared: the
# same call repeated gives the verdict.

use strict;
use warnings;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $clients = 4;
my $families = 10;
my $rotations = 100;

my $node = PostgreSQL::Test::Cluster->new('serializable');
$node->init;
$node->append_conf(
	'postgresql.conf', q{
default_transaction_isolation = 'serializable'
sctoken.lock_timeout = '60s'
log_statement = 'none'
});
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION sctoken');

# A call as a caller makes it: again while it fails, some times at most.
sub call
{
	my ($sql) = @_;

	return "\\set again true\n"
	  . "\\if :again\n$sql \\gset\n\\set again :ERROR\n\\endif\n" x 20;
}

my $script = $node->basedir . '/families.sql';
append_to_file(
	$script,
	"\\set VERBOSITY sqlstate\n"
	  . (   call(q{SELECT refresh_token AS token FROM sctoken.issue('app', 'alice')})
		  . (   call(q{SELECT refresh_token AS next FROM sctoken.rotate(:'token', 'app')})
			  . "\\set token :next\n") x $rotations
		  . call(q{SELECT sctoken.introspect(:'token')->>'active' AS active})
		  . "\\echo :active\n"
		  . call(q{SELECT sctoken.revoke(:'token', 'app') AS revoked})
		  . "\\echo :revoked\n") x $families);

my (@harness, @stdout, @stderr);
foreach my $client (1 .. $clients)
{
	$stdout[$client] = $stderr[$client] = '';
	push @harness,
	  IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-f', $script ],
		'<', '/dev/null', '>', \$stdout[$client], '2>', \$stderr[$client],
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
}
$_->finish foreach @harness;

my $errors = join '', @stderr[ 1 .. $clients ];
unlike($errors, qr/^(?!.*ERROR:  40001$)./m, 'no error but 40001');
note scalar(() = $errors =~ /40001$/mg) . ' calls repeated';

is( join('', @stdout[ 1 .. $clients ]),
	"true\nt\n" x ($clients * $families),
	'each last token was active, and revoked');

# A call that had changed something would have been a retry when it was repeated.
is( $node->safe_psql(
		'postgres', q{
SELECT kind, count(*), count(DISTINCT (family_id, generation)) FROM sctoken.event
GROUP BY 1 ORDER BY 1}),
	join("\n",
		map { "$_->[0]|$_->[1]|$_->[1]" }[ issued => $clients * $families ],
		[ revoked => $clients * $families ],
		[ rotated => $clients * $families * $rotations ]),
	'each call took effect once');

$node->stop;
done_testing();
