# The SQL of doc/migrating.md, as it stands there: tokens of Supabase Auth, Hydra and
# node-oidc-provider are imported, each is accepted once, however many sessions present
# it at whatever isolation level, and a used one kills its family.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use Page;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Race;
use Test::More;

my $sessions = 8;

# The page's SQL, by name.
my (%sql, %unused);
foreach my $block (page_blocks("$FindBin::RealBin/../../doc/migrating.md"))
{
	next if $block->{language} ne 'sql';
	ok($block->{name} ne '', 'a block has a name');
	$sql{ $block->{name} } .= $block->{text};
	$unused{ $block->{name} } = 1;
}

my $node = PostgreSQL::Test::Cluster->new('migrating');
$node->init;
$node->append_conf('postgresql.conf', "max_connections = 50\nsctoken.lock_timeout = '60s'\n");
$node->start;

sub page
{
	my ($database, $name, %variables) = @_;

	delete $unused{$name};
	return $node->safe_psql($database, $sql{$name},
		extra_params => [ map { ('-v', "$_=$variables{$_}") } sort keys %variables ]);
}

# A database with the extension, the old table, and all of the page up to the import.
sub prepare
{
	my ($database, $old, $source) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $database");
	$node->safe_psql(
		$database, qq{
CREATE EXTENSION sctoken;
INSERT INTO sctoken.client_policy (client_id, retry_window, max_retries, retry_until_confirmed)
	VALUES ('*', '1 day', 1000, false), ('strict', '0', 0, false);
INSERT INTO sctoken.client_policy (client_id, rotation) VALUES ('kept', 'never');
CREATE TABLE answer (round int, session int, LIKE sctoken.grant_result);
$old});
	my ($schema, $procedures) = ($sql{import} =~ /^(.*?)(^-- One family of the old table.*)/ms);
	delete $unused{import};
	$node->safe_psql($database, $schema);
	page($database, $source);
	$node->safe_psql($database, $procedures);
	return;
}

sub import_all
{
	my ($database) = @_;
	my ($ret, $stdout, $stderr) = $node->psql($database, $sql{run});

	delete $unused{run};
	return $stderr =~ s/^psql:<stdin>:\d+: //mgr;
}

