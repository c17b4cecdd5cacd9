# contrib/plproxy/README.md, "Setting it up" and "Without a proxy", as it stands there
# but for addresses: four shards on two servers, and a proxy that answers by them.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use Page;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Proxy;
use Test::More;

find_plproxy();

my @blocks = grep { $_->{language} eq 'sql' } page_blocks("$FindBin::RealBin/../../contrib/plproxy/README.md");
my ($shard_block, $roles, $proxy_block, $states) =
  map { $_->{text} } grep { $_->{section} eq 'Setting it up' } @blocks;
my ($routing) = map { $_->{text} } grep { $_->{section} eq 'Without a proxy' } @blocks;
my @servers = map { new_server("server-$_") } 0, 1;
my $proxy = PostgreSQL::Test::Cluster->new('proxy');

foreach my $shard (0 .. $shards - 1)
{
	my $server = shard_server($shard, @servers);

	$server->safe_psql('postgres',
		$shard_block =~ s/shard_0/shard_$shard/gr =~ s{0/$shards}{$shard/$shards}r =~ s/number 0/number $shard/r);
	# a role is one of the server, and granted in each database
	$roles =~ s/^CREATE ROLE.*\n//m if $shard >= @servers;
	$server->safe_psql("shard_$shard", $roles);
}

# The two commands of the shell, and then the proxy.
$proxy->init;
$proxy->start;
$proxy->command_ok([ 'createdb', '-h', $proxy->host, '-p', $proxy->port, 'proxy' ], 'a database for the proxy');
$proxy->command_ok([ 'psql', '-X', '-d', $proxy->connstr('proxy'), '-f', $Proxy::script ], 'the script');
$proxy_block =~ s/host=server-$_\.example\.com/'host=' . $servers[$_]->host . ' port=' . $servers[$_]->port/ge
  foreach 0, 1;
$proxy_block =~ s/ sslmode=verify-full//g;
$proxy->safe_psql('proxy', $proxy_block);

$proxy->safe_psql('proxy', 'CREATE USER MAPPING FOR CURRENT_USER SERVER sctoken');
is($proxy->safe_psql('proxy', "SELECT count(*), bool_and(ready) FROM (" . ($states =~ s/;\s*$//r) . ') AS s'),
	"$shards|t", 'all shards are ready');

my ($stdout, $stderr);
$proxy->psql(
	'proxy', q{
SELECT outcome, refresh_token AS token FROM sctoken.issue('app', 'alice') \gset
SELECT :'outcome', outcome FROM sctoken.rotate(:'token', 'app');
\set proof x
} . $routing,
	stdout => \$stdout, stderr => \$stderr, extra_params => [ '-U', 'my_authorization_server' ]);
like($stdout, qr/^issued\|rotated\n[0-3]\|[0-3]$/, 'the role of the page issues, rotates and routes') or diag $stderr;

stop_all($proxy, @servers);
done_testing();
