# A proxy of contrib/plproxy with four shards on two servers, for its tests.
#
# On the shards a role authenticates by a password, but for the superuser of the
# tests; the proxy has the passwords in its user mappings.

package Proxy;

use strict;
use warnings;
use Exporter 'import';
use FindBin;
use MIME::Base64;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

our @EXPORT = qw(find_plproxy new_server new_shard new_proxy shard_option shard_server stop_all $shards);
our $shards = 4;
our $script = "$FindBin::RealBin/../../contrib/plproxy/proxy.sql";

my %roles = (
	my_as => 'authorization_server',
	my_rs => 'resource_server',
	my_auditor => 'auditor',
	my_operator => 'operator',
	my_monitor => 'monitor');
my $secrets;

# In which the regression tests are written, whatever the caller's locale is.
my $unicode = [ '--encoding=UTF8', '--no-locale' ];

# Sees to it that PL/Proxy is there, or ends the test.
sub find_plproxy
{
	my ($lib) = run_command([ 'pg_config', '--pkglibdir' ]);

	return if -e "$lib/plproxy.so";
	die 'PL/Proxy is not installed' if $ENV{CI};
	plan skip_all => 'PL/Proxy is not installed';
}

sub password_of
{
	my ($role) = @_;

	return "Secret-of-$role";
}

# A server for shards; all have the same file of secrets.
sub new_server
{
	my ($name, $conf) = @_;
	my $server = PostgreSQL::Test::Cluster->new($name);

	if (!$secrets)
	{
		$secrets = PostgreSQL::Test::Utils::tempdir() . '/secrets';
		append_to_file($secrets, '0 ' . encode_base64(pack('C*', map { int rand 256 } 1 .. 32)));
		chmod 0600, $secrets or die $!;
	}
	$server->init(allows_streaming => 'logical', extra => $unicode);
	$server->append_conf(
		'postgresql.conf', qq{
sctoken.secret_file = '$secrets'
max_connections = 200
fsync = off
} . ($conf // ''));
	my $superuser = getpwuid($<);
	unlink $server->data_dir . '/pg_hba.conf';
	append_to_file($server->data_dir . '/pg_hba.conf', qq{
local all "$superuser" trust
local replication "$superuser" trust
local all all scram-sha-256
});
	$server->start;
	foreach my $role (sort keys %roles)
	{
		$server->safe_psql('postgres',
			"CREATE ROLE $role LOGIN PASSWORD '" . password_of($role) . "'");
	}
	return $server;
}

# Database number $shard, as README.md says.
sub new_shard
{
	my ($server, $shard) = @_;

	$server->safe_psql('postgres', "CREATE DATABASE shard_$shard");
	$server->safe_psql("shard_$shard", 'CREATE EXTENSION sctoken');
	$server->safe_psql("shard_$shard",
		"ALTER DATABASE shard_$shard SET sctoken.shard = '$shard/$shards'");
	$server->safe_psql("shard_$shard", "SELECT sctoken.grant_to('$_', '$roles{$_}')")
	  foreach sort keys %roles;
}

sub shard_option
{
	my ($server, $shard) = @_;

	return sprintf "p%d 'host=%s port=%d dbname=shard_%d'",
	  $shard, $server->host, $server->port, $shard;
}

# Database "proxy" on a server of its own, whose shards are on the servers in turn.
sub new_proxy
{
	my ($name, $conf, @servers) = @_;
	my $proxy = PostgreSQL::Test::Cluster->new($name);
	my $options = join ",\n", map { shard_option(shard_server($_, @servers), $_) } 0 .. $shards - 1;

	$proxy->init(extra => $unicode);
	$proxy->append_conf('postgresql.conf', "max_connections = 150\nfsync = off\n" . ($conf // ''));
	$proxy->start;
	$proxy->safe_psql('postgres', 'CREATE DATABASE proxy');
	$proxy->command_ok([ 'psql', '-XqAt', '-d', $proxy->connstr('proxy'), '-f', $script ],
		'the script makes a proxy');
	$proxy->safe_psql('proxy', qq{
CREATE SERVER sctoken FOREIGN DATA WRAPPER plproxy OPTIONS (connection_lifetime '1800', query_timeout '5', $options);
CREATE USER MAPPING FOR CURRENT_USER SERVER sctoken;
});
	foreach my $role (sort keys %roles)
	{
		my $password = password_of($role);

		$proxy->safe_psql('proxy', qq{
CREATE ROLE $role LOGIN;
CREATE USER MAPPING FOR $role SERVER sctoken OPTIONS (user '$role', password '$password');
SELECT sctoken.grant_to('$role', '$roles{$role}');
});
	}
	return $proxy;
}

# Which of the servers has a shard.
sub shard_server
{
	my ($shard, @servers) = @_;

	return $servers[ $shard % @servers ];
}

sub stop_all
{
	$_->stop foreach @_;
}

1;
