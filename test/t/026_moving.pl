# doc/moving.md, line by line: logical replication takes all families to a new
# server, spent tokens stay spent, accepted proofs stay used, and at no time do both
# servers answer.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use IPC::Run;
use Page;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Prover;
use Test::More;

my $htu = 'https://server.example.com/token';
my $role = 'my_authorization_server';

my %node;
foreach my $name ('old', 'new')
{
	$node{$name} = PostgreSQL::Test::Cluster->new($name);
	$node{$name}->init(allows_streaming => $name eq 'old' ? 'logical' : 0);
	$node{$name}->append_conf(
		'postgresql.conf', q{
sctoken.dpop_max_age = 600
sctoken.dpop_future_skew = 1
wal_retrieve_retry_interval = '200ms'
});
	$node{$name}->start;
	$node{$name}->safe_psql('postgres', "CREATE ROLE $role LOGIN");
}
my ($old, $new) = @node{ 'old', 'new' };

# What the page tells to do, in its order: where, and what.
my @page = map { [ $_->{text} =~ /^-- on the (old|new) server[^\n]*\n(.*)$/s ] }
  grep { $_->{language} eq 'sql' && $_->{section} eq 'Logical replication' }
  page_blocks("$FindBin::RealBin/../../doc/moving.md");

my $source = $old->connstr . ' dbname=postgres';

