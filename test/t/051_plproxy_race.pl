# Through the proxy: one token, presented by 64 sessions at the same moment, has one
# winner; and with a server of shards gone, its families fail alone and come back.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Proxy;
use Race;
use Test::More;

find_plproxy();

my $sessions = 64;
my $rounds = 4;

my @servers = map { new_server("server_$_", "sctoken.lock_timeout = '60s'\n") } 0, 1;
new_shard(shard_server($_, @servers), $_) foreach 0 .. $shards - 1;
my $proxy = new_proxy('proxy', '', @servers);

sub sql
{
	my ($sql) = @_;

	return $proxy->safe_psql('proxy', $sql);
}

sub on_shard
{
	my ($shard, $sql) = @_;

	return shard_server($shard, @servers)->safe_psql("shard_$shard", $sql);
}

sub on_shards
{
	my ($sql) = @_;

	return map { on_shard($_, $sql) } 0 .. $shards - 1;
}

#
# The race
#

on_shards(q{
INSERT INTO sctoken.client_policy (client_id, retry_window, max_retries) VALUES ('app', '1 day', 1000);
INSERT INTO sctoken.client_policy (client_id, retry_window, retry_until_confirmed) VALUES ('strict', '0', false)});
sql(q{
CREATE TABLE held (round int, token text, family_id uuid);
CREATE TABLE answer (round int, session int, LIKE sctoken.grant_result)});

sub presentation
{
	my ($client, $round, $session) = @_;

	return qq{
SELECT token FROM held WHERE round = $round \\gset
@{[ gate($round) ]}
INSERT INTO answer SELECT $round, $session, r.* FROM sctoken.rotate(:'token', '$client') AS r;
};
}

sub race
{
	my ($client) = @_;

	# a family on each of the shards
	sql(qq{
TRUNCATE held, answer;
INSERT INTO held
SELECT 1 + shard, token, family_id
FROM (SELECT DISTINCT ON (1) sctoken.shard_of_token(i.refresh_token, $shards) AS shard, i.refresh_token AS token, i.family_id
      FROM generate_series(1, 60) AS n, sctoken.issue('$client', '$client ' || n) AS i) AS begun});
	return race_sessions($proxy, $sessions, [ 1 .. $rounds ],
		sub { presentation($client, @_) }, 'proxy');
}

is(race('app'), '', 'no session meets an error');
is( sql(q{
SELECT count(*), count(DISTINCT round), count(*) FILTER (WHERE outcome = 'rotated'), count(*) FILTER (WHERE outcome = 'replayed'),
       count(DISTINCT refresh_token)
FROM answer}),
	join('|', $sessions * $rounds, $rounds, $rounds, ($sessions - 1) * $rounds, $rounds),
	'one wins, and all others are given the same token');
is( sql(q{
SELECT round, count(*) FILTER (WHERE outcome = 'rotated') FROM answer GROUP BY 1 HAVING count(*) FILTER (WHERE outcome = 'rotated') <> 1}),
	'', '... in each round');

# What the shards say to it.
my $state = q{
SELECT coalesce(string_agg(generation || ' ' || (revoked_at IS NULL) || ' '
	|| (SELECT count(*) FROM sctoken.event WHERE family_id = id AND kind = 'rotated'), ', '), '')
FROM sctoken.family WHERE generation > 1 AND client_id = '%s'};
is(join(', ', on_shards(sprintf $state, 'app')), join(', ', ('2 true 1') x $rounds), 'each family is one generation further, and lives');
is(sql(q{SELECT count(DISTINCT round) FROM answer WHERE (sctoken.introspect(refresh_token) -> 'active')::boolean}), $rounds, 'with a live token');

is(race('strict'), '', 'where no retry is allowed: no error');
is( sql(q{
SELECT count(*) FILTER (WHERE outcome = 'rotated'), count(*) FILTER (WHERE outcome = 'reuse_detected'), count(*) FILTER (WHERE outcome = 'revoked'),
       count(DISTINCT refresh_token)
FROM answer}),
	join('|', $rounds, $rounds, ($sessions - 2) * $rounds, $rounds), 'one wins, one is the reuse, the others find the family revoked');
is(join(', ', on_shards(sprintf $state, 'strict')), join(', ', ('2 false 1') x $rounds), 'the families are dead');
is(sql(q{SELECT count(*) FROM answer WHERE (sctoken.introspect(refresh_token) -> 'active')::boolean}), 0, '... and so is every token');

#
# A server with shards 1 and 3 is gone
#

sql(q{
TRUNCATE held;
ALTER TABLE held ADD shard int;
INSERT INTO held (token, family_id, shard)
SELECT i.refresh_token, i.family_id, sctoken.shard_of_token(i.refresh_token, 4)
FROM generate_series(1, 80) AS n, sctoken.issue('app', 'user ' || n, session_id => 'many') AS i;
CREATE FUNCTION try(family uuid) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r sctoken.grant_result;
BEGIN
	SELECT g.* INTO r FROM held AS h, sctoken.rotate(h.token, 'app') AS g WHERE h.family_id = family;
	UPDATE held SET token = coalesce(r.refresh_token, token) WHERE family_id = family;
	RETURN r.outcome;
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate || ' ' || sqlerrm;
END $$});
my $session = $proxy->background_psql('proxy', on_error_stop => 0);
my $all = q{SELECT DISTINCT shard, regexp_replace(try(family_id), '(connection to server|PQconnectPoll|server closed).*', '\1') FROM held ORDER BY 1, 2};
is($session->query($all), join("\n", map { "$_|rotated" } 0 .. 3), 'a session has used all shards');

