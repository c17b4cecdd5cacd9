# A call that is cancelled has done nothing, wherever it was: hundreds of them in
# one backend, by statement_timeout and by pg_cancel_backend(), and afterwards the
# answers are right and the memory is what it was.
#
# SCTOKEN_CANCELS is how many.

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

my $cancels = $ENV{SCTOKEN_CANCELS} || 300;	# at least
my $htu = 'https://as.example/token';
my $begin = 1700000000;
my $pki = 'test/vectors/mtls/pki';

my $node = PostgreSQL::Test::Cluster->new('cancel');
$node->init;
$node->append_conf('postgresql.conf', 'jit = off');	  # LLVM is megabytes
$node->start;

# A certificate as a literal of SQL.
sub der
{
	my ($name) = @_;
	my ($base64) = slurp_file("$pki/$name.pem") =~ /-----\n(.*?)-----/s;

	return q{'\x} . unpack('H*', decode_base64($base64)) . q{'::bytea};
}

prover('key', $node->basedir . '/key.pem');
my $proof = prover('proof', $node->basedir . '/key.pem', 'POST', $htu, '--iat', $begin);
my ($root, $inter, $leaf) = map { der($_) } qw(root inter leaf);

$node->safe_psql(
	'postgres', qq{
CREATE EXTENSION sctoken;
INSERT INTO sctoken.trust_anchor_set (name) VALUES ('root');
INSERT INTO sctoken.trust_anchor (set_name, der) VALUES ('root', $root);
INSERT INTO sctoken.tls_client_auth (client_id, set_name, tls_client_auth_subject_dn)
	VALUES ('bank', 'root', E'CN=client-1,O=Acme\\\\, Inc.,C=FR');

-- What is so as of the last commit
CREATE TABLE state (token text, rotations bigint, proofs bigint, cancelled bigint, took float8);
INSERT INTO state SELECT refresh_token, 0, 0, 0, 0 FROM sctoken.issue('app', 'alice');

CREATE FUNCTION resident() RETURNS bigint LANGUAGE sql AS \$\$
	SELECT substring(pg_read_file('/proc/' || pg_backend_pid() || '/status', 0, 8192) FROM 'RssAnon:\\s+(\\d+)')::bigint
\$\$;
CREATE FUNCTION accepts(server text) RETURNS text LANGUAGE sql AS \$\$
	SELECT coalesce(reason, 'valid')
	FROM sctoken.dpop_check('$proof', 'POST', '$htu', server => server, require_nonce => false, at => to_timestamp($begin))
\$\$;
CREATE FUNCTION authenticates() RETURNS boolean LANGUAGE sql AS \$\$
	SELECT valid FROM sctoken.certificate_authenticate('bank', $leaf, ARRAY[$inter], to_timestamp(1780000000))
\$\$;

-- Calls until so many were cancelled; what was cancelled is called again.
CREATE PROCEDURE calls(until bigint) LANGUAGE plpgsql AS \$\$
DECLARE
	now_is state;
	answer sctoken.grant_result;
	word text;
	began timestamptz;
BEGIN
	SELECT * INTO now_is FROM state;
	WHILE now_is.cancelled < until LOOP
		began := clock_timestamp();
		BEGIN
			SELECT * INTO answer FROM sctoken.rotate(now_is.token, 'app');
			IF answer.outcome IS DISTINCT FROM 'rotated' THEN
				RAISE 'rotate: % %', answer.outcome, answer.reason;
			END IF;
			word := accepts('server ' || now_is.proofs);
			IF word <> 'valid' THEN
				RAISE 'dpop_check: %', word;
			END IF;
			IF NOT authenticates() OR sctoken.introspect(answer.refresh_token) ->> 'active' <> 'true' THEN
				RAISE 'certificate_authenticate or introspect';
			END IF;
			now_is.token := answer.refresh_token;
			now_is.rotations := now_is.rotations + 1;
			now_is.proofs := now_is.proofs + 1;
			now_is.took := extract(epoch FROM clock_timestamp() - began);
		EXCEPTION WHEN query_canceled THEN
			-- variables are not rolled back
			SELECT * INTO now_is FROM state;
			now_is.cancelled := now_is.cancelled + 1;
		END;
		UPDATE state SET (token, rotations, proofs, cancelled, took) = (now_is.token, now_is.rotations, now_is.proofs, now_is.cancelled, now_is.took);
		COMMIT;
	END LOOP;
END \$\$;
});

