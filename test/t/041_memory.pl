# One backend that verifies, checks, rotates, introspects and authenticates, and
# refuses as often as it accepts: the memory that is its own does not grow.
#
# SCTOKEN_MEMORY_ROUNDS is how many rounds there are; each one calls a dozen times.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use MIME::Base64 qw(decode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Prover;
use Test::More;

plan skip_all => '/proc does not say how much memory a process has'
  unless -r '/proc/self/status' && slurp_file('/proc/self/status') =~ /RssAnon/;

my $rounds = $ENV{SCTOKEN_MEMORY_ROUNDS} || 1500;
my $size = $rounds < 20000 ? int($rounds / 10) : 2000;	# of a part
my $keys = 300;		 # more than a session keeps
my $htu = 'https://as.example/token';
my $begin = 1700000000;
my $pki = 'test/vectors/mtls/pki';

my $node = PostgreSQL::Test::Cluster->new('memory');
$node->init;

# Revocations are synchronous whatever this says; 1,000,000 commits need not be.
$node->append_conf('postgresql.conf', "synchronous_commit = off\nmax_wal_size = 4GB\njit = off");
$node->start;

# A certificate as a literal of SQL.
sub der
{
	my ($name) = @_;
	my ($base64) = slurp_file("$pki/$name.pem") =~ /-----\n(.*?)-----/s;

	return q{'\x} . unpack('H*', decode_base64($base64)) . q{'::bytea};
}

my @proofs;
foreach my $n (1 .. $keys)
{
	my $key = $node->basedir . "/$n.pem";

	prover('key', $key);
	push @proofs, prover('proof', $key, 'POST', $htu, '--iat', $begin);
}
my $values = join ', ', map { "($_, '$proofs[$_ - 1]')" } 1 .. $keys;
my ($root, $inter, $leaf, $expired) = map { der($_) } qw(root inter leaf leaf_expired);