$servers[1]->stop('immediate');
my $answers = $session->query($all);
is(join("\n", grep { /^[02]/ } split /\n/, $answers), "0|rotated\n2|rotated", 'the families of other shards go on, in the same session');
my @failures = grep { /^[13]/ } split /\n/, $answers;
cmp_ok(scalar @failures, '>=', 2, 'those of its own fail');
is((grep { !/^[13]\|(XX000|57P01|57P02|08\w{3}) .*sctoken\.rotate.*\[shard_[13]\]/ } @failures), 0, '... with an error that names the shard')
  or diag $answers;
$session->{stderr} = '';

# Where all shards are asked, each that fails is named, and the others are done.
my ($stdout, $stderr);
$proxy->psql('proxy', qq{\\set VERBOSITY verbose\nSELECT sctoken.revoke_session('many', 'logout')}, stderr => \$stderr);
like($stderr, qr/58000: not done on 2 of 4 shards/, 'a bulk revocation says that it is not done');
like($stderr, qr/DETAIL:  shard 1: .*\(XX000\)\nshard 3: .*\(XX000\)\nthe others: \d+, \d+\n/, '... where, and what is done');
my $alive = q{SELECT count(*) FROM sctoken.family WHERE session_id = 'many' AND revoked_at IS NULL};
is(on_shard(0, $alive) + on_shard(2, $alive), 0, 'it is done on the others');
$proxy->psql('proxy', q{SELECT count(*), count(DISTINCT family_id) = count(*) FROM sctoken.family_overview WHERE session_id = 'many'},
	stdout => \$stdout, stderr => \$stderr);
is($stdout, sql(q{SELECT count(*) || '|t' FROM held WHERE shard IN (0, 2)}), 'a view has the rows of the others');
is(() = $stderr =~ /WARNING:  shard [13] is missing from the result/g, 2, '... and a warning for each that is missing');
is( sql(q{SELECT shard, ready, error ~ '\[shard_[13]\]' FROM sctoken_shard.states()}), "0|t|\n1|f|t\n2|t|\n3|f|t", 'an operator sees which');
$proxy->psql('proxy', q{CALL sctoken.maintain()}, stderr => \$stderr);
like($stderr, qr/not done on 2 of 4 shards/, 'maintain says so too');
is(sql(q{SELECT count(sctoken.dpop_nonce()) FROM generate_series(1, 20)}), 20, 'what any shard answers is answered');

# It comes back.
$servers[1]->start;
$answers = $session->query($all);
is($answers, "0|revoked\n1|rotated\n2|revoked\n3|rotated", 'the same session goes on by itself, and no token was lost')
  or diag $answers;
is(sql(q{SELECT sctoken.revoke_session('many', 'logout')}), sql('SELECT count(*) FROM held WHERE shard IN (1, 3)'), 'the revocation, repeated, does the rest');

# A shard that hangs: statement_timeout of the proxy ends the call there too.  Where a
# shard ends it, the proxy hears of it, or query_timeout lets it go on.
my $stuck = sql(q{SELECT refresh_token FROM sctoken.issue('app', 'stuck', session_id => 'stuck')});
my $home = sql("SELECT sctoken.shard_of_token('$stuck', 4)");
my $holder = shard_server($home, @servers)->background_psql("shard_$home");
my $waiting = q{SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND wait_event_type = 'Lock'};
$holder->query_safe("BEGIN; SELECT count(*) FROM (SELECT FROM sctoken.family WHERE id = sctoken.token_family_id('$stuck') FOR UPDATE) AS f");
$proxy->psql('proxy', "SET statement_timeout = '2s';\nSELECT outcome FROM sctoken.rotate('$stuck', 'app')", stderr => \$stderr);
like($stderr, qr/canceling statement due to statement timeout/, 'a shard that does not answer in time is an error');
ok(shard_server($home, @servers)->poll_query_until("shard_$home", $waiting, '0'), '... and the call is ended there');
on_shard($home, "ALTER DATABASE shard_$home SET statement_timeout = '2s'");
$proxy->psql('proxy', "\\set VERBOSITY verbose\nSELECT sctoken.revoke_session('stuck', 'logout')", stderr => \$stderr);
like($stderr, qr/58000: not done on 1 of 4 shards\nDETAIL:  shard $home: .*(query timeout \(XX000\)|statement timeout \(57014\))\n/,
	'a shard that ends a call by itself has failed, and no other');
$holder->quit;
is(sql("SELECT outcome FROM sctoken.rotate('$stuck', 'app')"), 'rotated', '... and the token is still good when it does');
is(sql(q{SELECT sctoken.revoke_session('stuck', 'logout')}), 1, 'the revocation, repeated, is done');

$session->quit;
stop_all($proxy, @servers);
done_testing();
