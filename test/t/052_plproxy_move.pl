# contrib/plproxy/README.md, line by line: a shard moves to another server while its
# families are used.  Every call is answered as if nothing moved, or fails and may be
# repeated; no token is lost, and none is accepted twice.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Proxy;
use Test::More;
use Time::HiRes qw(time);

find_plproxy();

my $clients = 8;
my $families = 160;

my @servers = map { new_server("server_$_", "wal_retrieve_retry_interval = '200ms'\n") } 0, 1;
new_shard(shard_server($_, @servers), $_) foreach 0 .. $shards - 1;
my $proxy = new_proxy('proxy', '', @servers);
my ($new, $old) = @servers;

sub sql
{
	my ($sql) = @_;

	return $proxy->safe_psql('proxy', $sql);
}

# What the page tells to do, in its order: where, and what.
my @page;
my $guide = slurp_file("$FindBin::RealBin/../../contrib/plproxy/README.md");
$guide =~ s/^.*?^## Moving a shard$//ms or die 'there is no such section';
$guide =~ s/^## .*//ms;
push @page, [ $1, $2 ]
  while $guide =~ /^```sql\n-- on the (old server|new server|proxy)[^\n]*\n(.*?)^```$/gms;

# Takes the next block of it, which has to do with something; returns its output.
sub follow
{
	my ($about, %change) = @_;
	my ($where, $sql) = @{ shift @page // die "the page has no more than: $about" };

	die "the page goes on with:\n$sql" if $sql !~ /$about/;
	$sql =~ s/\Q$_\E/$change{$_}/ foreach keys %change;
	return sql($sql) if $where eq 'proxy';
	my $server = $where eq 'old server' ? $old : $new;
	return $server->safe_psql($sql =~ /CREATE DATABASE/ ? 'postgres' : 'shard_3', $sql);
}

# Each client takes a family that no other has at the moment, and uses its token.
foreach my $shard (0 .. $shards - 1)
{
	shard_server($shard, @servers)->safe_psql("shard_$shard",
		q{INSERT INTO sctoken.client_policy (client_id, retry_window, max_retries) VALUES ('app', '1 day', 1000)});
}
sql(qq{
CREATE TABLE chain AS
SELECT n, family_id, refresh_token, generation, sctoken.shard_of_token(refresh_token, $shards) AS shard
FROM generate_series(1, $families) AS n, sctoken.issue('app', 'user ' || n);
ALTER TABLE chain ADD PRIMARY KEY (n);
CREATE TABLE answer (at timestamptz, n int, shard int, presented bigint, outcome text, generation bigint, refresh_token text, error text);
GRANT ALL ON chain, answer TO my_as;
CREATE FUNCTION use(which int) RETURNS void LANGUAGE plpgsql AS \$\$
DECLARE
	c chain;
	r sctoken.grant_result;
BEGIN
	SELECT * INTO c FROM chain WHERE n = which FOR UPDATE SKIP LOCKED;
	IF NOT FOUND THEN
		RETURN;
	END IF;
	BEGIN
		SELECT * INTO r FROM sctoken.rotate(c.refresh_token, 'app');
		INSERT INTO answer VALUES (clock_timestamp(), which, c.shard, c.generation, r.outcome, r.generation, r.refresh_token, r.reason);
		UPDATE chain SET refresh_token = r.refresh_token, generation = r.generation WHERE n = which AND r.refresh_token IS NOT NULL;
	EXCEPTION WHEN OTHERS THEN
		INSERT INTO answer VALUES (clock_timestamp(), which, c.shard, c.generation, NULL, NULL, NULL, sqlstate || ' ' || sqlerrm);
	END;
END \$\$;
});
my $script = $proxy->basedir . '/use.sql';
append_to_file($script, "\\set n random(1, $families)\nSELECT use(:n);\n");
my ($load_out, $load_err);
my $load = IPC::Run::start(
	[ 'pgbench', '-n', '-c', $clients, '-j', 2, '-T', 600, '-f', $script, '-U', 'my_as', $proxy->connstr('proxy') ],
	'<', \undef, '>', \$load_out, '2>', \$load_err);

# Goes on until the shard has answered so many calls more.
sub answers_more
{
	my ($count) = @_;
	my $had = sql(q{SELECT count(*) FROM answer WHERE shard = 3 AND outcome IS NOT NULL});

	$proxy->poll_query_until('proxy',
		"SELECT count(*) >= $had + $count FROM answer WHERE shard = 3 AND outcome IS NOT NULL")
	  or die 'the shard answers nobody';
}

answers_more(100);
my $connection = $old->connstr('shard_3') =~ s/'/''/gr;

follow('CREATE DATABASE');
follow('CREATE PUBLICATION');
follow('CREATE SUBSCRIPTION', "'host=server-1.example.com dbname=shard_3 user=replicator sslmode=verify-full'" => "'$connection'");
$new->poll_query_until('shard_3', $page[0][1]) or die 'nothing is copied';
is(follow('srsubstate'), 't', 'everything is copied');
answers_more(100);

# The switch
my $begin = time;
follow('REVOKE CONNECT');
my $end_all = $page[0][1];
cmp_ok(follow('pg_terminate_backend'), '>', 0, 'sessions of the proxy are ended');
$old->poll_query_until('shard_3', $end_all, '0') or die 'they come back';
my $lsn = follow('pg_current_wal_lsn');
my ($arrived) = $page[0][1] =~ s/'0\/.*?'/'$lsn'/r;
$old->poll_query_until('shard_3', $arrived) or die 'it does not arrive';
is(follow('confirmed_flush_lsn', '0/16B3748' => $lsn), 't', 'the new one has all of it');
is((split /\n/, follow('DROP SUBSCRIPTION', my_authorization_server => 'my_as'))[0], 0, 'no proof was checked there before');
follow('client_policy');
my $host = $new->host;
my $port = $new->port;
follow('ALTER SERVER', 'host=server-0.example.com' => "host=$host port=$port", ' sslmode=verify-full' => '');
my $window = time - $begin;
is(scalar(@page), 0, 'that is all');
answers_more(200);
$load->signal('TERM');    # INT is ignored by what a shell began in the background
$load->finish;

note sprintf 'the window: %.2f s; the clients: %s', $window,
  sql(q{SELECT count(*) || ' calls of the shard answered, ' || (SELECT count(*) FROM answer WHERE shard = 3 AND outcome IS NULL) || ' errors'
	FROM answer WHERE shard = 3 AND outcome IS NOT NULL});
note sql(q{SELECT regexp_replace(error, ':.*', ''), count(*) FROM answer WHERE outcome IS NULL GROUP BY 1});

is(sql(q{SELECT count(*) FROM answer WHERE shard <> 3 AND outcome IS DISTINCT FROM 'rotated'}), 0, 'the other shards notice nothing');
is(sql(q{SELECT string_agg(DISTINCT outcome, ' ') FROM answer WHERE outcome NOT IN ('rotated', 'replayed')}), '',
	'nobody is refused, taken for a thief, or unknown');
is( sql(q{SELECT count(*) FROM answer WHERE outcome IS NULL AND error !~ '^(57P01|42501|XX000|08)'}),
	0, 'calls in the window fail as such')
  or diag sql(q{SELECT DISTINCT error FROM answer WHERE outcome IS NULL LIMIT 5});
is( sql(q{SELECT count(*) FROM (SELECT FROM answer WHERE outcome IS NOT NULL GROUP BY n, generation HAVING count(DISTINCT refresh_token) > 1) AS two}),
	0, 'no generation has two tokens');
is( sql(q{SELECT count(*) FROM (SELECT FROM answer WHERE outcome = 'rotated' GROUP BY n, presented HAVING count(*) > 1) AS twice}),
	0, 'and none was used twice');
is( sql(q{SELECT count(*) FROM answer AS a WHERE outcome = 'replayed'
	AND NOT EXISTS (SELECT FROM answer AS f WHERE f.n = a.n AND f.presented = a.presented AND f.outcome IS NULL)}),
	0, 'a retry is the answer to a call that failed, and to no other');

# The chains end where the families are.
sql(q{CREATE TABLE ended AS SELECT n, (sctoken.introspect(refresh_token) -> 'active')::boolean AS active FROM chain});
is(sql('SELECT count(*) FROM ended WHERE active IS NOT TRUE'), 0, 'every client holds a live token');
my $generations = q{SELECT family_id, generation FROM chain WHERE shard = 3 ORDER BY 1};
is( $new->safe_psql('shard_3', q{SELECT id, generation FROM sctoken.family ORDER BY 1}), sql($generations),
	'its families are there, as far as their clients are');
is( $new->safe_psql('shard_3', q{
SELECT count(*) FROM sctoken.family AS f
WHERE f.generation - 1 <> (SELECT count(*) FROM sctoken.event AS e WHERE e.family_id = f.id AND e.kind = 'rotated')
   OR f.generation <> (SELECT count(DISTINCT e.generation) FROM sctoken.event AS e WHERE e.family_id = f.id AND e.kind IN ('issued', 'rotated'))}),
	0, 'with one event for each generation, from both servers');
is(sql('SELECT count(*) FROM sctoken_shard.states() WHERE ready'), $shards, 'all shards are ready');
is(sql(q{SELECT outcome FROM sctoken.issue('app', 'new ' || 1)}), 'issued', 'and new families begin');

# The old one answers nobody, whoever opens it.
$old->safe_psql('postgres', 'GRANT CONNECT ON DATABASE shard_3 TO PUBLIC');
is( $old->safe_psql('shard_3', q{SELECT outcome FROM sctoken.rotate('} . sql('SELECT refresh_token FROM chain WHERE shard = 3 LIMIT 1') . q{', 'app')}),
	'client_disabled', 'the old shard is closed');

stop_all($proxy, @servers);
done_testing();
