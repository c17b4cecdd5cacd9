# sctoken.maintain() beside traffic: no rotation fails or waits long while
# partitions come and go, and partitions survive dump and restore.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $node = PostgreSQL::Test::Cluster->new('maintain');
$node->init;
$node->append_conf(
	'postgresql.conf', q{
max_connections = 50
fsync = off
});
$node->start;
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION sctoken;
CREATE TABLE held (n int PRIMARY KEY, token text, family_id uuid);
INSERT INTO held
	SELECT n, refresh_token, family_id
	FROM generate_series(1, 8) n, sctoken.issue('app', 'user ' || n);

-- Families that end while the traffic runs.
DO $$ BEGIN FOR i IN 1..20000 LOOP PERFORM sctoken.issue('app', 'ended'); END LOOP; END $$;
UPDATE sctoken.family SET expires_at = clock_timestamp() + random() * interval '5 s'
	WHERE subject = 'ended';

-- A partition of a past week, and none of the weeks to come.
CREATE PROCEDURE change_partitions() LANGUAGE plpgsql AS $$
DECLARE week date := date_trunc('week', clock_timestamp() AT TIME ZONE 'UTC')::date - 28;
		name text;
BEGIN
	SET lock_timeout = '50ms';
	FOR name IN SELECT relname FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
			WHERE inhparent = 'sctoken.event'::regclass AND relname <> 'event_default' LOOP
		BEGIN
			EXECUTE format('DROP TABLE sctoken.%I', name);
		EXCEPTION WHEN lock_not_available THEN NULL;
		END;
		COMMIT;
	END LOOP;
	BEGIN
		EXECUTE format('CREATE TABLE sctoken.event_%s PARTITION OF sctoken.event FOR VALUES FROM (%L) TO (%L)',
					   to_char(week, 'YYYYMMDD'), week || ' 00:00+00', week + 7 || ' 00:00+00');
	EXCEPTION WHEN lock_not_available OR duplicate_table THEN NULL;
	END;
	COMMIT;
END $$;
});
$node->append_conf('postgresql.conf', "sctoken.event_retention = '7d'");
$node->reload;

# Each client rotates its own family; a token that was not the live one fails.
my $script = $node->basedir . '/rotate.sql';
append_to_file(
	$script, q{
\set n :client_id + 1
BEGIN;
UPDATE held SET token = r.refresh_token
	FROM held h, sctoken.rotate(h.token, 'app') r
	WHERE held.n = :n AND h.n = :n
	RETURNING 1 / (r.outcome = 'rotated')::int AS ok \gset
COMMIT;
});
my ($out, $err) = ('', '');
my $traffic = IPC::Run::start(
	[
		'pgbench', '-n', '-M', 'prepared', '-c', '8', '-j', '2', '-T', '8',
		'-l', '--log-prefix=' . $node->basedir . '/latency',
		'--max-tries=1', '-f', $script, $node->connstr('postgres')
	],
	'<', '/dev/null', '>', \$out, '2>', \$err);
my ($calls, %done) = (0);
my $end = time + 7;
while (time < $end)
{
	my $stderr;

	$node->psql('postgres', 'CALL change_partitions()');
	$node->psql('postgres', 'CALL sctoken.maintain()', stderr => \$stderr);
	$stderr =~ /: (\d+) made, (\d+) dropped, (\d+) left .*: (\d+) deleted/
	  or die "unexpected: $stderr";
	$done{made} += $1;
	$done{dropped} += $2;
	$done{left} += $3;
	$done{deleted} += $4;
	$calls++;
}
$traffic->finish;
note "$calls calls of maintain(): "
  . join(', ', map { "$_ $done{$_}" } sort keys %done);
note join "\n", grep { /transactions|latency|tps/ } split /\n/, $out;

is($traffic->result(0), 0, 'no rotation fails beside maintain()')
  or diag $err;
cmp_ok($done{made}, '>', 0, 'partitions were made beside traffic');
cmp_ok($done{dropped}, '>', 0, 'partitions were dropped beside traffic');
is($done{deleted}, 20000, 'each family past its end was deleted');
is( $node->safe_psql(
		'postgres', q{
SELECT count(*) FROM held JOIN sctoken.family f ON f.id = family_id
	AND revoked_at IS NULL}),
	8,
	'and no other');
my @latencies = sort { $a <=> $b }
  map { (split)[2] / 1000 } map { split /\n/, slurp_file($_) }
  glob($node->basedir . '/latency.*');
