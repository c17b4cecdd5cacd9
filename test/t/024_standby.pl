# On a hot standby introspect and family_active answer and write nothing; what
# would write is an error, whatever it would have answered.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = PostgreSQL::Test::Cluster->new('primary');
$primary->init(allows_streaming => 1);
$primary->start;
$primary->safe_psql(
	'postgres', q{
CREATE EXTENSION sctoken;
CREATE TABLE held (n int, token text, family_id uuid);
INSERT INTO held SELECT 1, refresh_token, family_id FROM sctoken.issue('app', 'alice');
INSERT INTO held SELECT 2, r.refresh_token, r.family_id FROM held, sctoken.rotate(token, 'app') r;
});
$primary->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'base', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));

my $active = q{
SELECT n, sctoken.introspect(token)->>'active', sctoken.family_active(family_id)
FROM held ORDER BY n};
is($standby->safe_psql('postgres', $active), "1|false|t\n2|true|t", 'the family lives');

# What has no part in tokens but reads is answered as well.
is( $standby->safe_psql('postgres',
		q{SELECT reason FROM sctoken.certificate_authenticate('app', NULL) UNION ALL
		  SELECT reason FROM sctoken.certificate_authenticate('app', '\x3009300030000303000102')}),
	"missing\ncertificate", 'certificate_authenticate answers');

foreach my $call (
	q{sctoken.issue('app', 'bob')},
	q{(SELECT token FROM held WHERE n = 2) t, sctoken.rotate(t.token, 'app')},
	q{(SELECT token FROM held WHERE n = 1) t, sctoken.rotate(t.token, 'app')},
	q{sctoken.rotate('sct_', 'app')},
	q{(SELECT token FROM held WHERE n = 2) t, sctoken.revoke(t.token, 'app')},
	q{sctoken.revoke_family((SELECT family_id FROM held LIMIT 1), 'x')},
	q{sctoken.revoke_grant('g', 'x')},
	q{sctoken.revoke_session('s', 'x')},
	q{sctoken.revoke_subject('nobody', 'x')},
	q{sctoken.revoke_binding('{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}', 'x')},
	q{sctoken.revoke_client('app', 'x')},
	q{sctoken.confirm((SELECT family_id FROM held LIMIT 1), 2)},
	q{sctoken.narrow((SELECT family_id FROM held LIMIT 1), NULL, NULL, 'x')},
	q{sctoken.register_client_certificates('app', '{"keys": []}')},
	q{sctoken.rotate_secret()},
	q{sctoken.last_write_lsn()})
{
	my ($stdout, $stderr);

	$standby->psql(
		'postgres', "\\set VERBOSITY sqlstate\nSELECT * FROM $call",
		stdout => \$stdout, stderr => \$stderr);
	my ($name) = $call =~ /sctoken\.(\w+)/;
	like($stderr, qr/ERROR:  25006/, "refused: $name");
}

# A revocation is known there once it has been replayed, to an old snapshot too.
my $session = $standby->background_psql('postgres');
$session->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM held');
$primary->safe_psql('postgres',
	q{SELECT sctoken.revoke_family(family_id, 'admin') FROM held LIMIT 1});
$primary->wait_for_catchup($standby, 'replay', $primary->lsn('insert'));
is($session->query_safe($active), "1|false|f\n2|false|f", 'it is revoked, in an old transaction too');
$session->quit;


# A standby that lags says that it does not know yet, rather than an old truth.
sub answers
{
	my ($node, $n, $lsn) = @_;

	return $node->safe_psql('postgres',
		qq{SELECT coalesce(sctoken.introspect(token, $lsn)->>'active', 'ask the primary'),
		       coalesce(sctoken.family_active(family_id, $lsn)::text, 'ask the primary')
		   FROM held WHERE n = $n});
}

sub last_write
{
	return $primary->safe_psql('postgres', 'SELECT sctoken.last_write_lsn()');
}

$primary->safe_psql('postgres',
	q{INSERT INTO held SELECT 3, refresh_token, family_id FROM sctoken.issue('app', 'carol')});
my $issued = last_write();
$primary->wait_for_catchup($standby, 'replay', $issued);
is(answers($standby, 3, "'$issued'"), 'true|true', 'what is replayed is answered');

$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
$standby->poll_query_until('postgres', q{SELECT pg_get_wal_replay_pause_state() = 'paused'})
  or die 'replay goes on';
$primary->safe_psql('postgres',
	q{SELECT sctoken.revoke_family(family_id, 'admin') FROM held WHERE n = 3});
my $revoked = last_write();
is(answers($standby, 3, "'$issued'"), 'true|true', 'it knows of the login');
is(answers($standby, 3, 'NULL'), 'true|true', 'without a position it says what it knows');
is(answers($standby, 3, "'$revoked'"), 'ask the primary|ask the primary', 'of the revocation it does not');
is(answers($primary, 3, "'$revoked'"), 'false|false', 'the primary does');
is(answers($primary, 3, "'FFFFFFFF/0'"), 'false|false', 'and has nobody else to ask');
$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
$primary->wait_for_catchup($standby, 'replay', $revoked);
is(answers($standby, 3, "'$revoked'"), 'false|false', 'once it is replayed the standby does too');
is($standby->safe_psql('postgres', "SELECT sctoken.introspect(NULL, 'FFFFFFFF/0'), sctoken.family_active(NULL, 'FFFFFFFF/0')"),
	'{"active": false}|f', 'no token is inactive everywhere');

