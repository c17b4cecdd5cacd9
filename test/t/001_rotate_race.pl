# One refresh token, presented by 20 sessions at the same moment: one call wins,
# whatever the isolation level, and there never are two live tokens.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Race;
use Test::More;

my $sessions = 20;
my $rounds = 4;

my $node = PostgreSQL::Test::Cluster->new('race');
$node->init;
$node->append_conf(
	'postgresql.conf', q{
max_connections = 50
sctoken.lock_timeout = '60s'
});
$node->start;
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION sctoken;
INSERT INTO sctoken.client_policy (client_id, retry_window, max_retries)
	VALUES ('app', '1 day', 1000);
INSERT INTO sctoken.client_policy (client_id, retry_window, retry_until_confirmed)
	VALUES ('strict', '0', false);
CREATE TABLE held (round int, cnf jsonb, token text);
CREATE TABLE answer (round int, session int, LIKE sctoken.grant_result);
});

# What one session does in one round, its snapshot taken before the race.
sub presentation
{
	my ($client, $level, $round, $session, $wait) = @_;
	my $gate = $wait ? gate($round) : '';

	return qq{
BEGIN ISOLATION LEVEL $level;
SELECT token, coalesce(cnf::text, '') AS cnf FROM held WHERE round = $round \\gset
$gate
INSERT INTO answer SELECT $round, $session, r.*
	FROM sctoken.rotate(:'token', '$client', cnf => nullif(:'cnf', '')::jsonb) r;
COMMIT;
};
}

# Lets all sessions loose on each round's token together.  Returns what they
# wrote to stderr.
sub race
{
	my ($client, $level) = @_;

	# Every other family is bound to a key.
	$node->safe_psql(
		'postgres', qq{
TRUNCATE held, answer;
INSERT INTO held
	SELECT round, v.cnf, refresh_token
	FROM (SELECT n, CASE WHEN n % 2 = 0 THEN
				  jsonb_build_object('jkt', sctoken.access_token_hash('a key')) END
		  FROM generate_series(1, $rounds) n) v(round, cnf),
		 sctoken.issue('$client', 'user ' || round, cnf => v.cnf);
});
	return race_sessions($node, $sessions, [ 1 .. $rounds ],
		sub { return presentation($client, $level, @_, 1) });
}

# Repeats the calls that had no answer, as a caller must after 40001.
sub repeat
{
	my ($client, $level) = @_;
	my $missing = qq{
SELECT round, session
FROM generate_series(1, $rounds) round, generate_series(1, $sessions) session
WHERE NOT EXISTS (SELECT FROM answer a
				  WHERE a.round = round.round AND a.session = session.session)};
	my $repeated = 0;

	foreach my $pass (1 .. 10)
	{
		my @calls = split /\n/, $node->safe_psql('postgres', $missing)
		  or last;

		foreach my $call (@calls)
		{
			$node->psql(
				'postgres',
				presentation($client, $level, split(/\|/, $call), 0),
				on_error_stop => 0);
			$repeated++;
		}
	}
	return $repeated;
}

foreach my $level ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE')
{
	foreach my $client ('app', 'strict')
	{
		my $name = "$client, $level";
		my $stderr = race($client, $level);

		if ($level eq 'SERIALIZABLE')
		{
			unlike($stderr, qr/^(?!.*ERROR:  40001$)./m, "$name: no error but 40001");
			note repeat($client, $level) . ' calls repeated';
		}
		else
		{
			is($stderr, '', "$name: no error");
		}

		my $outcomes = $node->safe_psql(
			'postgres', q{
SELECT round, outcome, count(*), count(DISTINCT refresh_token),
	string_agg(DISTINCT generation::text, ' ')
FROM answer GROUP BY 1, 2 ORDER BY 1, 2 DESC});
		my @expected =
		  $client eq 'app'
		  ? ('rotated|1|1|2', 'replayed|' . ($sessions - 1) . '|1|2')
		  : (
			'rotated|1|1|2', 'revoked|' . ($sessions - 2) . '|0|1',
			'reuse_detected|1|0|1');

		is( $outcomes,
			join(
				"\n",
				map {
					my $round = $_;
					map { "$round|$_" } @expected
				} 1 .. $rounds),
			$client eq 'app'
			? "$name: one rotated, all others replayed"
			: "$name: one rotated, the second is reuse, the family dies");

		is( $node->safe_psql(
				'postgres', q{
SELECT round, count(DISTINCT refresh_token) AS successors,
	count(DISTINCT refresh_token) FILTER
		(WHERE (sctoken.introspect(refresh_token)->'active')::bool),
	bool_or((sctoken.introspect(token)->'active')::bool)
FROM answer JOIN held USING (round) GROUP BY 1 ORDER BY 1}),
			join("\n",
				map { "$_|1|" . ($client eq 'app' ? 1 : 0) . '|f' } 1 .. $rounds),
			"$name: one successor, "
			  . ($client eq 'app' ? 'the one live token' : 'no live token'));
	}
}

# The state of the families agrees with their history.
is( $node->safe_psql(
		'postgres', q{
SELECT DISTINCT f.client_id, f.generation, f.retries, f.revoke_reason,
	(SELECT string_agg(kind || ' ' || n, ', ' ORDER BY kind)
	 FROM (SELECT kind, count(*) AS n FROM sctoken.event
		   WHERE family_id = f.id GROUP BY 1) e)
FROM sctoken.family f ORDER BY 1}),
	"app|2|19||issued 1, replayed 19, rotated 1\n"
	  . 'strict|2|0|reuse_detected|issued 1, reuse_detected 1, rotated 1',
	'each race left one event per use');

$node->stop;
done_testing();
