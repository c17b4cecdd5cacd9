# The server dies under load.  What was answered after a commit is still so when
# it is back, and each family is in the old or the new state, never in between.

use strict;
use warnings;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $clients = 4;
my $rotations = 20000;	  # more than happen before the crash

my $node = PostgreSQL::Test::Cluster->new('crash');
$node->init;
$node->append_conf(
	'postgresql.conf', q{
restart_after_crash = on
synchronous_commit = on
wal_writer_delay = '10s'
sctoken.lock_timeout = '60s'
});
$node->start;
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION sctoken;
INSERT INTO sctoken.client_policy (client_id, retry_window)
	VALUES ('app', '1 day'), ('strict', '0');
});

# Answers true when the server accepts connections again.
sub wait_for_server
{
	return $node->poll_query_until('postgres', 'SELECT true');
}

# One family per client, used as fast as it goes; each client writes down every
# answer that it got: generation and token.
sub start_load
{
	my ($name) = @_;
	my @load;

	foreach my $client (1 .. $clients)
	{
		my $script = $node->basedir . "/$name-$client.sql";
		my %one = (journal => $node->basedir . "/$name-$client.journal");

		append_to_file($script,
			"SELECT family_id, generation, refresh_token FROM sctoken.issue('app', '$name') \\gset\n"
			  . "\\echo :family_id :generation :refresh_token\n"
			  . (   q{SELECT generation, refresh_token FROM sctoken.rotate(:'refresh_token', 'app') \gset}
				  . "\n\\echo :family_id :generation :refresh_token\n") x $rotations);
		$one{harness} = IPC::Run::start(
			[
				'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1',
				'-d', $node->connstr('postgres'), '-f', $script
			],
			'<', '/dev/null', '>', $one{journal}, '2>', "$script.err",
			IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
		push @load, \%one;
	}
	$node->poll_query_until(
		'postgres', qq{
SELECT count(*) = $clients FROM sctoken.family
WHERE subject = '$name' AND generation > 50})
	  or die 'the load did not begin';
	return @load;
}

# What the clients know must be so.
sub check_load
{
	my ($name, @load) = @_;
	my (@lost, @mixed, @revived, @stuck);
	my $answers = 0;

	foreach my $one (@load)
	{
		# the connection broke
		eval { $one->{harness}->finish; };

		my @journal = split /\n/, slurp_file($one->{journal});
		my ($family, $generation, $token) = split / /, $journal[-1];
		my $row = $node->safe_psql(
			'postgres', qq{
SELECT generation, (SELECT count(*) || ' ' || max(generation) FROM sctoken.event
					WHERE family_id = id), revoked_at IS NULL
FROM sctoken.family WHERE id = '$family'});
		my ($current) = split /\|/, $row;

		$answers += @journal;
		push @lost, "$generation answered, $row"
		  unless $current == $generation || $current == $generation + 1;

		# a generation and its event come together
		push @mixed, $row unless $row eq "$current|$current $current|t";

		# no spent token is current again
		my $spent = join ', ',
		  map { "('" . (split / /)[2] . "')" }
		  @journal[ ($#journal > 20 ? $#journal - 20 : 0) .. $#journal - 1 ];
		push @revived, $family
		  if $node->safe_psql(
			'postgres', qq{
SELECT bool_or((sctoken.introspect(t)->'active')::bool) FROM (VALUES $spent) v(t)}
		  ) ne 'f';

		# the client goes on with the token that it has
		my $outcome = $node->safe_psql('postgres',
			"SELECT outcome, generation FROM sctoken.rotate('$token', 'app')");
		push @stuck, "$row: $outcome"
		  unless $outcome eq (
			$current == $generation
			? 'rotated|' . ($generation + 1)
			: 'replayed|' . ($generation + 1));
	}
	note "$name: $answers answers";
	is_deeply(\@lost, [], "$name: no answer is lost");
	is_deeply(\@mixed, [], "$name: a family and its events agree");
	is_deeply(\@revived, [], "$name: no spent token lives again");
	is_deeply(\@stuck, [], "$name: each client goes on with its last token");
	return;
}

# kill -9 of one backend: the others must stop too, and the server recovers.
my @load = start_load('backend');
my $victim = $node->safe_psql(
	'postgres', q{
SELECT pid FROM pg_stat_activity
WHERE backend_type = 'client backend' AND query LIKE '%sctoken.rotate%'
	AND pid <> pg_backend_pid() LIMIT 1});
kill 'KILL', $victim;
eval { $_->{harness}->finish; } foreach @load;
ok(wait_for_server(), 'kill -9 of a backend: the server is back');
check_load('kill -9 of a backend', @load);

# An immediate stop of the server.
@load = start_load('immediate');
$node->stop('immediate');
$node->start;
check_load('immediate stop', @load);

# kill -9 of the postmaster; its orphans end by themselves, and hold the data
# directory until then.
@load = start_load('postmaster');
my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
$node->kill9;
eval { $_->{harness}->finish; } foreach @load;
foreach my $attempt (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
{
	last if !kill(0, $postmaster) && $node->start(fail_ok => 1);
	$node->stop('fast', fail_ok => 1);
	select(undef, undef, undef, 0.1);
}
ok(wait_for_server(), 'kill -9 of the postmaster: the server is back');
check_load('kill -9 of the postmaster', @load);

# A revocation is on disk when it is answered, whatever the session says of
# synchronous_commit.
my $jkt = '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I';
my %revocations = (
	'revoke_family' =>
	  q{SELECT sctoken.revoke_family(family_id, 'admin') FROM held WHERE n = 1},
	'revoke' => q{SELECT sctoken.revoke(token, 'strict') FROM held WHERE n = 2},
	'reuse' =>
	  q{SELECT outcome = 'reuse_detected' FROM held, sctoken.rotate(token, 'strict') WHERE n = 3},
	'set off later' => q{BEGIN;
SELECT sctoken.revoke_family(family_id, 'admin') FROM held WHERE n = 4;
SET LOCAL synchronous_commit = off;
COMMIT},
	'revoke_grant' => q{SELECT sctoken.revoke_grant('5', 'admin') = 1},
	'revoke_session' => q{SELECT sctoken.revoke_session('6', 'admin') = 1},
	'revoke_subject' => q{SELECT sctoken.revoke_subject('user 7', 'admin') = 1},
	'revoke_binding' =>
	  qq{SELECT sctoken.revoke_binding('{"jkt": "$jkt"}', 'admin') = 1});

$node->safe_psql(
	'postgres', qq{
CREATE TABLE held AS
	SELECT n, refresh_token AS token, family_id
	FROM generate_series(1, 8) n, sctoken.issue('strict', 'user ' || n,
		grant_id => n::text, session_id => n::text,
		cnf => CASE n WHEN 8 THEN jsonb '{"jkt": "$jkt"}' END);
SELECT sctoken.rotate(token, 'strict') FROM held WHERE n = 3});

foreach my $name (sort keys %revocations)
{
	my $before = $node->safe_psql('postgres',
		'SELECT count(*) FROM sctoken.family WHERE revoked_at IS NOT NULL');

	# the same session has written without waiting for the disk before
	my $answer = $node->safe_psql(
		'postgres', qq{
SET synchronous_commit = off;
DO \$\$ BEGIN PERFORM sctoken.issue('app', 'noise'); END \$\$;
$revocations{$name}});
	$node->stop('immediate');
	$node->start;
	is($answer, 't', "$name: answered with synchronous_commit = off");
	is( $node->safe_psql(
			'postgres',
			'SELECT count(*) FROM sctoken.family WHERE revoked_at IS NOT NULL'),
		$before + 1,
		"$name: holds after an immediate stop");
}
is( $node->safe_psql(
		'postgres',
		q{SELECT bool_or((sctoken.introspect(token)->'active')::bool) FROM held}),
	'f',
	'no token of a revoked family is active');

# revoke_client writes no family.
$node->safe_psql(
	'postgres', q{
SET synchronous_commit = off;
SELECT sctoken.issue('app', 'noise');
SELECT sctoken.revoke_client('app', 'admin')});
$node->stop('immediate');
$node->start;
is( $node->safe_psql(
		'postgres',
		q{SELECT count(*) > 0, bool_or(sctoken.family_active(id)) FROM sctoken.family WHERE client_id = 'app'}
	),
	't|f',
	'revoke_client: holds after an immediate stop');

$node->stop;
done_testing();