note sprintf '%d rotations: median %.1f ms, p99 %.1f ms, longest %.0f ms',
  scalar @latencies, $latencies[ @latencies / 2 ],
  $latencies[ @latencies * 0.99 ], $latencies[-1];
is( $node->safe_psql(
		'postgres', q{
SELECT count(*) FROM held h
	WHERE (SELECT generation FROM sctoken.family WHERE id = h.family_id)
		  <> (SELECT count(*) FROM sctoken.event e
			  WHERE e.family_id = h.family_id AND kind IN ('issued', 'rotated'))}),
	0,
	'each rotation has its event');

# A large default partition is not read under a lock.
$node->safe_psql('postgres', 'CALL change_partitions()');
$node->safe_psql(
	'postgres', q{
INSERT INTO sctoken.event (family_id, at, kind, client_id, subject)
	SELECT gen_random_uuid(), clock_timestamp(), 'issued', 'app', repeat('x', 1000)
	FROM generate_series(1, 70000)});
my $stderr;
$node->psql('postgres', 'CALL sctoken.maintain()', stderr => \$stderr);
like($stderr, qr/WARNING:  default partition .* is too large/,
	'a large default partition is told of');
like($stderr, qr/ 0 made, /, 'and no partition is made then');

# Dump and restore: partitions with rows, guard and room for more.
$node->safe_psql(
	'postgres', q{
ALTER TABLE sctoken.event_default DISABLE TRIGGER guard_append_only_truncate;
TRUNCATE ONLY sctoken.event_default;
ALTER TABLE sctoken.event_default ENABLE ALWAYS TRIGGER guard_append_only_truncate;
RESET sctoken.event_retention;
CALL change_partitions();
CALL sctoken.maintain();
INSERT INTO sctoken.event (family_id, at, kind)
	SELECT family_id, clock_timestamp() + n * interval '7 days', 'kept' FROM held;
});
my $copy = PostgreSQL::Test::Cluster->new('copy');
my $dump = $node->basedir . '/dump';
my $what = q{
SELECT tableoid::regclass, count(*) FROM sctoken.event GROUP BY 1 ORDER BY 1;
SELECT c.relname, pg_get_expr(c.relpartbound, c.oid), relacl,
	   (SELECT count(*) FROM pg_index WHERE indrelid = c.oid),
	   (SELECT string_agg(tgname || tgenabled::text, ' ' ORDER BY tgname) FROM pg_trigger WHERE tgrelid = c.oid)
	FROM pg_inherits JOIN pg_class c ON c.oid = inhrelid
	WHERE inhparent = 'sctoken.event'::regclass ORDER BY 1};

$copy->init;
$copy->append_conf('postgresql.conf', 'fsync = off');
$copy->start;
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, $node->connstr('postgres') ],
	'pg_dump');
$copy->command_ok(
	[
		'pg_restore', '--exit-on-error', '-d', $copy->connstr('postgres'),
		$dump
	],
	'pg_restore without an error');
is( $copy->safe_psql('postgres', $what),
	$node->safe_psql('postgres', $what),
	'partitions are as they were');
like(
	$copy->safe_psql('postgres', $what),
	qr/^sctoken\.event_\d{8}\|[1-9]/m,
	'and not empty');
foreach my $statement ('DELETE FROM sctoken.event', 'TRUNCATE sctoken.event')
{
	$copy->psql('postgres', $statement, stderr => \$stderr);
	like($stderr, qr/is append-only/, "restored events refuse: $statement");
}
$copy->psql(
	'postgres', q{
DO $$ BEGIN EXECUTE (SELECT format('TRUNCATE sctoken.%I', relname) FROM pg_class
					 WHERE relname ~ '^event_[0-9]{8}$' ORDER BY relname LIMIT 1); END $$},
	stderr => \$stderr);
like($stderr, qr/is append-only/, 'so does a restored partition');
$copy->psql('postgres', 'CALL sctoken.maintain()', stderr => \$stderr);
like($stderr, qr/: 0 made, 0 dropped, 0 left /, 'maintain() knows them');
is( $copy->safe_psql(
		'postgres',
		q{SELECT DISTINCT outcome FROM held, sctoken.rotate(token, 'app')}),
	'rotated',
	'the tokens live on');
$copy->safe_psql('postgres', 'DROP EXTENSION sctoken');
pass('the extension can be dropped with its partitions');

done_testing();