# Takes the next block of it, which has to do with something; returns its output.
sub follow
{
	my ($about, $database, %change) = @_;
	my ($where, $sql) = @{ shift @page // die "the page has no more than: $about" };

	die "the page goes on with:\n$sql" if $sql !~ /$about/;
	$sql =~ s/'host=.*?'/'$source'/;
	$sql =~ s/\Q$_\E/$change{$_}/ foreach keys %change;
	return $node{$where}->safe_psql($database // 'postgres', $sql);
}

my $key = $old->basedir . '/key.pem';
prover('key', $key);

sub check
{
	my ($node, $proof) = @_;

	return $node->safe_psql('postgres',
		"SELECT coalesce(reason, 'accepted') FROM sctoken.dpop_check('$proof', 'POST', '$htu')");
}

# What the authorization server is told, or the SQLSTATE of the error.
sub ask
{
	my ($node, $call) = @_;
	my ($stdout, $stderr);

	$node->psql(
		'postgres', "\\set VERBOSITY sqlstate\nSELECT outcome, generation FROM $call",
		stdout => \$stdout, stderr => \$stderr, extra_params => [ '-U', $role ]);
	return $stderr =~ /ERROR: +(\w{5})$/m ? $1 : $stdout || $stderr;
}

my %token;

sub rotate
{
	my ($node, $name, $generation) = @_;

	return ask($node, "sctoken.rotate('$token{$name}[$generation]', 'app')");
}

# Starts a family and rotates it, or an old one goes on; its tokens by generation.
sub family
{
	my ($name, $rotations) = @_;

	$token{$name} //= [
		undef,
		$old->safe_psql('postgres',
			"SELECT refresh_token FROM sctoken.issue('app', 'alice', 'a b', ARRAY['https://a'])") ];
	push @{ $token{$name} },
	  $old->safe_psql('postgres',
		"SELECT refresh_token FROM sctoken.rotate('$token{$name}[-1]', 'app')")
	  foreach 1 .. $rotations;
}

sub revoke
{
	my ($name) = @_;

	$old->safe_psql('postgres', "SELECT sctoken.revoke('$token{$name}[-1]', 'app')");
}

# The old server, before anything moves.
my ($ca) = slurp_file('test/vectors/mtls/pki/root.pem') =~ /-----\n(.*?)-----/s;
$old->safe_psql(
	'postgres', qq{
CREATE EXTENSION sctoken;
SELECT sctoken.grant_to('$role', 'authorization_server');
INSERT INTO sctoken.client_policy (client_id, retry_window, max_retries)
	VALUES ('app', '1 day', 7), ('closing', NULL, NULL);
INSERT INTO sctoken.trust_anchor_set (name) VALUES ('a');
INSERT INTO sctoken.trust_anchor (set_name, der) VALUES ('a', decode('$ca', 'base64'));
INSERT INTO sctoken.tls_client_auth (client_id, set_name, tls_client_auth_subject_dn) VALUES ('bank', 'a', 'CN=a');
INSERT INTO sctoken.client_certificate (client_id, match, thumbprint, not_after)
	VALUES ('self', 'key', 'A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0', '2030-01-01');
CALL sctoken.maintain();
});
family('retry', 1);
family('old', 3);
family('revoked', 1);
family('going', 2);
revoke('revoked');
my $early = prover('proof', $key, 'POST', $htu);
is(check($old, $early), 'accepted', 'a proof is accepted before the copy');

follow('CREATE EXTENSION');
follow('CREATE PUBLICATION');

# A table with data that the page forgets would be lost.
is( $old->safe_psql(
		'postgres', q{
SELECT count(*), string_agg(relid::regclass::text, ' ')
	FILTER (WHERE relid <> ALL (SELECT prrelid FROM pg_publication_rel))
FROM (SELECT coalesce((SELECT inhparent FROM pg_inherits WHERE inhrelid = c), c) AS relid
	FROM pg_extension, unnest(extconfig) AS c WHERE extname = 'sctoken') AS _}),
	'9|',
	'all that a dump has is published');

follow('CREATE SUBSCRIPTION');
my $wait = $page[0][1];
$new->poll_query_until('postgres', $wait) or die 'nothing is copied';
is(follow('srsubstate'), 't', 'everything is copied');

# Then the old server goes on, and the new one takes no part.
family('going', 2);
family('late', 1);
family('late revoked', 1);
revoke('late revoked');
$old->safe_psql(
	'postgres', q{
UPDATE sctoken.client_policy SET enabled = false WHERE client_id = 'closing';
INSERT INTO sctoken.client_policy (client_id, idle_ttl) VALUES ('later', '1 day');
UPDATE sctoken.trust_anchor SET enabled = false;
DELETE FROM sctoken.tls_client_auth;
SELECT sctoken.rotate_secret();
CALL sctoken.maintain();
});
family('new secret', 1);
my $late = prover('proof', $key, 'POST', $htu);
is(check($old, $late), 'accepted', 'a proof is accepted after the copy');
my $nonce = $old->safe_psql('postgres', 'SELECT sctoken.dpop_nonce()');
is(rotate($new, 'late', 2), '42501', 'the new server answers nobody yet');

# A server that has been used does not become that one.
$new->safe_psql('postgres', 'CREATE DATABASE used');
$new->safe_psql('used',
	q{CREATE EXTENSION sctoken; SELECT sctoken.issue('app', 'mallory')});
my $used = q{
SELECT (SELECT count(*) FROM sctoken.server_secret), encode(secret, 'hex') FROM sctoken.server_secret};
my $before = $new->safe_psql('used', $used);
my $since = -s $new->logfile;
$new->safe_psql('used',
	"CREATE SUBSCRIPTION other CONNECTION '$source' PUBLICATION sctoken_move");
ok( $new->poll_query_until(
		'used', q{SELECT sync_error_count > 1 FROM pg_stat_subscription_stats WHERE subname = 'other'}),
	'the copy to a used server fails again and again');
like(slurp_file($new->logfile, $since),
	qr/duplicate key value violates unique constraint "server_secret_pkey"/,
	'the log says so');
my $secrets = $old->safe_psql('postgres',
	q{SELECT string_agg(encode(secret, 'hex'), '|') FROM sctoken.server_secret});
unlike(slurp_file($new->logfile, $since), qr/$secrets/, 'and no secret');
is($new->safe_psql('used', $wait), 'f', 'it never gets ready');
is($new->safe_psql('used', $used), $before, 'its own secret is as it was');
$new->safe_psql('used', 'DROP SUBSCRIPTION other');
$new->safe_psql('postgres', 'DROP DATABASE used');

# The switch, beside sessions of the authorization server.
my $session = IPC::Run::start(
	[ 'psql', '-XAtq', '-U', $role, '-d', $source, '-c',
		"SELECT sctoken.issue('app', 'bob'); SELECT pg_sleep(600)" ],
	'>', \my $out, '2>', \my $err);
$old->poll_query_until('postgres',
	"SELECT count(*) = 1 FROM pg_stat_activity WHERE usename = '$role' AND wait_event = 'PgSleep'")
  or die 'there is no session';
my ($ended, $lsn) = follow('NOLOGIN') =~ /^(.*)\n(.*)$/;
is($ended, 't', 'the sessions of the authorization server are ended');
$session->finish;
like(rotate($old, 'late', 2), qr/is not permitted to log in/, 'it is shut out');
my ($arrived) = $page[0][1] =~ s/'0\/.*?'/'$lsn'/r;
$old->poll_query_until('postgres', $arrived) or die 'it does not arrive';
is(follow('confirmed_flush_lsn', undef, '0/16B3748' => $lsn),
	't', 'the new server has all of it');

my $contents = join ' UNION ALL ', map {
	"SELECT '$_' AS name, t::text FROM sctoken.$_ t"
} qw(server_secret client_policy family event dpop_replay_horizon trust_anchor_set trust_anchor
  tls_client_auth client_certificate);
is( $new->safe_psql('postgres', "$contents ORDER BY 1, 2"),
	$old->safe_psql('postgres', "$contents ORDER BY 1, 2"),
	'the tables are the same');
is((split /\n/, follow('DROP SUBSCRIPTION'))[0], 0, 'no proof was checked before the switch');
follow('client_policy');
is(scalar(@page), 0, 'that is all');

# The old server: whoever opens it.
$old->safe_psql('postgres', "ALTER ROLE $role LOGIN");
is(rotate($old, 'late', 2), 'client_disabled|2', 'the old server answers nobody any more');

# The new one.
my $used_up = qr/^horizon$/;
like(check($new, $_->[1]), $used_up, "a proof that the old server accepted is refused: $_->[0]")
  foreach [ 'before the copy', $early ], [ 'after it', $late ];
ok( $new->poll_query_until(
		'postgres', 'SELECT clock_timestamp() > horizon FROM sctoken.dpop_replay_horizon'),
	'the horizon is passed');
my $proof;
foreach (1 .. 100)
{
	# iat is in whole seconds
	$proof = prover('proof', $key, 'POST', $htu, '--nonce', $nonce);
	last if check($new, $proof) eq 'accepted';
}
is(check($new, $proof), 'replayed', "a new one, with the old server's nonce, is accepted once");

is( ask( $new,
		"(SELECT outcome, CASE WHEN refresh_token = '$token{retry}[2]' THEN 'same' END AS generation"
		  . " FROM sctoken.rotate('$token{retry}[1]', 'app')) _"),
	'replayed|same',
	'a retry gives the same token');
is(rotate($new, 'retry', 2), 'rotated|3', 'the current token works');
is(rotate($new, 'going', 5), 'rotated|6', 'of a family that went on too');
is(rotate($new, 'late', 2), 'rotated|3', 'and of one that began later');
is(rotate($new, 'new secret', 2), 'rotated|3', 'and under a newer secret');
is(rotate($new, 'old', 2), 'reuse_detected|2', 'an older token is reuse');
is(rotate($new, 'old', 4), 'revoked|4', 'its family dies of it');
is(rotate($new, 'going', 1), 'reuse_detected|1', 'so is one from before the copy');
is(rotate($new, 'revoked', 2), 'revoked|2', 'a revoked family stays so');
is(rotate($new, 'late revoked', 2), 'revoked|2', 'however late it was revoked');
is(ask($new, "sctoken.issue('closing', 'alice')"), 'client_disabled|', 'policy holds');
is(ask($new, "sctoken.issue('app', 'carol')"), 'issued|1', 'new families begin');
is($new->safe_psql('postgres', 'SELECT count(*) FROM sctoken.server_secret'),
	2, 'without a secret of its own');
$new->safe_psql('postgres', 'CALL sctoken.maintain()');

# Why the old server must stay shut: nothing in it knows what happened elsewhere.
$old->safe_psql('postgres', q{DELETE FROM sctoken.client_policy WHERE client_id = '*'});
is(rotate($old, 'late', 2), 'rotated|3', 'opened again, it accepts what is spent');

$new->stop;
$old->stop;
done_testing();
