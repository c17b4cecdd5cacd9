# Nonces as a client meets them (RFC 9449 8, 9, 11.1, 11.3), through dpop_check.
# Numbers are those of the cases in the notes on DPoP, section 10c.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use MIME::Base64 qw(decode_base64url);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Prover;
use Test::More;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $node = PostgreSQL::Test::Cluster->new('nonce');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION sctoken');

my $htu = 'https://server.example.com/token';
my %jkt;
foreach my $key ('one', 'two')
{
	prover('key', "$dir/$key");
	$jkt{$key} = prover('jkt', "$dir/$key");
}

# A proof; its time is that of the check unless said otherwise.
sub proof
{
	my (%option) = @_;
	my $key = delete $option{key} // 'one';
	my @words = map { ("--$_", $option{$_}) } grep { defined $option{$_} } keys %option;

	return prover('proof', "$dir/$key", 'POST', $htu, @words);
}

# The verdict on a proof at a time in Unix seconds: a word and the next nonce.
# Each call has a session of its own, which shares nothing but the tables (40).
sub check
{
	my ($proof, $at, %argument) = @_;
	my $settings = delete $argument{settings} // '';
	my $arguments = join '', map { ", $_ => $argument{$_}" } sort keys %argument;
	my $row = $node->safe_psql('postgres', $settings . qq{
SELECT CASE WHEN valid THEN 'valid' ELSE error || ' ' || reason END, next_nonce
  FROM sctoken.dpop_check('$proof', 'POST', '$htu', at => to_timestamp($at)$arguments)});

	return split /\|/, $row, 2;
}

# The verdict on a fresh proof with a nonce that is required.
sub verdict
{
	my ($nonce, $at, %argument) = @_;
	my $key = delete $argument{key};
	my ($word) = check(proof(nonce => $nonce, iat => $at, key => $key), $at,
		require_nonce => 'true', %argument);

	return $word;
}

sub new_nonce
{
	my ($arguments) = @_;

	return $node->safe_psql('postgres', "SELECT sctoken.dpop_nonce($arguments)");
}

# When the step of a nonce began.
sub begin
{
	my ($nonce) = @_;

	return unpack('Q>', substr(decode_base64url($nonce), 2, 8)) * 60;
}

my $nonce = new_nonce('');
my $begin = begin($nonce);
my ($word, $next, $proof);

cmp_ok(abs(time - $begin), '<', 120, 'a nonce tells the time of the server');

# Round trip
($word, $next) = check(proof(nonce => $nonce, iat => $begin), $begin, require_nonce => 'true');
is($word, 'valid', '23: a nonce that was handed out is accepted');
is($next, '', '41: a fresh one needs no successor');
($word, $next) = check(proof(nonce => $nonce, iat => $begin + 119), $begin + 119, require_nonce => 'true');
is("$word $next", 'valid ', '41: nor does one in the first half of its life');
($word, $next) = check(proof(nonce => $nonce, iat => $begin + 120), $begin + 120, require_nonce => 'true');
is($word, 'valid', '41: one in the second half is accepted');
like($next, qr/^[A-Za-z0-9_-]{46}$/, '41: and has a successor');
is(verdict($next, $begin + 120), 'valid', '41: which is accepted too');

# Its end, and clocks that differ
is(verdict($nonce, $begin + 239), 'valid', '24: a nonce holds in its last second');
($word, $next) = check(proof(nonce => $nonce, iat => $begin + 240), $begin + 240, require_nonce => 'true');
is($word, 'use_dpop_nonce nonce', '25: one second later another one is asked for');
is(verdict($next, $begin + 240), 'valid', '25: and is there');
is(verdict($nonce, $begin - 1), 'valid', '26: a nonce of the next step is accepted');
is(verdict($nonce, $begin - 61), 'use_dpop_nonce nonce', '27: one of two steps ahead is not');

# Whose it is
is(verdict($nonce, $begin, server => "'rs'"), 'use_dpop_nonce nonce',
	"28: the authorization server's nonce is none at a resource server");
my $nonce_a = new_nonce("'rs a'");
is(verdict($nonce_a, begin($nonce_a), server => "'rs b'"), 'use_dpop_nonce nonce',
	"29: nor is one resource server's at another");
is(verdict($nonce_a, begin($nonce_a), server => "'rs a'"), 'valid', '29: but at its own');
my $bound = new_nonce("'as', '$jkt{one}'");
is(verdict($bound, begin($bound)), 'valid', '35: a nonce bound to a key holds for this key');
is(verdict($bound, begin($bound), key => 'two'), 'use_dpop_nonce nonce', '35: and for no other');
is(verdict($nonce, $begin, key => 'two'), 'valid', '35: an unbound one holds for each');

# What is not quite a nonce
my %change = ('the empty one' => '', '32: a cut one' => substr($nonce, 0, 45),
	'32: one without its MAC' => substr($nonce, 0, 14), '33: a padded one' => "$nonce==",
	'a longer one' => "${nonce}A", 'one of another server' => 'eyJ7S_zG.eyJH0-Z.HX4w-7v');