$node->safe_psql(
	'postgres', qq{
CREATE EXTENSION sctoken;
ALTER SYSTEM SET sctoken.audit = 'lifecycle';
SELECT pg_reload_conf();
INSERT INTO sctoken.trust_anchor_set (name) VALUES ('root');
INSERT INTO sctoken.trust_anchor (set_name, der) VALUES ('root', $root);
INSERT INTO sctoken.tls_client_auth (client_id, set_name, tls_client_auth_subject_dn)
	VALUES ('bank', 'root', E'CN=client-1,O=Acme\\\\, Inc.,C=FR');
CREATE TABLE held (n integer PRIMARY KEY, proof text);
INSERT INTO held VALUES $values;

-- Bytes that no cache has seen
CREATE FUNCTION changed(der bytea, i integer) RETURNS bytea LANGUAGE sql IMMUTABLE AS
	\$\$ SELECT set_byte(der, 20 + i % 8, i / 8 % 256) \$\$;

CREATE FUNCTION resident() RETURNS bigint LANGUAGE sql AS \$\$
	SELECT substring(pg_read_file('/proc/' || pg_backend_pid() || '/status', 0, 8192) FROM 'RssAnon:\\s+(\\d+)')::bigint
\$\$;

-- One part of the rounds.  Each answer that is not as it must be is counted.
CREATE PROCEDURE part(rounds integer, INOUT wrong bigint, INOUT resident bigint) LANGUAGE plpgsql AS \$\$
DECLARE
	proofs text[] := ARRAY(SELECT proof FROM held ORDER BY n);
	at timestamptz := to_timestamp($begin);
	good text;
	bad text;
	spent text;
	token text := refresh_token FROM sctoken.issue('app', 'alice');
	server text;
BEGIN
	wrong := 0;
	FOR i IN 1 .. rounds LOOP
		good := proofs[1 + i % $keys];
		-- a signature of another proof, and a proof that was cut
		bad := CASE i % 2
			WHEN 0 THEN left(good, length(good) - 86) || right(proofs[1 + (i + 1) % $keys], 86)
			ELSE left(good, i % 400) END;
		wrong := wrong + (SELECT (NOT valid)::int FROM sctoken.dpop_verify(good, 'POST', '$htu', at => at));
		wrong := wrong + (SELECT valid::int FROM sctoken.dpop_verify(bad, 'POST', '$htu', at => at));

		-- a server of its own forgets nothing of what others have seen
		server := 'server ' || clock_timestamp() || i;
		wrong := wrong + (SELECT (NOT valid)::int FROM sctoken.dpop_check(good, 'POST', '$htu', server => server, require_nonce => false, at => at));
		wrong := wrong + (SELECT (reason <> 'replayed')::int FROM sctoken.dpop_check(good, 'POST', '$htu', server => server, require_nonce => false, at => at));
		wrong := wrong + (SELECT valid::int FROM sctoken.dpop_check(bad, 'POST', '$htu', server => server, require_nonce => true, at => at));

		spent := token;
		token := refresh_token FROM sctoken.rotate(token, 'app');
		wrong := wrong + (token IS NULL OR token = spent)::int;
		wrong := wrong + (SELECT (outcome <> 'replayed' OR refresh_token <> token)::int FROM sctoken.rotate(spent, 'app'));
		wrong := wrong + (SELECT (outcome <> 'client_mismatch')::int FROM sctoken.rotate(token, 'other'));
		wrong := wrong + (SELECT (outcome <> 'unknown_token')::int FROM sctoken.rotate(
			overlay(token PLACING CASE substr(token, 50, 1) WHEN 'x' THEN 'y' ELSE 'x' END FROM 50), 'app'));
		wrong := wrong + (sctoken.introspect(token) ->> 'active' <> 'true')::int;
		wrong := wrong + (sctoken.introspect(spent) <> '{"active": false}')::int;

		wrong := wrong + (SELECT (NOT valid)::int FROM sctoken.certificate_authenticate('bank', $leaf, ARRAY[$inter], to_timestamp(1780000000)));
		wrong := wrong + (SELECT valid::int FROM sctoken.certificate_authenticate('bank',
			CASE i % 2 WHEN 0 THEN changed($leaf, i) ELSE $expired END, ARRAY[changed($inter, i)], to_timestamp(1780000000)));

		-- an ERROR in the middle, and reuse
		IF i % 50 = 0 THEN
			BEGIN
				PERFORM sctoken.dpop_check(good, 'POST', 'https://', server => server, at => at);
				wrong := wrong + 1;
			EXCEPTION WHEN invalid_parameter_value THEN NULL;
			END;
			BEGIN
				PERFORM sctoken.certificate_info(changed($leaf, i) || '\\x00'), sctoken.jwk_thumbprint('{"kty":"EC"}');
				wrong := wrong + 1;
			EXCEPTION WHEN invalid_parameter_value THEN NULL;
			END;
			token := refresh_token FROM sctoken.rotate(token, 'app');
			wrong := wrong + (SELECT (outcome <> 'reuse_detected')::int FROM sctoken.rotate(spent, 'app'));
			token := refresh_token FROM sctoken.issue('app', 'alice');
			COMMIT;
		END IF;
	END LOOP;
	resident := resident();
END \$\$;
});

# A session may take this long in all.
$PostgreSQL::Test::Utils::timeout_default = $rounds / 10
  if $PostgreSQL::Test::Utils::timeout_default < $rounds / 10;
my $session = $node->background_psql('postgres');
my ($wrong, @resident) = (0);
for (my $done = 0; $done < $rounds; $done += $size)
{
	my ($wrong_here, $resident) = split /\|/, $session->query_safe("CALL part($size, NULL, NULL)");

	$wrong += $wrong_here;
	push @resident, $resident;
}
$session->quit;
is($wrong, 0, "$rounds rounds: every answer is as it must be");

# What a session keeps is there after a tenth of the rounds; a block that leaks in
# each call is megabytes after the others.
my $tenth = int(@resident / 10);
note('kB of its own: ' . join ' ', map { $resident[$tenth * $_ - 1] } 1 .. 10);
my $growth = $resident[-1] - $resident[ $tenth - 1 ];
cmp_ok($growth, '<', 2048, "and since the first tenth of them the backend has not grown ($growth kB)");

$node->stop;
done_testing();
