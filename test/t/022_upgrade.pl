# pg_upgrade keeps everything: families in any state, policies, events, secrets, and
# what was accepted of DPoP proofs, in either store.  Spent stays spent.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Prover;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir;
prover('key', "$dir/key");

my $old = PostgreSQL::Test::Cluster->new('old');
$old->init;
$old->start;
$old->safe_psql(
	'postgres', q{
CREATE EXTENSION sctoken;
INSERT INTO sctoken.client_policy (client_id, retry_window, max_retries)
	VALUES ('app', '1 day', 7), ('*', NULL, NULL);
INSERT INTO sctoken.client_policy (client_id, enabled) VALUES ('closed', false);
CREATE TABLE held (name text, generation bigint, token text, family_id uuid);
CREATE PROCEDURE start(name text, rotations int) LANGUAGE plpgsql AS $$
DECLARE
	g sctoken.grant_result := sctoken.issue('app', 'alice', 'a b', ARRAY['https://a']);
BEGIN
	INSERT INTO held VALUES (name, g.generation, g.refresh_token, g.family_id);
	FOR i IN 1..rotations LOOP
		g := sctoken.rotate(g.refresh_token, 'app');
		INSERT INTO held VALUES (name, g.generation, g.refresh_token, g.family_id);
	END LOOP;
END $$;
CALL start('retry', 1);
CALL start('old', 5);
CALL start('revoked', 1);
SELECT sctoken.revoke_family(family_id, 'admin') FROM held WHERE name = 'revoked';
CALL sctoken.maintain();
SELECT sctoken.rotate_secret();
CALL start('new secret', 1);
});

# Proofs that both stores have accepted, and one that nobody has seen.
my $htu = 'https://server.example.com/token';
my %proof;
foreach my $name ('logged', 'unlogged', 'never')
{
	$proof{$name} = prover('proof', "$dir/key", 'POST', $htu, '--jti', $name);
}

sub check
{
	my ($node, $name) = @_;
	my $store = $name eq 'unlogged' ? 'unlogged' : 'logged';

	return $node->safe_psql('postgres',
		"SET sctoken.replay_store = '$store'; SET sctoken.dpop_max_age = '10min';"
		  . "SELECT coalesce(reason, 'accepted') FROM sctoken.dpop_check('$proof{$name}', 'POST', '$htu')"
	);
}

is(check($old, $_), 'accepted', "a proof is accepted: $_") foreach 'logged', 'unlogged';

# Everything that is to be the same, each table by itself.
my $tables = $old->safe_psql(
	'postgres', q{
SELECT string_agg(format('SELECT %L AS name, t::text FROM %s t', oid::regclass, oid::regclass),
	' UNION ALL ' ORDER BY oid::regclass::text) || ' ORDER BY 1, 2'
FROM pg_class WHERE relnamespace = 'sctoken'::regnamespace AND relkind = 'r'});
my $contents = $old->safe_psql('postgres', $tables);
my $structure = q{
SELECT oid::regclass, relkind, relpersistence, relispartition, reloptions,
	pg_get_expr(relpartbound, oid), obj_description(oid, 'pg_class'),
	(SELECT array_agg(a::text ORDER BY a::text) FROM unnest(relacl) a),
	(SELECT count(*) FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = c.oid AND deptype = 'e') AS member
FROM pg_class c WHERE relnamespace = 'sctoken'::regnamespace ORDER BY oid::regclass::text};
my $before = $old->safe_psql('postgres', $structure);
like($contents, qr/^sctoken\.$_\|/m, "there is something in $_")
  foreach qw(family client_policy server_secret dpop_replay_horizon);

$old->stop;

# A copy leaves the old cluster as it is, for the other way.
foreach my $mode ('copy', 'link')
{
	my $new = PostgreSQL::Test::Cluster->new($mode);

	$new->init;
	my $bin = $new->config_data('--bindir');

	chdir $dir or die "chdir: $!";
	command_ok(
		[
			'pg_upgrade', '--no-sync', $mode eq 'link' ? '--link' : (),
			'-d', $old->data_dir, '-D', $new->data_dir,
			'-b', $bin, '-B', $bin,
			'-p', $old->port, '-P', $new->port, '-s', $new->host
		],
		"$mode: upgraded");
	$new->start;

	is($new->safe_psql('postgres', $tables), $contents, "$mode: all rows are the same");
	is($new->safe_psql('postgres', $structure), $before,
		"$mode: all tables are the same");

	sub in_new
	{
		my ($node, $name, $generation) = @_;

		return $node->safe_psql('postgres',
			"SELECT outcome, r.generation, CASE WHEN outcome = 'replayed' THEN refresh_token = "
			  . "(SELECT token FROM held WHERE name = '$name' AND generation = $generation + 1) END "
			  . "FROM held h, sctoken.rotate(token, 'app') r WHERE name = '$name' AND h.generation = $generation"
		);
	}

	is(in_new($new, 'retry', 1), 'replayed|2|t', "$mode: a retry gives the same token");
	is(in_new($new, 'retry', 2), 'rotated|3|', "$mode: the current token works");
	is(in_new($new, 'old', 3), 'reuse_detected|3|', "$mode: an older token is reuse");
	is(in_new($new, 'old', 6), 'revoked|6|', "$mode: its family dies of it");
	is(in_new($new, 'revoked', 2), 'revoked|2|', "$mode: a revoked family stays so");
	is(in_new($new, 'new secret', 2), 'rotated|3|',
		"$mode: a token of the newer secret works");
	is( $new->safe_psql('postgres',
			q{SELECT outcome FROM sctoken.issue('closed', 'alice')}),
		'client_disabled',
		"$mode: policy holds");

	is(check($new, $_), 'replayed', "$mode: an accepted proof stays used: $_")
	  foreach 'logged', 'unlogged';
	is(check($new, 'never'), 'accepted', "$mode: a new one is accepted");
	$new->safe_psql('postgres', 'CALL sctoken.maintain()');
	$new->stop;
}

done_testing();
