# Maintenance by background workers: where it runs, what it does not run, and that
# it survives errors, reloads and the end of its launcher.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('worker');
$node->init;
$node->append_conf(
	'postgresql.conf', q{
shared_preload_libraries = 'sctoken'
sctoken.maintenance_interval = 0
log_min_messages = debug1
});
$node->start;
$node->safe_psql('postgres', "CREATE DATABASE $_")
  foreach '"First, ""one"""', 'second', 'stranger', 'real';
$node->safe_psql('real', 'CREATE EXTENSION sctoken');

# In the place of the extension's own procedure one that tells who ran it, and
# does as its table says.  It commits in between, as the real one does.
sub prepare
{
	my ($database) = @_;

	$node->safe_psql(
		$database, q{
CREATE EXTENSION sctoken;
DO $$
BEGIN
	IF EXISTS (SELECT FROM pg_proc WHERE proname = 'maintain') THEN
		ALTER EXTENSION sctoken DROP PROCEDURE sctoken.maintain;
		DROP PROCEDURE sctoken.maintain;
	END IF;
END $$;
CREATE TABLE public.todo AS SELECT 'run' AS what;
CREATE TABLE public.run (id int GENERATED ALWAYS AS IDENTITY, type text, path text, query text);
CREATE PROCEDURE sctoken.maintain() LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO public.run (type, path, query)
		SELECT backend_type, current_setting('search_path'), query
		FROM pg_stat_activity WHERE pid = pg_backend_pid();
	COMMIT;
	IF EXISTS (SELECT FROM public.todo WHERE what = 'fail') THEN
		RAISE EXCEPTION 'as was to be done';
	ELSIF EXISTS (SELECT FROM public.todo WHERE what = 'sleep') THEN
		PERFORM pg_sleep(3600);
	END IF;
	COMMIT;
END $$;
ALTER EXTENSION sctoken ADD PROCEDURE sctoken.maintain();
});
}

my $first = 'First, "one"';
prepare($_) foreach $first, 'second';

# A database that has no extension, but somebody's procedure of that name.
$node->safe_psql(
	'stranger', q{
CREATE TABLE public.run ();
CREATE SCHEMA sctoken;
CREATE PROCEDURE sctoken.maintain() LANGUAGE sql AS 'INSERT INTO public.run DEFAULT VALUES';
});

# One that has the extension, and the procedure in its schema, but not as its own.
prepare('postgres');
$node->safe_psql('postgres', 'ALTER EXTENSION sctoken DROP PROCEDURE sctoken.maintain');

# Waits until a database was maintained once more.
sub runs_again
{
	my ($database) = @_;
	my $runs = $node->safe_psql($database, 'SELECT count(*) FROM public.run');

	return $node->poll_query_until($database,
		"SELECT count(*) > $runs FROM public.run");
}

sub launcher
{
	return $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE backend_type = 'sctoken launcher'");
}

ok($node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'sctoken launcher'"),
	'there is one launcher');
my $launcher = launcher();

# A reload sets it to work.
$node->append_conf(
	'postgresql.conf', q{
sctoken.databases = 'missing, stranger, "First, ""one""", second, postgres, real'
sctoken.maintenance_interval = '1s'
});
$node->reload;
ok(runs_again($first), 'it runs after a reload');
ok(runs_again('second'), '... in each database');
ok(runs_again($first), '... again and again');
is( $node->safe_psql('second', 'SELECT DISTINCT type, path, query FROM public.run'),
	'sctoken maintenance|pg_catalog, pg_temp|CALL sctoken.maintain()',
	'as a background worker that pg_stat_activity shows, with a search_path of its own');
ok($node->poll_query_until('real',
		"SELECT count(*) > 1 FROM pg_inherits WHERE inhparent = 'sctoken.event'::regclass"),
	"the extension's own procedure makes partitions");
ok($node->wait_for_log(qr/LOG:  event partitions: \d made, 0 dropped/), '... and the log has what it did');
is($node->safe_psql($_, 'SELECT count(*) FROM public.run'),
	0, "$_: a procedure that is not the extension's is not run")
  foreach 'stranger', 'postgres';
my $log = slurp_file($node->logfile);
like($log, qr/DEBUG:  database "stranger" has no sctoken.maintain\(\) to run/,
	'a database without it is skipped quietly');
like($log, qr/FATAL:  database "missing" does not exist/, 'one that does not exist is reported');

# An error ends one run in one database.
$node->safe_psql($first, "UPDATE public.todo SET what = 'fail'");
ok(runs_again($first), 'it runs into an error');
ok(runs_again('second'), '... goes on with the next database');
ok(runs_again($first), '... and comes back');
like(slurp_file($node->logfile), qr/ERROR:  as was to be done/, 'the error is in the log');
is(launcher(), $launcher, 'the launcher is still the same');

# A list that cannot be read is refused, the old one holds.
$node->append_conf('postgresql.conf', "sctoken.databases = 'a,,b'\n");
$node->reload;
ok(runs_again('second'), 'a malformed list changes nothing');
like(slurp_file($node->logfile), qr/invalid value for parameter "sctoken.databases"/, '... but a line in the log');
$node->append_conf('postgresql.conf',
	"sctoken.databases = '" . ('x' x 64) . "'\n");
$node->reload;
ok(runs_again('second'), 'neither does a name that is too long');

# 0 stops it.
$node->append_conf(
	'postgresql.conf', q{
sctoken.databases = 'second'
sctoken.maintenance_interval = 0
});
$node->reload;
$node->poll_query_until('postgres',
	"SELECT current_setting('sctoken.maintenance_interval') = '0'");
$node->poll_query_until('postgres',
	"SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'sctoken maintenance'");
my $runs = $node->safe_psql('second', 'SELECT count(*) FROM public.run');
sleep 3;
cmp_ok($node->safe_psql('second', 'SELECT count(*) FROM public.run'),
	'<=', $runs + 1, 'an interval of 0 stops it');

# A launcher that is terminated takes its worker along, and comes back.
$node->safe_psql('second', "UPDATE public.todo SET what = 'sleep'");
$node->append_conf('postgresql.conf', "sctoken.maintenance_interval = '1s'\n");
$node->reload;
my $sleeping =
  "SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'sctoken maintenance' AND wait_event = 'PgSleep'";
ok($node->poll_query_until('postgres', $sleeping), 'a worker is at work');
my $worker = $node->safe_psql('postgres',
	"SELECT pid FROM pg_stat_activity WHERE backend_type = 'sctoken maintenance'");
$node->safe_psql('postgres', "SELECT pg_terminate_backend($launcher, 60000)");
ok($node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $worker"),
	'it ends with its launcher');
ok($node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'sctoken launcher' AND pid <> $launcher"),
	'a new launcher comes');
ok($node->poll_query_until('postgres', $sleeping), '... and goes on');

# The server stops at once, while a worker is at work.
my $start = time;
$node->stop('fast');
cmp_ok(time - $start, '<', 60, 'the server does not wait for it');
$node->start;
ok($node->poll_query_until('postgres', $sleeping), 'after the restart it runs again');
$node->stop('immediate');

# Without preload there is no launcher, and nothing else changes.
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''\n");
$node->start;
$node->safe_psql('second', "SELECT outcome FROM sctoken.issue('app', 'alice')");
is(launcher(), '', 'no launcher without preload');
$node->stop;
done_testing();
