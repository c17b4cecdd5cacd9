# ALTER EXTENSION UPDATE keeps everything: to a version made up here, which adds a
# column to each table of a call and a function.  Nothing is lost in a database at
# rest, nor under sessions that rotate meanwhile.  What is updated, from any version
# that was released too, is as what is installed new.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use Catalog;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Prover;
use Test::More;

my $sessions = 4;
my $htu = 'https://server.example.com/token';

my $node = PostgreSQL::Test::Cluster->new('update');
$node->init;
my $extensions = $node->config_data('--sharedir') . '/extension';
plan skip_all => "$extensions cannot be written to" unless -w $extensions;
$node->append_conf(
	'postgresql.conf', q{
sctoken.lock_timeout = '60s'
});
$node->start;

# The script of an update as one is to be written (doc/releasing.md), one that forgets
# something, and the script of the whole new version.  The tables in the order in
# which a call takes them, so that nobody deadlocks.
my ($version) = slurp_file("$extensions/sctoken.control") =~ /^default_version = '(.*)'/m;
my %scripts;
END { unlink keys %scripts }

sub add_script
{
	my ($name, $sql) = @_;
	my $file = "$extensions/sctoken--$name.sql";

	$scripts{$file} = 1;
	append_to_file($file, $sql);
}

my @added = ('client_policy', 'family', 'event');
my $column = 'added integer DEFAULT 1';
my $comments = join '',
  map { "COMMENT ON COLUMN sctoken.$_.added IS 'What was added';\n" } @added;
my $function = q{
CREATE FUNCTION sctoken.added() RETURNS integer LANGUAGE sql AS 'SELECT 1';
COMMENT ON FUNCTION sctoken.added() IS 'A function that was added';
};
my $revoke = "REVOKE ALL ON FUNCTION sctoken.added() FROM PUBLIC;\n";
my $delta = join('', map { "ALTER TABLE sctoken.$_ ADD COLUMN IF NOT EXISTS $column;\n" } @added)
  . $comments . $function;
my $whole = slurp_file("$extensions/sctoken--$version.sql");