# The position is that of a commit, so there is none before it.
my ($stdout, $stderr);
$primary->psql(
	'postgres', q{
\set VERBOSITY sqlstate
BEGIN;
SELECT sctoken.last_write_lsn() IS NOT NULL;
SELECT sctoken.revoke_family((SELECT family_id FROM held WHERE n = 3), 'again');
UPDATE held SET n = 4 WHERE n = 3;
SELECT sctoken.last_write_lsn();
}, stdout => \$stdout, stderr => \$stderr);
is($stdout, "t\nt", 'a transaction that has only read may ask');
like($stderr, qr/ERROR:  25001/, 'one that has written may not');

# Where a record ends with its page, the standby need not wait for the next one.
my $boundary = $primary->safe_psql(
	'postgres', q{
CREATE FUNCTION to_page_end() RETURNS pg_lsn LANGUAGE plpgsql AS $$
DECLARE
	size int;
	rest int;
	lsn pg_lsn;
BEGIN
	FOR attempt IN 1 .. 1000 LOOP
		-- what a message of 8 bytes takes tells what the last one must hold
		lsn := pg_current_wal_insert_lsn();
		PERFORM pg_logical_emit_message(false, '', repeat('x', 8));
		size := pg_current_wal_insert_lsn() - lsn - 8;
		rest := 8192 - (pg_current_wal_insert_lsn() - '0/0') % 8192;
		IF size NOT BETWEEN 1 AND 200 OR rest - size NOT BETWEEN 1 AND 200 THEN
			CONTINUE;
		END IF;
		PERFORM pg_logical_emit_message(false, '', repeat('x', rest - size));
		lsn := pg_current_wal_insert_lsn();
		IF (lsn - '0/0') % 8192 IN (24, 40) THEN
			RETURN lsn;
		END IF;
	END LOOP;
	RETURN NULL;
END $$;
SELECT to_page_end()});
my $end = last_write();
isnt($boundary, '', 'a record ended with its page');
SKIP:
{
	skip 'something else was written since', 1
	  if $primary->safe_psql('postgres', 'SELECT pg_current_wal_insert_lsn()') ne $boundary;
	is($primary->safe_psql('postgres', "SELECT '$boundary'::pg_lsn - '$end'::pg_lsn IN (24, 40)"),
		't', 'the position is where it ended');
}

# remote_apply: the revocation answers when the synchronous standbys know of it.
$primary->append_conf('postgresql.conf', "synchronous_standby_names = '*'\n");
$primary->reload;
$primary->poll_query_until('postgres',
	q{SELECT sync_state = 'sync' FROM pg_stat_replication})
  or die 'the standby is not synchronous';
foreach ([ 'on', 'local' ], [ 'remote_apply', 'on' ])
{
	my ($least, $asked) = @$_;

	$primary->safe_psql(
		'postgres', qq{
INSERT INTO held SELECT 5, refresh_token, family_id FROM sctoken.issue('app', '$least')});
	$primary->wait_for_catchup($standby, 'replay', last_write());
	$standby->safe_psql('postgres', 'SELECT pg_wal_replay_pause()');
	$standby->poll_query_until('postgres', q{SELECT pg_get_wal_replay_pause_state() = 'paused'})
	  or die 'replay goes on';

	my $revoker = $primary->background_psql('postgres');
	$revoker->query_safe(
		"SET application_name = 'revoker'; SET synchronous_commit = $asked; SET sctoken.revocation_synchronous_commit = $least");
	my $revoke = q{SELECT sctoken.revoke_family((SELECT family_id FROM held WHERE n = 5), 'admin');};
	if ($least eq 'on')
	{
		is($revoker->query_safe($revoke), 't', 'on: answers before the standby does');
		is(answers($standby, 5, 'NULL'), 'true|true', 'which still says that the family lives');
		$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
	}
	else
	{
		$revoker->query_until(qr/begun/, "\\echo begun\n$revoke\n\\echo answered\n");
		my $waits = q{SELECT wait_event = 'SyncRep' FROM pg_stat_activity WHERE application_name = 'revoker'};

		$primary->poll_query_until('postgres',
			qq{SELECT coalesce(($waits), false) OR revoked_at IS NOT NULL
			   FROM sctoken.family WHERE id = (SELECT family_id FROM held WHERE n = 5)});
		is($primary->safe_psql('postgres', $waits),
			't', 'remote_apply: waits while the standby has not replayed it');
		$standby->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
		$revoker->query_until(qr/answered/, '');
		is(answers($standby, 5, 'NULL'), 'false|false', 'and when it answers, the standby knows');
	}
	$revoker->quit;
	$primary->safe_psql('postgres', 'UPDATE held SET n = 6 WHERE n = 5');
}
$primary->adjust_conf('postgresql.conf', 'synchronous_standby_names', "''");
$primary->reload;

$standby->stop;
$primary->stop;
done_testing();
