# New server secrets beside traffic: no session ever meets a token that it cannot
# recognise; what is compromised stays so after a crash.

use strict;
use warnings;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $sessions = 6;
my $rotations = 40;

my $node = PostgreSQL::Test::Cluster->new('secret');
$node->init;
$node->append_conf('postgresql.conf', "synchronous_commit = off\n");
$node->start;
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION sctoken;
INSERT INTO sctoken.client_policy (client_id, retry_window) VALUES ('app', '1 day');
CREATE TABLE answer (call text, outcome text, identical boolean);
-- Until it is told to stop, a session uses what other sessions made.
CREATE TABLE token (id int PRIMARY KEY, current text);
CREATE TABLE stop ();
CREATE PROCEDURE traffic(me int, sessions int) LANGUAGE plpgsql AS $$
DECLARE
	held token;
	r sctoken.grant_result;
	n int := 0;
BEGIN
	LOOP
		n := n + 1;
		SELECT * INTO held FROM token WHERE id = (me + n) % sessions FOR UPDATE;
		SELECT * INTO r FROM sctoken.rotate(held.current, 'app');
		INSERT INTO answer VALUES ('rotate', r.outcome);
		UPDATE token SET current = r.refresh_token WHERE id = held.id;
		INSERT INTO answer SELECT 'retry', outcome, refresh_token = r.refresh_token
			FROM sctoken.rotate(held.current, 'app');
		COMMIT;
		SELECT * INTO r FROM sctoken.issue('app', 'bob');
		INSERT INTO answer VALUES ('issue', r.outcome);
		COMMIT;
		EXIT WHEN EXISTS (SELECT FROM stop);
	END LOOP;
END $$;
});
$node->safe_psql(
	'postgres', qq{
INSERT INTO token SELECT n, refresh_token
	FROM generate_series(0, $sessions - 1) n, sctoken.issue('app', 'alice ' || n)});

my @err = ('') x $sessions;
my @harness = map {
	IPC::Run::start(
		[ 'psql', '-XAtq', '-d', $node->connstr('postgres'), '-c', "CALL traffic($_, $sessions)" ],
		'<', '/dev/null', '>', '/dev/null', '2>', \$err[$_],
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default))
} 0 .. $sessions - 1;
$node->poll_query_until('postgres', 'SELECT count(*) > 100 FROM answer');
foreach my $round (1 .. $rotations)
{
	$node->safe_psql('postgres',
		'SELECT sctoken.rotate_secret(' . ($round % 4 == 0 ? 'true' : 'false') . ')');
}
$node->safe_psql('postgres', 'INSERT INTO stop DEFAULT VALUES');
$_->finish foreach @harness;
is(join('', @err), '', 'no error in any session');
is( $node->safe_psql('postgres',
		'SELECT DISTINCT call, outcome, identical FROM answer ORDER BY 1'),
	"issue|issued|\nretry|replayed|t\nrotate|rotated|",
	"$rotations new secrets beside traffic: every token is recognised, every retry identical");
is( $node->safe_psql('postgres', q{
SELECT count(*) = 41, count(*) FILTER (WHERE retired_at IS NULL), count(*) FILTER (WHERE compromised)
FROM sctoken.server_secret}),
	't|1|40', 'one secret is in use, those before the last compromise are marked');
is( $node->safe_psql('postgres', q{
SELECT count(*), bool_and((sctoken.introspect(current) -> 'active')::boolean) FROM token}),
	"$sessions|t", 'every current token is active');

# Compromised is durable with synchronous_commit off, as a revocation is.
my $lost = 0;
foreach my $cycle (1 .. 5)
{
	$node->safe_psql('postgres', 'SELECT sctoken.rotate_secret(true)');
	$node->stop('immediate');
	$node->start;
	$lost++
	  if $node->safe_psql('postgres',
		'SELECT count(*) FROM sctoken.server_secret') != 41 + $cycle;
}
is($lost, 0, 'no compromise is forgotten by a crash');

# A dump has the secrets, and another cluster goes on with them.
my ($t1, $t2) = split /\|/,
  $node->safe_psql('postgres', q{
SELECT i.refresh_token, r.refresh_token
FROM sctoken.issue('app', 'carol') i, LATERAL sctoken.rotate(i.refresh_token, 'app') r});
$node->safe_psql('postgres', 'SELECT sctoken.rotate_secret()');
my $copy = PostgreSQL::Test::Cluster->new('copy');
$copy->init;
$copy->start;
my $dump = $node->basedir . '/dump';
$node->command_ok([ 'pg_dump', '-f', $dump, '-d', $node->connstr('postgres') ], 'dump');
$copy->command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, '-d', $copy->connstr('postgres') ], 'restore');
is( $copy->safe_psql('postgres', "SELECT outcome, refresh_token = '$t2' FROM sctoken.rotate('$t1', 'app')"),
	'replayed|t', 'a retry in the copy is the identical token');
$copy->safe_psql('postgres', "SELECT FROM sctoken.rotate('$t2', 'app')");
is($copy->safe_psql('postgres', "SELECT outcome FROM sctoken.rotate('$t1', 'app')"),
	'reuse_detected', 'reuse under a retired secret is reuse in the copy');

$copy->stop;
$node->stop;
done_testing();
