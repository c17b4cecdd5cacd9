# One long-lived session: tens of thousands of proofs, good and bad, take no memory
# that stays, and freshness goes by the wall clock however old the transaction is.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Prover;
use Test::More;

plan skip_all => '/proc does not say how much memory a process has'
  unless -r '/proc/self/status';

my $keys = 300;	  # more than a session keeps
my $calls = 20000;
my $htu = 'https://as.example/token';
my $begin = 1700000000;

my $node = PostgreSQL::Test::Cluster->new('dpop_session');
$node->init;
$node->start;
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION sctoken;
CREATE TABLE held (n integer PRIMARY KEY, proof text);
});

my @proofs;
foreach my $n (1 .. $keys)
{
	my $key = $node->basedir . "/$n.pem";

	prover('key', $key);
	push @proofs, prover('proof', $key, 'POST', $htu, '--iat', $begin);
}
$node->safe_psql(
	'postgres',
	'INSERT INTO held VALUES '
	  . join(', ', map { "($_, '$proofs[$_ - 1]')" } 1 .. $keys));

# One session: the first half fills what a session keeps, and the second half is
# measured.  A key or a digest that leaked in each call would be megabytes.
my $result = $node->safe_psql(
	'postgres', qq{
CREATE TYPE pg_temp.tally AS (accepted bigint, refused bigint, resident bigint);
CREATE FUNCTION pg_temp.half() RETURNS pg_temp.tally LANGUAGE plpgsql AS \$\$
DECLARE
	proofs text[] := ARRAY(SELECT proof FROM held ORDER BY n);
	good text;
	bad text;
	answer boolean;
	result pg_temp.tally := (0, 0, 0);
BEGIN
	FOR i IN 1 .. $calls LOOP
		good := proofs[1 + i % $keys];
		-- A signature of another proof, a cut proof, a key that is none.
		bad := CASE i % 3
			WHEN 0 THEN split_part(good, '.', 1) || '.' || split_part(good, '.', 2) || '.' ||
				split_part(proofs[1 + (i + 1) % $keys], '.', 3)
			WHEN 1 THEN left(good, i % 400)
			ELSE sctoken_break(good) END;
		answer := valid FROM sctoken.dpop_verify(good, 'POST', '$htu', at => to_timestamp($begin));
		IF answer THEN result.accepted := result.accepted + 1; END IF;
		answer := valid FROM sctoken.dpop_verify(bad, 'POST', '$htu', at => to_timestamp($begin));
		IF NOT answer THEN result.refused := result.refused + 1; END IF;
	END LOOP;
	result.resident := substring(pg_read_file('/proc/' || pg_backend_pid() || '/status', 0, 8192)
								 from 'VmRSS:\\s+(\\d+)');
	RETURN result;
END \$\$;
-- Its key is not on the curve: x is y.
CREATE FUNCTION sctoken_break(proof text) RETURNS text LANGUAGE sql IMMUTABLE AS \$\$
	WITH header (text) AS (
		SELECT convert_from(decode(rpad(translate(split_part(proof, '.', 1), '-_', '+/'),
			(length(split_part(proof, '.', 1)) + 3) / 4 * 4, '='), 'base64'), 'UTF8'))
	SELECT rtrim(translate(encode(convert_to(
			regexp_replace(text, '"x":"[^"]*"', '"x":"' || substring(text from '"y":"([^"]*)"') || '"'),
			'UTF8'), 'base64'), E'+/=\\n', '-_'), '=') || '.' || split_part(proof, '.', 2) || '.' ||
		split_part(proof, '.', 3)
	FROM header \$\$;
SELECT reason FROM held, sctoken.dpop_verify(sctoken_break(proof), 'POST', '$htu', at => to_timestamp($begin))
	WHERE n = 1;
SELECT accepted, refused, resident FROM pg_temp.half();
SELECT accepted, refused, resident FROM pg_temp.half();
});
my ($reason, @halves) = split /\n/, $result;
my @first = split /\|/, $halves[0];
my @second = split /\|/, $halves[1];

is($reason, 'key', 'a key that is not on the curve is refused as such');
foreach my $half (\@first, \@second)
{
	is($half->[0], $calls, "$calls good proofs of $keys keys are accepted");
	is($half->[1], $calls, "$calls bad proofs are refused");
}
my $growth = $second[2] - $first[2];
cmp_ok($growth, '<', 2048, "the session has not grown in the second half ($growth kB)");

# A transaction that began before the proof was made, and is still open when the
# proof is too old.  The longer the wait, the more certain.
my $now = time;
my $fresh = prover('proof', $node->basedir . '/1.pem', 'POST', $htu, '--iat', $now);
is( $node->safe_psql(
		'postgres', qq{
SET sctoken.dpop_max_age = '1s';
BEGIN;
SELECT now() <= clock_timestamp();
DO \$\$ BEGIN
	WHILE clock_timestamp() < to_timestamp($now + 3) LOOP PERFORM pg_sleep(0.1); END LOOP;
END \$\$;
SELECT (sctoken.dpop_verify('$fresh', 'POST', '$htu')).reason,
	(sctoken.dpop_check('$fresh', 'POST', '$htu')).reason;
COMMIT;
}),
	"t\niat_past|iat_past",
	'a proof grows old while a transaction is open');

done_testing();