foreach my $table (@added)
{
	# behind its other columns
	$whole =~ s/^(CREATE TABLE sctoken\.$table \(.*?)(,\n    CONSTRAINT|\n\))/$1,\n    $column$2/ms
	  or die "there is no table $table";
}
# A view through which a function's row of a table runs knows its columns by name.
$delta .= "CREATE OR REPLACE $1;\n"
  while $whole =~ /^CREATE (VIEW sctoken\.\w+ AS\n[^;]*effective_policy\([^;]*);$/gm;
add_script("$version--made_up", qq{\\echo Use "ALTER EXTENSION sctoken UPDATE TO 'made_up'" to load this file. \\quit\n$delta$revoke});
add_script("$version--careless", $delta);
add_script('careless--made_up', '-- nothing');
add_script('made_up', $whole . $comments . $function . $revoke);

my $setup = q{
CREATE EXTENSION sctoken;
INSERT INTO sctoken.client_policy (client_id, retry_window, max_retries)
	VALUES ('app', '1 day', 7), ('*', NULL, NULL);
CREATE TABLE held (name text, generation bigint, token text, family_id uuid);
CREATE TABLE told_to_stop ();
-- Rotates so often, or until it is told to stop.
CREATE PROCEDURE start(name text, rotations int DEFAULT NULL) LANGUAGE plpgsql AS $$
DECLARE
	g sctoken.grant_result := sctoken.issue('app', 'alice');
BEGIN
	INSERT INTO held VALUES (name, g.generation, g.refresh_token, g.family_id);
	COMMIT;
	WHILE coalesce(g.generation <= rotations, NOT EXISTS (SELECT FROM told_to_stop)) LOOP
		g := sctoken.rotate(g.refresh_token, 'app');
		IF g.outcome IS DISTINCT FROM 'rotated' THEN
			RAISE EXCEPTION 'a rotation was %', g.outcome;
		END IF;
		INSERT INTO held VALUES (name, g.generation, g.refresh_token, g.family_id);
		COMMIT;
	END LOOP;
END $$;
};

sub rotate
{
	my ($database, $name, $generation) = @_;

	return $node->safe_psql($database,
			"SELECT outcome, r.generation, CASE WHEN outcome = 'replayed' THEN refresh_token = "
		  . "(SELECT token FROM held WHERE name = '$name' AND generation = $generation + 1) END "
		  . "FROM held h, sctoken.rotate(token, 'app') r WHERE name = '$name' AND h.generation = $generation"
	);
}

# At rest.
$node->safe_psql('postgres', $setup);
$node->safe_psql(
	'postgres', q{
CALL start('retry', 1);
CALL start('old', 5);
CALL start('revoked', 1);
SELECT sctoken.revoke_family(family_id, 'admin') FROM held WHERE name = 'revoked';
CALL sctoken.maintain();
});
my $key = $node->basedir . '/key.pem';
prover('key', $key);
my $proof = prover('proof', $key, 'POST', $htu);
my $check = "SET sctoken.dpop_max_age = '1h';"
  . "SELECT coalesce(reason, 'accepted') FROM sctoken.dpop_check('$proof', 'POST', '$htu')";
is($node->safe_psql('postgres', $check), 'accepted', 'a proof is accepted');

my $tables = $node->safe_psql(
	'postgres', q{
SELECT string_agg(format('SELECT %L AS name, (to_jsonb(t) - ''added'')::text FROM %s t', oid::regclass, oid::regclass),
	' UNION ALL ' ORDER BY oid::regclass::text) || ' ORDER BY 1, 2'
FROM pg_class WHERE relnamespace = 'sctoken'::regnamespace AND relkind = 'r'});
my $contents = $node->safe_psql('postgres', $tables);
like($contents, qr/^sctoken\.$_\|/m, "there is something in $_")
  foreach qw(family client_policy server_secret dpop_replay_horizon);

$node->safe_psql('postgres', q{ALTER EXTENSION sctoken UPDATE TO 'made_up'});
is( $node->safe_psql(
		'postgres',
		q{SELECT extversion, sctoken.added() FROM pg_extension WHERE extname = 'sctoken'}),
	'made_up|1',
	'the extension is updated');
is($node->safe_psql('postgres', $tables), $contents, 'all rows are the same');
is(rotate('postgres', 'retry', 1), 'replayed|2|t', 'a retry gives the same token');
is(rotate('postgres', 'retry', 2), 'rotated|3|', 'the current token works');
is(rotate('postgres', 'old', 3), 'reuse_detected|3|', 'an older token is reuse');
is(rotate('postgres', 'old', 6), 'revoked|6|', 'its family dies of it');
is(rotate('postgres', 'revoked', 2), 'revoked|2|', 'a revoked family stays so');
is($node->safe_psql('postgres', $check), 'replayed', 'an accepted proof stays used');

# Beside traffic: the sessions are those that began before the update, and have
# rotated both before and after it.
$node->safe_psql('postgres', 'CREATE DATABASE busy');
$node->safe_psql('busy', $setup =~ s/CREATE EXTENSION sctoken/$& VERSION '$version'/r);
my @running = map {
	my $log = '';
	IPC::Run::start(
		[ 'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('busy'),
			'-c', "CALL start('$_')" ],
		'>&', \$log)
} 1 .. $sessions;

# Waits until each session has rotated ten times since it was at these generations.
sub wait_for_ten
{
	my ($since) = @_;

	$node->poll_query_until('busy',
		"SELECT count(*) = $sessions FROM (SELECT FROM held GROUP BY name HAVING max(generation) > $since + 10) _")
	  or die 'the sessions do not rotate';
}
wait_for_ten(0);
$node->safe_psql('busy', q{ALTER EXTENSION sctoken UPDATE TO 'made_up'});
wait_for_ten($node->safe_psql('busy', 'SELECT max(generation) FROM held'));
$node->safe_psql('busy', 'INSERT INTO told_to_stop DEFAULT VALUES');
is(scalar(grep { !$_->finish } @running), 0, 'every rotation succeeded');
is( $node->safe_psql(
		'busy', q{
SELECT name, count(*) - max(generation), count(DISTINCT family_id),
	count(*) FILTER (WHERE (sctoken.introspect(token)->>'active')::boolean)
FROM held GROUP BY name ORDER BY name}),
	join("\n", map { "$_|0|1|1" } 1 .. $sessions),
	'each family has one live token and has lost no generation');
my $last = $node->safe_psql('busy', q{SELECT max(generation) FROM held WHERE name = '1'});
is(rotate('busy', '1', $last - 1), "replayed|$last|t", 'the last token but one is a retry');
is(rotate('busy', '2', 3), 'reuse_detected|3|', 'one from before the update is reuse');


# Installs this, updates it to that one after the other, and returns the catalog.
sub updated
{
	my ($database, $from, @to) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql($database,
		join ';', "CREATE EXTENSION sctoken VERSION '$from'",
		map { "ALTER EXTENSION sctoken UPDATE TO '$_'" } @to);
	return catalog($node, $database);
}

my $new = updated('new', 'made_up');
is(differences($new, updated('updated', $version, 'made_up')),
	'', 'what is updated is as what is installed new');
is( differences($new, updated('careless', $version, 'careless', 'made_up')),
	'-REVOKE ALL ON FUNCTION sctoken.added() FROM PUBLIC;',
	'what a script forgets is seen');

# Likewise the versions that were released, of which there may be none yet.
my @released = map { m{ sql/sctoken--(\d[^-]*)\.sql$} ? $1 : () } split /\n/,
  slurp_file('sql/released.sha256');
my $n = 0;
$new = updated('current', $version) if @released;
is(differences($new, updated('released_' . $n++, $_, $version eq $_ ? () : $version)),
	'', "$_ is updated to $version")
  foreach @released;

done_testing();
