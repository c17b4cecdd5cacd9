# One long-lived session that authenticates clients by certificate: good ones and
# bad ones take no memory that stays, an error or a cancel in the middle leaves
# nothing behind, and OpenSSL's queue of errors stays empty.

use strict;
use warnings;
use MIME::Base64 qw(decode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => '/proc does not say how much memory a process has'
  unless -r '/proc/self/status';

my $calls = 10000;
my $at = 'to_timestamp(1780000000)';
my $pki = 'test/vectors/mtls/pki';

my $node = PostgreSQL::Test::Cluster->new('certificate_session');
$node->init;
$node->start;

# A certificate or CRL as a literal of SQL.
sub der
{
	my ($name) = @_;
	my ($base64) = slurp_file("$pki/$name") =~ /-----\n(.*?)-----/s;

	return q{'\x} . unpack('H*', decode_base64($base64)) . q{'::bytea};
}

my @names = ('leaf', 'leaf_noeku', 'leaf_server', 'leaf_expired', 'leaf_isca', 'leaf_sub', 'selfsigned',
	'fakeleaf', 'leaf_rsa1024', 'dn_nul', 'dn_multi', 'san');
my $leaf = der('leaf.pem');
my $inter = der('inter.pem');
my $values = join ', ', map { "('$_', " . der("$_.pem") . ')' } @names;
my $root = der('root.pem');
my $crl = der('inter_old.crl');
$node->safe_psql(
	'postgres', qq{
CREATE EXTENSION sctoken;
INSERT INTO sctoken.trust_anchor_set (name) VALUES ('root'), ('crl');
INSERT INTO sctoken.trust_anchor VALUES ('root', 'certificate', $root), ('crl', 'certificate', $root), ('crl', 'crl', $crl);
INSERT INTO sctoken.tls_client_auth (client_id, set_name, tls_client_auth_subject_dn)
	VALUES ('bank', 'root', E'CN=client-1,O=Acme\\\\, Inc.,C=FR'), ('crl', 'crl', E'CN=client-1,O=Acme\\\\, Inc.,C=FR');
INSERT INTO sctoken.client_certificate (client_id, match, thumbprint)
	VALUES ('self', 'key', sctoken.certificate_info($leaf) -> 'key' ->> 'jkt');
CREATE TABLE held (name text PRIMARY KEY, der bytea);
INSERT INTO held VALUES $values;
-- Certificates that no cache has seen: good for a client that is known by its key alone, if they can be read.
CREATE FUNCTION changed(der bytea, i integer) RETURNS bytea LANGUAGE sql IMMUTABLE AS
	\$\$ SELECT set_byte(der, 20 + i % 8, i / 8 % 256) \$\$;
CREATE TYPE tally AS (good bigint, bad bigint, resident bigint);
CREATE FUNCTION half() RETURNS tally LANGUAGE plpgsql AS \$\$
DECLARE
	ders bytea[] := ARRAY(SELECT der FROM held ORDER BY name);
	answer boolean;
	result tally := (0, 0, 0);
BEGIN
	FOR i IN 1 .. $calls LOOP
		answer := valid FROM sctoken.certificate_authenticate(
			(ARRAY['bank', 'self', 'crl', 'nobody'])[1 + i % 4],
			CASE i % 3 WHEN 0 THEN changed($leaf, i) WHEN 1 THEN $leaf ELSE ders[1 + i / 12 % cardinality(ders)] END,
			CASE i % 5 WHEN 0 THEN NULL WHEN 1 THEN ARRAY[changed($inter, i)] ELSE ARRAY[$inter] END, $at);
		IF answer THEN result.good := result.good + 1; ELSE result.bad := result.bad + 1; END IF;
		BEGIN
			PERFORM sctoken.certificate_info(changed($leaf, i)), sctoken.certificate_matches($leaf, 'tls_client_auth_subject_dn', 'CN=' || i);
			PERFORM sctoken.certificate_matches($leaf, 'tls_client_auth_san_dns', '*');
		EXCEPTION WHEN invalid_parameter_value THEN NULL;
		END;
		-- The stores of the sets are made anew now and then.
		IF i % 500 = 0 THEN
			UPDATE sctoken.trust_anchor_set SET max_depth = max_depth;
		END IF;
	END LOOP;
	result.resident := substring(pg_read_file('/proc/' || pg_backend_pid() || '/status', 0, 8192)
								 from 'VmRSS:\\s+(\\d+)');
	RETURN result;
END \$\$;
});

my @halves = map { [ split /\|/ ] } split /\n/, $node->safe_psql(
	'postgres', q{
SELECT good, bad, resident FROM half();
SELECT good, bad, resident FROM half();
});
foreach my $half (@halves)
{
	cmp_ok($half->[0], '>', $calls / 10, "of $calls calls $half->[0] are good ones");
	cmp_ok($half->[1], '>', $calls / 10, "and $half->[1] are refused");
}
is($halves[0][0], $halves[1][0], 'the same ones each time');
my $growth = $halves[1][2] - $halves[0][2];
cmp_ok($growth, '<', 2048, "the session has not grown in the second half ($growth kB)");

# A statement that is cancelled in the middle, and then the right answers.
my $cancelled = 0;
foreach my $round (1 .. 4)
{
	my (undef, $output) = $node->psql(
		'postgres', qq{
SET statement_timeout = '@{[ 5 * $round ]}ms';
SELECT count(valid) FROM generate_series(1, 100000) AS n,
	sctoken.certificate_authenticate('bank', $leaf, ARRAY[$inter], $at + n * interval '1 us');
RESET statement_timeout;
SELECT valid, reason IS NULL FROM sctoken.certificate_authenticate('bank', $leaf, ARRAY[$inter], $at);
SELECT reason FROM sctoken.certificate_authenticate('crl', $leaf, ARRAY[$inter], $at);
}, on_error_stop => 0, stderr => \my $stderr);
	$cancelled++ if $stderr =~ /canceling statement due to statement timeout/;
	is($output, "t|t\ncrl_expired", "after a cancel the answers are right ($round)");
}
is($cancelled, 4, 'each time a statement was cancelled');

$node->stop;
done_testing();
