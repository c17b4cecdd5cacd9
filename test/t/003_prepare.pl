# PREPARE TRANSACTION is refused after a call that wrote or holds a lock: the
# family would stay blocked when the session is gone.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('prepare');
$node->init;
$node->append_conf('postgresql.conf', 'max_prepared_transactions = 5');
$node->start;
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION sctoken;
INSERT INTO sctoken.client_policy (client_id, retry_window, rotation, on_reuse)
	VALUES ('app', '1 day', NULL, NULL), ('strict', '0', NULL, NULL),
		('keeper', '0', 'never', NULL), ('refuser', '0', NULL, 'refuse');
-- spent: the token before
CREATE TABLE held AS
	SELECT client_id, refresh_token AS token, family_id, NULL AS spent
	FROM (VALUES ('app'), ('strict'), ('keeper'), ('refuser')) v(client),
		 sctoken.issue(client, 'alice');
UPDATE held SET spent = token,
		token = (SELECT refresh_token FROM sctoken.rotate(token, client_id))
	WHERE client_id IN ('app', 'strict', 'refuser');
});

my $state = q{
SELECT id, generation, retries, rotated_at, revoked_at,
	(SELECT count(*) FROM sctoken.event WHERE family_id = id)
FROM sctoken.family ORDER BY id};
my $before = $node->safe_psql('postgres', $state);

# Runs the calls in a transaction and prepares it.  Returns stderr.
sub prepare
{
	my ($calls) = @_;
	my ($ret, $stdout, $stderr) = $node->psql('postgres',
		"BEGIN; $calls; PREPARE TRANSACTION 'sctoken'");

	return $stderr;
}

sub from_held
{
	my ($call, $client) = @_;

	return "SELECT $call FROM held WHERE client_id = '$client'";
}

my @refused = (
	[ 'issue' => q{SELECT sctoken.issue('app', 'bob')} ],
	[ 'rotate: rotated' => from_held(q{sctoken.rotate(token, 'app')}, 'app') ],
	[ 'rotate: replayed' => from_held(q{sctoken.rotate(spent, 'app')}, 'app') ],
	[
		'rotate: reuse_detected' =>
		  from_held(q{sctoken.rotate(spent, 'strict')}, 'strict')
	],
	[
		'rotate: reuse_detected, on_reuse = refuse' =>
		  from_held(q{sctoken.rotate(spent, 'refuser')}, 'refuser')
	],
	[ 'rotate: kept' => from_held(q{sctoken.rotate(token, 'keeper')}, 'keeper') ],
	[
		'rotate: client_mismatch' =>
		  from_held(q{sctoken.rotate(token, 'strict')}, 'app')
	],
	[
		'rotate: scope_exceeded' =>
		  from_held(q{sctoken.rotate(token, 'app', 'more')}, 'app')
	],
	[ 'revoke' => from_held(q{sctoken.revoke(token, 'app')}, 'app') ],
	[
		'revoke by another client' =>
		  from_held(q{sctoken.revoke(token, 'strict')}, 'app')
	],
	[
		'revoke_family' => from_held(q{sctoken.revoke_family(family_id, 'x')}, 'app')
	],
	[
		'a savepoint that was rolled back' => 'SAVEPOINT a; '
		  . from_held(q{sctoken.rotate(token, 'app')}, 'app')
		  . '; ROLLBACK TO a'
	]);

foreach my $case (@refused)
{
	my ($name, $calls) = @$case;

	like(prepare($calls),
		qr/ERROR:  cannot PREPARE a transaction that has used refresh tokens or DPoP proofs/,
		"refused after $name");

	# where it was not, others are to be tested all the same
	$node->psql('postgres', "ROLLBACK PREPARED 'sctoken'");
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_prepared_xacts'),
	'0', 'no transaction is left');
is($node->safe_psql('postgres', $state), $before, 'nothing has changed');

# The mark is gone with the transaction: in the same session another one may be
# prepared, and so may one that only read.
is( $node->psql(
		'postgres', q{
BEGIN; SELECT sctoken.issue('app', 'bob'); COMMIT;
BEGIN; SELECT sctoken.issue('app', 'bob'); ROLLBACK;
BEGIN; CREATE TABLE other (); PREPARE TRANSACTION 'other';
COMMIT PREPARED 'other'}),
	0,
	'a transaction after it may be prepared');
is( prepare(
		from_held(q{sctoken.introspect(token)}, 'app')
		  . q{; SELECT sctoken.dpop_verify(NULL, 'POST', 'https://as.example/token')}
	),
	'',
	'one that only read may be prepared');
$node->safe_psql('postgres', q{COMMIT PREPARED 'sctoken'});

$node->stop;
done_testing();