my $session = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $session->query_safe('SELECT pg_backend_pid()');

# From another session, once in each turn of the loop, and as far into it as chance
# says: nearly always within the calls, however slow the machine is.
my $canceller = $node->background_psql('postgres', on_error_stop => 0);
$canceller->query_until(
	qr/begun/, qq{
\\echo begun
DO \$\$
DECLARE
	seen bigint;
	turn bigint;
	length float8;
	so_far bigint := 0;
BEGIN
	WHILE so_far < $cancels LOOP
		SELECT rotations + cancelled, took, cancelled INTO turn, length, so_far FROM state;
		IF turn IS DISTINCT FROM seen AND length > 0 THEN
			PERFORM pg_sleep(length * 1.1 * random()), pg_cancel_backend($pid);
			seen := turn;
		ELSE
			PERFORM pg_sleep(0.0005);
		END IF;
	END LOOP;
END \$\$;
});

# A cancel may come between two calls too, and ends the procedure.
my @resident;
my $done = 0;
while ($done < $cancels)
{
	my $until = $done + 50 < $cancels ? $done + 50 : $cancels;

	$session->query("CALL calls($until)");
	$done = $node->safe_psql('postgres', 'SELECT cancelled FROM state');
	push @resident, $node->safe_psql('postgres', "SELECT substring(pg_read_file('/proc/$pid/status', 0, 8192) FROM 'RssAnon:\\s+(\\d+)')");
}
$canceller->quit;
unlike($session->{stderr}, qr/ERROR:  (?!canceling)/, 'nothing but the cancels went wrong');

# Each of them on its own, and each time after another time.
my %call = (
	rotate => q{sctoken.rotate(token, 'app') FROM state},
	dpop_check => q{accepts('timeout ' || clock_timestamp())},
	certificate_authenticate => q{authenticates()});
foreach my $name (sort keys %call)
{
	my $cancelled = 0;

	foreach my $ms (1 .. 20)
	{
		$session->{stderr} = '';
		$session->query(
			"SET statement_timeout = '${ms}ms'; DO \$\$ BEGIN LOOP PERFORM $call{$name}; END LOOP; END \$\$; RESET statement_timeout");
		$cancelled++ if $session->{stderr} =~ /canceling statement due to statement timeout/;
	}
	is($cancelled, 20, "$name was cancelled after 1 to 20 ms");
}

# What the session answers; the errors before are those that were to be.
sub answer
{
	my ($query) = @_;

	$session->{stderr} = '';
	return $session->query_safe($query);
}

my ($rotations, $proofs, $cancelled) = split /\|/,
  $node->safe_psql('postgres', 'SELECT rotations, proofs, cancelled FROM state');
cmp_ok($rotations, '>', 0, "$cancelled calls were cancelled, $rotations were not");
is( answer(q{
SELECT generation = rotations + 1, sctoken.introspect(token) ->> 'active', sctoken.introspect(token) ->> 'generation' = generation::text
FROM state, sctoken.family}),
	't|true|t',
	'the token of the last call that was not is the live one, and each of them has counted');
is(answer(q{SELECT outcome FROM state, sctoken.rotate(token, 'app')}),
	'rotated', 'and it can be used');
is( answer(q{SELECT count(*) FROM state, generate_series(0, proofs - 1) AS n WHERE accepts('server ' || n) <> 'replayed'}),
	0, 'each proof that was accepted is known');
is(answer(q{SELECT accepts('timeout'), accepts('timeout')}),
	'valid|replayed', 'and none that was not');
is(answer('SELECT authenticates()'), 't', 'a client is authenticated');
is(answer(q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'}),
	0, 'no lock is left');

# The first cancels load what a backend keeps.
my $growth = answer('SELECT resident()') - $resident[ @resident / 4 ];
cmp_ok($growth, '<', 2048, "the backend has not grown since the first quarter ($growth kB)");

$session->quit;
$node->stop;
done_testing();
