# The regression tests through the proxy: what each gives there is what it gives in
# one database, but for the lines in test/plproxy/NAME.diff.
#
# After a change that is right, the new lines are in the folder that is named where
# a test fails.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Proxy;
use Test::More;

find_plproxy();

my $test = "$FindBin::RealBin/..";

# What has no meaning on a proxy, and why.
my %unfit = (
	audit_page => 'the event table emptied by its partitions',
	bulk => 'a login in the caller\'s transaction, beside a revocation in another, which no call through a proxy can be',
	client_authentication => 'trusted CAs that change in a transaction, which the shards do not see: 050_plproxy.pl calls it',
	append_only => 'triggers of tables, which are on the shards',
	catalog => 'the objects of the extension: 050_plproxy.pl compares them',
	distributable => 'the tables and triggers, which are on the shards',
	duties => 'duties of the extension: 050_plproxy.pl compares what they may call',
	maintenance => 'maintain and partitions of one database, step by step',
	plans => 'plans of the statements, which run on the shards',
	privileges => 'privileges of the tables, and search paths inside of a shard',
	secret => 'secrets in the table, of which shards must not have their own',
	shard => 'what one database does by its number',
	stats => 'counters of one server, and what a rollback does to them',
	trigger => 'triggers of tables that are elsewhere');

# What differs where there is a NAME.diff, and why.
my %differs = (
	audit => 'a setting of the session, indexes of a shard',
	care => 'a setting of the session; read-only transactions',
	certificate_grant => 'what a statement reads beside a call was there before it',
	dpop_check => 'settings of the session, rollbacks, the tables of one store',
	issue => 'secrets are in a file; read-only transactions',
	limits => 'rollbacks',
	nonce => 'secrets are in a file',
	policy => 'settings of the session, rollbacks, triggers of the tables',
	revoke => 'secrets are in a file; rollbacks; read-only transactions',
	rotate => 'rollbacks; read-only transactions',
	scenarios => 'rollbacks; partitions; what a statement reads beside a call was there before it',
	token_binding => 'rollbacks; a login in a transaction that the shards wait for');

my ($list) = slurp_file("$test/../Makefile") =~ /^REGRESS\s*=(.*)$/m;
my @tests = split ' ', $list;
is_deeply([ sort grep { $unfit{$_} } @tests ], [ sort keys %unfit ], 'what is left out is a test');
is_deeply([ sort map { m{(\w+)\.diff$} } glob "$test/plproxy/*.diff" ], [ sort keys %differs ], 'each difference has a reason');

# What the tests set in their session, which is that of the proxy.
my $settings = q{
timezone = 'PST8PDT'
sctoken.lock_timeout = '200ms'
sctoken.dpop_algs = 'ES256,ES384,ES512,PS256,PS384,PS512,RS256,RS384,RS512,EdDSA,Ed25519,Ed448'
};
my @servers = map { new_server("server_$_", $settings) } 0, 1;
new_shard(shard_server($_, @servers), $_) foreach 0 .. $shards - 1;

# client_policy as a table: see tables.sql.
my $kit = slurp_file($Proxy::script);
$kit =~ s/^CREATE TYPE sctoken\.client_policy AS \(/CREATE TABLE sctoken.client_policy (/m or die 'there is no such type';
$Proxy::script = PostgreSQL::Test::Utils::tempdir() . '/proxy.sql';
append_to_file($Proxy::script, $kit);
my $proxy = new_proxy('proxy', '', @servers);
$proxy->command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $proxy->connstr('proxy'), '-f', "$test/plproxy/tables.sql" ],
	'tables are to be had');

# What says nothing: who reports an error, how wide a column is, and what is new each time.
sub plain
{
	my ($text) = @_;

	$text =~ s/sctoken(?:_shard)?\.\w+\(\d+\): \[shard_\d\] REMOTE \w+: //g;
	$text =~ s/^(DETAIL|HINT):  Remote (?:detail|hint): /$1:  /gm;
	$text =~ s/^NOTICE:  PL\/Proxy: dropping stale conn\n//gm;
	$text =~ s/^CONTEXT:  .*\n(?:(?:SQL|PL|Remote|unnamed|portal) .*\n)*//gm;
	$text =~ s/sct_[\w-]{96}\w{6}/TOKEN/g;
	$text =~ s/\b[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-8000-[0-9a-f]{12}\b/FAMILY/g;
	$text =~ s/\bAQ[\w-]{44}\b/NONCE/g;
	$text =~ s/"\w{3} \w{3} \d\d \d\d:[\d:.]+ \d{4} P[SD]T"/TIME/g;
	$text =~ s/^[-+]{3,}$/---/gm;
	$text =~ s/[ \t]+/ /g;
	$text =~ s/ $//gm;
	return $text;
}

my $results = "$PostgreSQL::Test::Utils::tmp_check/plproxy";
mkdir $results;
foreach my $name (grep { !$unfit{$_} } @tests)
{
	my ($output, $diff) = ('', '');

	$proxy->safe_psql('proxy', 'TRUNCATE sctoken.client_policy');
	{
		local $ENV{PG_ABS_SRCDIR} = $test;
		local $ENV{PGTZ} = 'PST8PDT';
		local $ENV{PGDATESTYLE} = 'Postgres, MDY';
		local $ENV{PGOPTIONS} = '-c intervalstyle=postgres_verbose';
		IPC::Run::run([ 'psql', '-X', '-a', '-q', '-d', $proxy->connstr('proxy') ],
			'<', "$test/sql/$name.sql", '>&', \$output,
			IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	}
	unlink "$results/$name.$_" foreach 'one', 'many';
	append_to_file("$results/$name.one", plain(slurp_file("$test/../expected/$name.out")));
	append_to_file("$results/$name.many", plain($output));
	($diff) = run_command([ 'diff', '-U0', "$results/$name.one", "$results/$name.many" ]);
	$diff = join '', map { "$_\n" } grep { /^[-+]/ && !/^(?:---|\+\+\+) / } split /\n/, $diff;

	my $known = -e "$test/plproxy/$name.diff" ? slurp_file("$test/plproxy/$name.diff") : '';
	unlink "$results/$name.diff";
	append_to_file("$results/$name.diff", $diff) if $diff ne '';
	ok($diff eq $known, "$name" . ($differs{$name} ? " ($differs{$name})" : ''))
	  or diag "the differences are in $results/$name.diff";
}

stop_all($proxy, @servers);
done_testing();