foreach my $what (sort keys %change)
{
	is(verdict($change{$what}, $begin), 'use_dpop_nonce nonce', "$what is refused");
}
my %verdicts;
foreach my $at (0 .. 45)
{
	my $changed = $nonce;

	substr($changed, $at, 1) =~ tr/A-Za-z0-9_-/B-ZAb-za1-90\-_/;
	$verdicts{ verdict($changed, $begin) }++;
}
is_deeply(\%verdicts, { 'use_dpop_nonce nonce' => 46 }, '31: no changed character passes');

# Asking for one
$proof = proof(iat => $begin);
($word, $next) = check($proof, $begin, require_nonce => 'true');
is($word, 'use_dpop_nonce nonce_required', '39: a missing nonce is asked for');
is(verdict($next, $begin), 'valid', '39: the nonce that comes with it is accepted');
($word) = check($proof, $begin, require_nonce => 'false');
is($word, 'valid', 'a proof that was answered with a nonce is not used up');
($word) = check(proof(iat => $begin, nonce => 'unknown'), $begin);
is($word, 'valid', 'where no nonce is required, one is not looked at');
foreach my $mode ('both', 'nonce')
{
	($word, $next) = check(proof(iat => $begin), $begin, settings => "SET sctoken.dpop_freshness = '$mode';");
	is($word, 'use_dpop_nonce nonce_required', "39: $mode: absent is not accepted");
}

# What bounds the age
my $day = 86400;
foreach my $off (-$day, $day)
{
	my $reason = $off < 0 ? 'iat_past' : 'iat_future';
	my $replay = proof(nonce => $nonce, iat => $begin + $off);

	foreach my $mode ('iat', 'both')
	{
		($word) = check($replay, $begin, require_nonce => 'true', settings => "SET sctoken.dpop_freshness = '$mode';");
		is($word, "invalid_dpop_proof $reason", "38: $mode: a day off is refused, whatever the nonce");
	}
	my %argument = (require_nonce => 'true', settings => "SET sctoken.dpop_freshness = 'nonce';");
	$node->safe_psql('postgres', 'TRUNCATE sctoken.dpop_replay');
	($word) = check($replay, $begin, %argument);
	is($word, 'valid', "36: nonce: the client's clock may be a day off");
	is( $node->safe_psql('postgres',
			"SELECT extract(epoch FROM expires_at)::bigint - $begin FROM sctoken.dpop_replay"),
		'241', '37: the record lives as long as the nonce');
	($word) = check($replay, $begin + 239, %argument);
	is($word, 'invalid_dpop_proof replayed', '37: in its last second the proof is a replay');
	($word) = check($replay, $begin + 240, %argument);
	is($word, 'use_dpop_nonce nonce', '37: after it, it has no nonce that holds');

	# a change of the settings must not let it live again
	$argument{settings} .= ' SET sctoken.dpop_nonce_steps = 10;';
	($word) = check($replay, $begin + 300, %argument);
	is($word, 'use_dpop_nonce nonce', 'nor has it one when nonces are made to live longer');
	($word) = check($replay, $begin, settings => "SET sctoken.dpop_freshness = 'nonce';", require_nonce => 'false');
	is($word, "invalid_dpop_proof $reason", 'nonce: without one, iat counts');
}

# issue and rotate: the client's policy goes before the setting.
sub issue
{
	my ($client, $settings) = @_;
	my $proof = proof();

	return $node->safe_psql('postgres', $settings . qq{
SELECT outcome, error, length(next_nonce)
  FROM sctoken.issue('$client', 'alice', dpop_proof => '$proof', htu => '$htu')});
}
$node->safe_psql('postgres',
	"INSERT INTO sctoken.client_policy (client_id, require_nonce) VALUES ('always', true), ('never', false)");
is(issue('app', ''), 'issued||', 'no nonce is asked for by default');
is(issue('always', ''), 'nonce_required|use_dpop_nonce|46', 'a policy can ask for one');
foreach my $mode ('both', 'nonce')
{
	my $settings = "SET sctoken.dpop_freshness = '$mode';";

	is(issue('app', $settings), 'nonce_required|use_dpop_nonce|46', "39: $mode: one is asked for");
	is(issue('never', $settings), 'issued||', "$mode: a policy can do without");
}

# A rotation of the secret
sub rotate_secret
{
	my ($id) = @_;

	$node->safe_psql('postgres', qq{
UPDATE sctoken.server_secret SET retired_at = clock_timestamp() WHERE retired_at IS NULL;
INSERT INTO sctoken.server_secret (id, secret) VALUES ($id, sha256('$id'))});
}
rotate_secret(100);
is(verdict($nonce, $begin), 'valid', '30: a nonce under the previous secret is accepted');
my $current = new_nonce('');
is(verdict($current, begin($current)), 'valid', '30: and one under the current secret');
rotate_secret(101);
is(verdict($nonce, $begin), 'use_dpop_nonce nonce', '30: one under an older secret is refused');
is(verdict($current, begin($current)), 'valid', '30: the previous one is another one now');
$node->safe_psql('postgres', 'UPDATE sctoken.server_secret SET compromised = true WHERE id = 100');
is(verdict($current, begin($current)), 'use_dpop_nonce nonce',
	'30: a nonce under a compromised secret is refused');
my ($status, $stdout, $stderr) = $node->psql('postgres',
	"INSERT INTO sctoken.server_secret (id, secret) VALUES (102, substr(sha256('a'), 1, 31))");
like($stderr, qr/server_secret_secret_check/, '42: a short secret is refused');

$node->stop;
done_testing();
