# A caller that rolls back after reuse_detected: the log says it once, the counters
# of the whole server have it, and the token that comes again revokes after all.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('lost');
$node->init;
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'sctoken'\n");
$node->start;
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION sctoken;
INSERT INTO sctoken.client_policy (client_id, retry_window, retry_until_confirmed)
	VALUES ('app', '0', false);
});

# A token that was used, and its family.
sub used_token
{
	my ($token, $family) = split /\|/,
	  $node->safe_psql('postgres',
		"SELECT refresh_token, family_id FROM sctoken.issue('app', 'alice')");

	$node->safe_psql('postgres', "SELECT FROM sctoken.rotate('$token', 'app')");
	return ($token, $family);
}

sub lost
{
	return $node->safe_psql('postgres',
		"SELECT value FROM sctoken.stats WHERE counter = 'revocations_lost'");
}

sub reason
{
	my ($family) = @_;

	return $node->safe_psql('postgres',
		"SELECT revoke_reason FROM sctoken.family WHERE id = '$family'");
}

sub use_token
{
	my ($token) = @_;

	return "SELECT outcome FROM sctoken.rotate('$token', 'app')";
}

is(lost(), 0, 'the counters begin with the server');
is( $node->safe_psql('postgres',
		'SELECT count(DISTINCT since), bool_and(abs(extract(epoch FROM since - pg_postmaster_start_time())) < 60) FROM sctoken.stats'),
	'1|t', '... at its start');

my ($token, $family) = used_token();
my $offset = -s $node->logfile;
is( $node->safe_psql('postgres',
		'BEGIN; ' . use_token($token) . '; ' . use_token($token) . '; ROLLBACK'),
	"reuse_detected\nrevoked", 'reuse, to be rolled back');
my $log = slurp_file($node->logfile, $offset);
my @lines = $log =~ /WARNING:  (.*)/g;
is("@lines", 'the revocation of a token family was rolled back', 'the log says it once');
like($log, qr/DETAIL:  .*1 times .*\Q$family\E/, '... with the family');
my ($part) = $log =~ /(WARNING:.*?HINT:[^\n]*)/s;
unlike($part, qr/sct_/, '... and without the token');
is(lost(), 1, 'it is counted');
is(reason($family), '', 'the family lives');

# At the next presentation it dies.
is($node->safe_psql('postgres', use_token($token)), 'reuse_detected', 'the token comes again');
is(reason($family), 'reuse_detected', 'and the family is revoked');
is(lost(), 1, 'nothing more was lost');

# One line for many in a transaction, at a savepoint's end as well.
my @used = map { [ used_token() ] } 1 .. 3;
$offset = -s $node->logfile;
$node->safe_psql(
	'postgres',
	join('',
		'BEGIN;',
		(map { 'SAVEPOINT a;' . use_token($_->[0]) . ';ROLLBACK TO a;' } @used),
		'COMMIT'));
$log = slurp_file($node->logfile, $offset);
@lines = $log =~ /WARNING:  (.*)/g;
is(scalar(@lines), 1, 'three savepoints rolled back: one line');
like($log, qr/DETAIL:  .*3 times .*\Q$used[0][1]\E/, '... that says how many, and the first');
is(lost(), 4, 'all are counted');

# A session that is ended in the middle.
($token, $family) = used_token();
my $session = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $session->query_safe('SELECT pg_backend_pid()');
$session->query_safe('BEGIN');
is($session->query_safe(use_token($token)), 'reuse_detected', 'reuse in an open transaction');
is(lost(), 4, 'is not lost yet');
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid, 60000)");
is(lost(), 5, 'a session that is terminated loses it');
is(reason($family), '', 'the family lives');
eval { $session->quit };

# The counters are those of all databases and sessions, and end with the server.
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION sctoken');
is( $node->safe_psql('other',
		"SELECT value FROM sctoken.stats WHERE counter = 'revocations_lost'"),
	5, 'another database sees the same');
$node->restart;
is(lost(), 0, 'a restart begins anew');

# Without preload they are shared too, from the first use on.
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$node->restart;
is(lost(), 0, 'without preload they begin with the first use');
($token, $family) = used_token();
$node->safe_psql('postgres', 'BEGIN;' . use_token($token) . ';ROLLBACK');
is(lost(), 1, 'and other sessions see what is counted');

$node->stop;
done_testing();