# outcome, error and token of a presentation.
sub present
{
	my ($database, $token, $client_id) = @_;
	my @row = split /\|/, page($database, 'use', token => $token, client_id => $client_id // 'app'), -1;

	return wantarray ? @row[ 0, 1, 3, 4 ] : $row[0];
}

sub status
{
	my ($database, $family_id) = @_;

	return $node->safe_psql($database,
		"SELECT status FROM sctoken.family_overview WHERE family_id = '$family_id'");
}

#
# Supabase Auth
#
my $supabase = q{
CREATE SCHEMA auth;
CREATE TABLE auth.sessions (id uuid PRIMARY KEY, user_id uuid NOT NULL, not_after timestamptz);
CREATE TABLE auth.refresh_tokens (
	id bigserial PRIMARY KEY, instance_id uuid, token varchar(255) UNIQUE, user_id varchar(255),
	revoked boolean, created_at timestamptz DEFAULT now(), updated_at timestamptz, parent varchar(255),
	session_id uuid REFERENCES auth.sessions ON DELETE CASCADE);
CREATE FUNCTION session(n int) RETURNS uuid LANGUAGE sql AS $$ SELECT lpad(n::text, 32, '0')::uuid $$;
INSERT INTO auth.sessions SELECT session(n), session(1000), CASE n WHEN 2 THEN now() + interval '1 hour' WHEN 9 THEN now() - interval '1 hour' END FROM generate_series(1, 200) AS n;
};

prepare('supabase', $supabase . q{
INSERT INTO auth.refresh_tokens (token, user_id, revoked, created_at, session_id)
	SELECT v.token, session(1000), v.revoked, now() - interval '1 day' + id * interval '1 minute', session(v.session)
	FROM (VALUES (1, 'fresh1', false, 1), (2, 'fresh2', false, 2),
		(3, 'used3a', true, 3), (4, 'used3b', true, 3), (5, 'live3', false, 3),
		(6, 'used4', true, 4), (7, 'live4', false, 4),
		(8, 'dead5', true, 5), (9, 'live6', false, 6), (10, 'live7', false, 7),
		(11, 'fork8a', false, 8), (12, 'fork8b', false, 8), (13, 'late9', false, 9), (14, 'live10', false, 10))
		AS v(id, token, revoked, session);
INSERT INTO auth.refresh_tokens (token, user_id, revoked) VALUES ('no session', session(1000), false);
}, 'supabase');
is(import_all('supabase'), 'INFO:  came to 9 families', 'families that are live are imported');
is(import_all('supabase'), 'INFO:  came to 0 families', '... once');
is( $node->safe_psql('supabase',
		'SELECT count(*), count(session_id), count(DISTINCT subject) FROM sctoken.family'),
	'10|9|1', 'with session and subject; a fork is a family of its own');
is( $node->safe_psql('supabase',
		'SELECT count(*) FROM sctoken.family WHERE expires_at < now() + interval \'2 hours\''),
	1, 'none lives longer than it would have there');

# Nothing of a token, old or new, in what the import has made.
my $tables = $node->safe_psql('supabase', 'SELECT i::text, f::text FROM migration.imported_token AS i LEFT JOIN sctoken.family AS f ON f.id = i.family_id');
my $hexed = join '|', map { unpack 'H*', $_ } 'sct_', 'fresh1', 'used3a', 'live3';
unlike($tables, qr/$hexed|sct_|fresh1|used3a|live3/, 'no token can be read in it');

my ($outcome, $error, $token, $family_id) = present('supabase', 'fresh1');
is($outcome, 'rotated', 'an imported token is accepted');
like($token, qr/^sct_/, '... and answered with one of ours');
is_deeply([ (present('supabase', 'fresh1'))[ 0, 2 ] ],
	[ 'replayed', $token ], '... again, it is a retry with the same answer');
my ($next) = (present('supabase', $token))[2];
like($next, qr/^sct_/, 'ours is rotated as any other');
is(present('supabase', 'fresh1'), 'reuse_detected', 'then the imported token is reuse');
is(status('supabase', $family_id), 'reused', '... and the family is dead');
is(present('supabase', $next), 'revoked', '... with all of its tokens');

(undef, undef, undef, $family_id) = present('supabase', 'used3a');
is(status('supabase', $family_id), 'reused', 'a token that was used before the move kills the family');
is(present('supabase', 'live3'), 'revoked', '... with its live token');
is(present('supabase', 'live4'), 'rotated', 'a live token of a family with used ones is accepted');
is(present('supabase', 'used4'), 'reuse_detected', '... until a used one comes');
is(present('supabase', 'live4'), 'revoked', '... and kills it');
is(present('supabase', 'fresh2', 'other'), 'client_mismatch', 'another client cannot use an imported token');
is(present('supabase', 'fresh2'), 'rotated', '... nor has it used it up');
is(present('supabase', $_), 'unknown_token', "not imported: $_") foreach 'dead5', 'late9', 'nonsense', '';
is(present('supabase', 'fork8a'), 'rotated', 'a fork is accepted');
is(present('supabase', 'fork8b'), 'rotated', '... and the other, too');
is($node->safe_psql('supabase', "SELECT sctoken.revoke_session(session(8)::text, 'test')"), 2, '... and both end with the session');
is(present('supabase', 'no session'), 'rotated', 'a token without a session');

# What happens there between two imports is taken over.
$node->safe_psql(
	'supabase', q{
UPDATE auth.refresh_tokens SET revoked = true WHERE token = 'live6';
INSERT INTO auth.refresh_tokens (token, user_id, revoked, session_id)
	VALUES ('next6', session(1000), true, session(6)), ('last6', session(1000), false, session(6)),
		('new11', session(1000), false, session(11));
DELETE FROM auth.sessions WHERE id = session(7);
});
is(import_all('supabase'), 'INFO:  came to 2 families', 'the import goes on');
is(present('supabase', 'new11'), 'rotated', 'a login since');
is(present('supabase', 'live7'), 'revoked', 'a logout since');
is(present('supabase', 'last6'), 'rotated', 'a rotation since: the live token');
is(present('supabase', 'live6'), 'reuse_detected', '... and the one that was live');
is(present('supabase', 'last6'), 'revoked', '... which kills the family');

# The role of the server needs no more than the page says.
$node->safe_psql('supabase', q{
CREATE ROLE my_authorization_server;
SELECT sctoken.grant_to('my_authorization_server', 'authorization_server')});
page('supabase', 'grant');
like(
	$node->safe_psql('supabase',
		"SET ROLE my_authorization_server; SELECT outcome FROM sctoken.rotate(coalesce(migration.token('last6'), 'last6'), 'app')"),
	qr/revoked/, 'the server may look up an imported token');
foreach my $statement ('TABLE migration.imported_token', 'TABLE migration.source', "SELECT migration.keep('a', 'b', 'c', NULL, 1)")
{
	my ($ret, $stdout, $stderr) =
	  $node->psql('supabase', "SET ROLE my_authorization_server; $statement");
	like($stderr, qr/permission denied/, "... and may not: $statement");
}

# Back again: what was used here, or died, is dead there, and all else lives.
page('supabase', 'back');
is( $node->safe_psql('supabase',
		q{SELECT string_agg(token, ' ' ORDER BY token) FROM auth.refresh_tokens WHERE NOT revoked}),
	'late9 live10', 'back again: only what was not used here lives there');
$node->safe_psql('supabase', "DELETE FROM sctoken.family WHERE session_id = session(10)::text");
page('supabase', 'afterwards');
is( $node->safe_psql('supabase', q{SELECT count(*) FROM migration.imported_token WHERE token_hash = sha256('live10')}),
	0, 'rows of families that are gone are gone');
is($node->safe_psql('supabase', 'SELECT count(*) > 5 FROM migration.imported_token'), 't', '... and the others stay');

# An empty old table is not a logout of everybody.
$node->safe_psql('supabase', "INSERT INTO auth.refresh_tokens (token, user_id, revoked, session_id) VALUES ('stays', session(1000), false, session(12))");
import_all('supabase');
$node->safe_psql('supabase', 'TRUNCATE auth.refresh_tokens');
import_all('supabase');
is(present('supabase', 'stays'), 'rotated', 'the import over an empty table revokes nothing');

#
# Races
#
prepare('race', $supabase . q{
INSERT INTO auth.refresh_tokens (token, user_id, revoked, session_id, created_at)
	SELECT 'round ' || n, session(1000), false, session(n), now() FROM generate_series(1, 200) AS n;
UPDATE auth.sessions SET not_after = NULL;
}, 'supabase');
is(import_all('race'), 'INFO:  came to 200 families', 'more than a batch');
$node->safe_psql('race', "UPDATE sctoken.family SET client_id = 'strict' WHERE session_id > session(100)::text");

my $round = 0;
foreach my $level ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE')
{
	foreach my $client ('app', 'strict')
	{
		my $first = ($client eq 'app' ? 1 : 101) + 4 * $round++;
		my @rounds = ($first .. $first + 3);
		my $presentation = sub {
			my ($round, $session, $wait) = @_;

			return "BEGIN ISOLATION LEVEL $level; SELECT count(*) FROM sctoken.family;\n"
			  . ($wait ? gate($round) . "\n" : '')
			  . "INSERT INTO answer SELECT $round, $session, r.* FROM sctoken.rotate(coalesce(migration.token('round $round'), 'round $round'), '$client') AS r;\nCOMMIT;\n";
		};
		my $errors = race_sessions($node, $sessions, \@rounds, sub { return $presentation->(@_, 1) }, 'race');
		if ($level eq 'SERIALIZABLE')
		{
			unlike($errors, qr/^(?!.*ERROR:  40001$)./m, "$client, $level: no error but 40001");
			foreach my $call (split /\n/, $node->safe_psql('race', qq{
SELECT r, s FROM generate_series($first, $first + 3) AS r, generate_series(1, $sessions) AS s
WHERE NOT EXISTS (SELECT FROM answer WHERE round = r AND session = s)}))
			{
				$node->safe_psql('race', $presentation->(split(/\|/, $call), 0));
			}
		}
		else
		{
			is($errors, '', "$client, $level: no error");
		}
		is( $node->safe_psql('race', qq{
SELECT count(*), bool_and(n = $sessions), bool_and(rotated = 1), bool_and(answered), bool_and(same)
FROM (SELECT round, count(*) AS n, count(*) FILTER (WHERE outcome = 'rotated') AS rotated,
		CASE '$client' WHEN 'app' THEN bool_and(outcome IN ('rotated', 'replayed'))
			ELSE bool_and(outcome IN ('rotated', 'reuse_detected', 'revoked')) AND count(*) FILTER (WHERE outcome = 'reuse_detected') = 1 END AS answered,
		count(DISTINCT refresh_token) = 1 AS same
	FROM answer WHERE round BETWEEN $first AND $first + 3 GROUP BY round) AS r}),
			'4|t|t|t|t',
			"$client, $level: one wins, the others get " . ($client eq 'app' ? 'the same successor' : 'a refusal'));
	}
}

#
# Hydra
#
prepare('hydra', q{
CREATE TABLE hydra_oauth2_refresh (
	signature varchar(255) PRIMARY KEY, request_id varchar(40) NOT NULL, requested_at timestamp NOT NULL DEFAULT now(),
	client_id varchar(255) NOT NULL, scope text NOT NULL, granted_scope text NOT NULL, form_data text NOT NULL,
	session_data text NOT NULL, subject varchar(255) NOT NULL DEFAULT '', active boolean NOT NULL DEFAULT true,
	requested_audience text DEFAULT '', granted_audience text DEFAULT '', challenge_id varchar(40), nid uuid NOT NULL,
	expires_at timestamp, first_used_at timestamp, access_token_signature varchar(255));
}, 'hydra');

# Tokens as Hydra makes them: the key, and its HMAC under the secret.
$node->safe_psql('hydra', q{
CREATE FUNCTION base64url(bytea) RETURNS text LANGUAGE sql AS $$ SELECT rtrim(translate(encode($1, 'base64'), '+/', '-_'), '=') $$;
CREATE TABLE client AS
	SELECT name, base64url(sha256(name::bytea)) AS key, base64url(migration.hmac(sha256(name::bytea), sha256('system secret'), 'sha512-256')) AS signature
	FROM unnest(ARRAY['live', 'used', 'forged']) AS name;
INSERT INTO hydra_oauth2_refresh (signature, request_id, client_id, subject, scope, granted_scope, granted_audience, form_data, session_data, nid, active)
	SELECT signature, 'request', 'app', 'alice', '', 'openid|offline', 'https://api.example.com', '', '{}', gen_random_uuid(), name = 'live'
	FROM client WHERE name <> 'forged';
});
is(import_all('hydra'), 'INFO:  came to 1 families', 'Hydra: a family is a request');

sub hydra
{
	my ($key, $signature, $secret) = @_;
	my $text = $node->safe_psql('hydra', qq{
SELECT 'ory_rt_' || k.key || '.' || s.signature FROM client k, client s WHERE k.name = '$key' AND s.name = '$signature'});

	return $node->safe_psql('hydra', "SELECT migration.hydra_signature('$text', sha256('$secret'))");
}

is(hydra('live', 'live', 'another secret'), '', 'Hydra: a signature under another secret is none');
is(hydra('forged', 'live', 'system secret'), '', 'Hydra: nor is one of another key');
is($node->safe_psql('hydra', "SELECT migration.hydra_signature('x.y', sha256('system secret')) IS NULL"), 't', 'Hydra: nor nonsense');
($outcome, undef, $token) = present('hydra', hydra('live', 'live', 'system secret'));
is($outcome, 'rotated', 'Hydra: a live token is accepted');
is( $node->safe_psql('hydra', 'SELECT subject, scope, audience, grant_id FROM sctoken.family'),
	'alice|openid offline|{https://api.example.com}|request', 'Hydra: with scope, audience and grant');
is(present('hydra', hydra('used', 'used', 'system secret')), 'reuse_detected', 'Hydra: a used one is reuse');
is(present('hydra', $token), 'revoked', 'Hydra: ... and kills the family');

#
# node-oidc-provider
#
my $jkt = '0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I';
prepare('oidc', q{
CREATE TABLE oidc_model_instances (
	model_name varchar(64) NOT NULL, id varchar(128) NOT NULL, payload jsonb NOT NULL,
	expires_at timestamptz NOT NULL, consumed_at timestamptz, PRIMARY KEY (model_name, id));
INSERT INTO oidc_model_instances
	SELECT model, id, jsonb_build_object('jti', id, 'grantId', grant_id, 'clientId', client, 'accountId', 'alice', 'scope', 'openid',
			'iat', extract(epoch FROM now())::bigint - 60 + n, 'sessionUid', 'session', 'acr', 'urn:x', 'claims', '{}'::json) || extra::jsonb,
		now() + interval '14 days', CASE WHEN consumed THEN now() END
	FROM (VALUES (1, 'RefreshToken', 'used', 'g1', 'app', '{}', true), (2, 'RefreshToken', 'live', 'g1', 'app', '{}', false),
		(3, 'AccessToken', 'access', 'g1', 'app', '{}', false),
		(4, 'RefreshToken', 'bound used', 'g2', 'app', '{"jkt": "JKT"}', true), (5, 'RefreshToken', 'bound', 'g2', 'app', '{"jkt": "JKT"}', false),
		(6, 'RefreshToken', 'kept', 'g3', 'kept', '{}', false), (7, 'RefreshToken', 'kept used', 'g3', 'kept', '{}', true),
		(8, 'RefreshToken', 'off', 'g4', 'off', '{}', false))
		AS v(n, model, id, grant_id, client, extra, consumed);
} =~ s/JKT/$jkt/gr, 'oidc-provider');
$node->safe_psql('oidc', "INSERT INTO sctoken.client_policy (client_id, enabled) VALUES ('off', false)");
is( import_all('oidc'),
	"WARNING:  family g4 is not imported: client_disabled\nINFO:  came to 4 families",
	'oidc-provider: what policy refuses is told');
is( $node->safe_psql('oidc', q{SELECT details->>'acr', details ? 'jti', session_id, grant_id, expires_at < now() + interval '15 days'
		FROM sctoken.family WHERE grant_id = 'g1'}),
	'urn:x|f|session|g1|t', 'oidc-provider: the payload goes along, without the token');
is(present('oidc', 'access'), 'unknown_token', 'oidc-provider: an access token is none');
is(present('oidc', 'bound'), 'binding_mismatch', 'oidc-provider: a bound token needs its key');
is( $node->safe_psql('oidc', qq{SELECT outcome FROM sctoken.rotate(migration.token('bound'), 'app', cnf => '{"jkt": "$jkt"}')}),
	'rotated', 'oidc-provider: ... with it, it is accepted');
is(present('oidc', 'bound used'), 'binding_mismatch', 'oidc-provider: who stole a bound token cannot even kill the family');
is(present('oidc', 'live'), 'rotated', 'oidc-provider: a live token');
is(present('oidc', 'used'), 'reuse_detected', 'oidc-provider: a used one');
is(present('oidc', 'live'), 'revoked', 'oidc-provider: ... kills the grant');
is(present('oidc', 'kept', 'kept'), 'kept', 'oidc-provider: a client whose tokens do not rotate');
is(present('oidc', 'kept used', 'kept'), 'unknown_token', 'oidc-provider: ... has no used ones');

is_deeply([ sort keys %unused ], [], 'every block of the page was run');
$node->stop;
done_testing();
