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
	q{sctoken.rotate_secret()})
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

$standby->stop;
$primary->stop;
done_testing();
