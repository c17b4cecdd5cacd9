# issue and rotate with a DPoP proof, at real time (RFC 9449 5 and 8): nothing that
# can fail uses up a proof or a token, and a proof is used once.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use JSON::PP;
use MIME::Base64 qw(decode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Prover;
use Test::More;

my $htu = 'https://as.example/token';

my $node = PostgreSQL::Test::Cluster->new('dpop_grant');
$node->init;
$node->append_conf(
	'postgresql.conf', q{
sctoken.dpop_max_age = 600
sctoken.lock_timeout = '60s'
});
$node->start;
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION sctoken;
INSERT INTO sctoken.client_policy
	(client_id, client_type, retry_window, on_reuse, required_binding, require_nonce, enabled)
VALUES ('app', NULL, '1 day', NULL, NULL, NULL, NULL),
	('web', 'confidential', '1 day', NULL, NULL, NULL, NULL),
	('strict', NULL, '0', 'revoke_subject_client', NULL, NULL, NULL),
	('nonced', NULL, '1 day', NULL, NULL, true, NULL),
	('bound', NULL, '1 day', NULL, 'dpop', NULL, NULL),
	('mtls', NULL, '1 day', NULL, 'mtls', NULL, NULL),
	('off', NULL, '1 day', NULL, NULL, NULL, false);
});

my %jkt;
foreach my $key ('a', 'b')
{
	prover('key', $node->basedir . "/$key.pem");
	$jkt{$key} = prover('jkt', $node->basedir . "/$key.pem");
}

# A new proof; options as those of prover.
sub proof
{
	my ($key, %options) = @_;
	my $method = delete $options{htm} // 'POST';
	my $uri = delete $options{htu} // $htu;

	return prover('proof', $node->basedir . "/$key.pem", $method, $uri,
		map { ("--$_", $options{$_}) } sort keys %options);
}

sub sql
{
	return $node->safe_psql('postgres', @_);
}

# A call with its named arguments, of which undef is null.
sub call
{
	my ($function, %arguments) = @_;

	$arguments{htu} //= $htu if $arguments{dpop_proof};
	return "sctoken.$function("
	  . join(', ',
		map { "$_ => " . (defined $arguments{$_} ? "'$arguments{$_}'" : 'NULL') }
		sort keys %arguments)
	  . ')';
}

sub issue
{
	my ($client, %arguments) = @_;

	return call('issue', client_id => $client, subject => 'alice', %arguments);
}

sub rotate
{
	my ($token, $client, %arguments) = @_;

	return call('rotate', refresh_token => $token, client_id => $client, %arguments);
}

# The row that a call answers.
sub row
{
	my ($call, $settings) = @_;

	return decode_json(
		sql(($settings // '') . "SELECT row_to_json(r) FROM $call r"));
}

# What happened, in words.
sub words
{
	my ($row) = @_;

	return join ' ', map { $row->{$_} // '-' } 'outcome', 'error', 'reason';
}

sub records
{
	return sql('SELECT count(*) FROM sctoken.dpop_replay');
}

sub generation
{
	my ($token) = @_;

	return sql(
		"SELECT generation || CASE WHEN revoked_at IS NULL THEN '' ELSE ' revoked' END
		 FROM sctoken.family WHERE id = sctoken.token_family_id('$token')");
}

# Refusals of one proof, none of which uses it up.  $then: the call that still
# takes it, with its outcome.
sub all_refuse
{
	my ($proof, $cases, $then, $outcome) = @_;
	my $before = records();

	foreach my $case (@$cases)
	{
		my ($name, $call, $expected, $settings) = @$case;
		my $row = row($call, $settings);

		is(words($row), $expected, $name);
		is($row->{refresh_token}, undef, "$name: no token is given");
	}
	is(records(), $before, 'no refusal leaves a record');
	my $row = row($then);
	is($row->{outcome}, $outcome, "the same proof is taken then: $outcome");
	is(records(), $before + 1, 'and is remembered');
	return $row;
}

#
# issue
#
my $stale = proof('a', iat => time - 100000);
my $early = proof('a', iat => time + 100000);
is(words(row(issue('app', dpop_proof => $stale))),
	'proof_invalid invalid_dpop_proof iat_past', 'issue: an old proof');
is(words(row(issue('app', dpop_proof => $early))),
	'proof_invalid invalid_dpop_proof iat_future', 'issue: one of the future');
is(words(row(issue('app', dpop_proof => 'x.y.z'))),
	'proof_invalid invalid_dpop_proof base64url', 'issue: none at all');

# Who holds the subject's lock: a reuse that has not committed.
my $spent = row(issue('strict'));
my $next = row(rotate($spent->{refresh_token}, 'strict'));
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN');
$holder->query_safe('SELECT outcome FROM ' . rotate($spent->{refresh_token}, 'strict'));

my $proof = proof('a');
my $issued = all_refuse(
	$proof,
	[
		[
			'issue: disabled client',
			issue('off', dpop_proof => $proof),
			'client_disabled unauthorized_client disabled'
		],
		[
			'issue: another method',
			issue('app', dpop_proof => $proof, htm => 'GET'),
			'proof_invalid invalid_dpop_proof htm'
		],
		[
			'issue: another URI',
			issue('app', dpop_proof => $proof, htu => 'https://other.example/token'),
			'proof_invalid invalid_dpop_proof htu'
		],
		[
			'issue: cnf of another key, as dpop_jkt (RFC 9449 10)',
			issue('app', dpop_proof => $proof, cnf => qq({"jkt": "$jkt{b}"})),
			'binding_mismatch invalid_grant disagree'
		],
		[
			'issue: a certificate is required',
			issue('mtls', dpop_proof => $proof),
			'binding_required invalid_request insufficient'
		],
		[
			'issue: a nonce is required',
			issue('nonced', dpop_proof => $proof),
			'nonce_required use_dpop_nonce nonce_required'
		],
		[
			'issue: busy',
			issue('app', dpop_proof => $proof),
			'busy temporarily_unavailable lock',
			"LOAD 'sctoken'; SET sctoken.lock_timeout = 0;"
		]
	],
	issue('app', dpop_proof => $proof, subject => 'bob', scope => 'x y', audience => '{https://rs}'),
	'issued');

# the session warns of the revocation that is lost
$holder->query('ROLLBACK');
$holder->quit;
$holder = $node->background_psql('postgres');
is_deeply($issued->{cnf}, { jkt => $jkt{a} }, 'the grant is for the key of the proof');
is(words(row(issue('app', dpop_proof => $proof))),
	'proof_invalid invalid_dpop_proof replayed', 'issue: a proof is taken once');
is( row(issue('app', dpop_proof => proof('a'), cnf => qq({"jkt": "$jkt{a}"})))->{outcome},
	'issued',
	'issue: dpop_jkt is that of the proof');

# A dpop_jkt that is none is misuse, with or without a proof.
foreach my $jkt (substr($jkt{a}, 1), "$jkt{a}A", "$jkt{a}=", '+' . substr($jkt{a}, 1))
{
	my ($ret, $stdout, $stderr) = $node->psql('postgres',
		"\\set VERBOSITY sqlstate\nSELECT "
		  . issue('app', dpop_proof => proof('a'), cnf => qq({"jkt": "$jkt"})));

	like($stderr, qr/ERROR:  22023/, 'issue: a malformed jkt of ' . length($jkt) . ' characters');
}
my ($ret, $stdout, $stderr) = $node->psql('postgres',
	"\\set VERBOSITY sqlstate\nSELECT " . issue('app', dpop_proof => proof('a'), htu => undef) =~ s/htu => '[^']*'/htu => NULL/r);
like($stderr, qr/ERROR:  22004/, 'issue: a proof without the URI of the request');

#
# rotate, a public client's token that is bound to the key
#
my $t1 = $issued->{refresh_token};
$holder->query_safe('BEGIN');
$holder->query_safe('SELECT outcome FROM ' . rotate($t1, 'app', dpop_proof => proof('a')));
$proof = proof('a');
my @refusals = (
	[
		'rotate: no token of ours',
		rotate('sct_x', 'app', dpop_proof => $proof),
		'unknown_token invalid_grant format'
	],
	[
		'rotate: disabled client',
		rotate($t1, 'off', dpop_proof => $proof),
		'client_disabled unauthorized_client disabled'
	],
	[
		'rotate: busy',
		rotate($t1, 'app', dpop_proof => $proof),
		'busy temporarily_unavailable lock',
		"LOAD 'sctoken'; SET sctoken.lock_timeout = 0;"
	]);

# one that is busy, while somebody holds the family
is(words(row($refusals[2][1], $refusals[2][3])), $refusals[2][2], 'rotate: busy');
$holder->query_safe('ROLLBACK');
pop @refusals;

my $other = proof('b');
push @refusals,
  (
	[
		'rotate: another client',
		rotate($t1, 'web', dpop_proof => $proof),
		'client_mismatch invalid_grant client'
	],
	[
		'rotate: another URI',
		rotate($t1, 'app', dpop_proof => $proof, htu => "$htu/2"),
		'proof_invalid invalid_dpop_proof htu'
	],
	[
		'rotate: a proof and the cnf of another key',
		rotate($t1, 'app', dpop_proof => $proof, cnf => qq({"jkt": "$jkt{b}"})),
		'binding_mismatch invalid_grant disagree'
	],
	[
		'rotate: a proof of another key',
		rotate($t1, 'app', dpop_proof => $other),
		'binding_mismatch invalid_grant different'
	],
	[
		'rotate: no proof',
		rotate($t1, 'app'),
		'binding_mismatch invalid_grant nothing_presented'
	],
	[
		'rotate: more scope',
		rotate($t1, 'app', dpop_proof => $proof, scope => 'x z'),
		'scope_exceeded invalid_scope scope'
	],
	[
		'rotate: another audience',
		rotate($t1, 'app', dpop_proof => $proof, audience => '{https://other}'),
		'audience_exceeded invalid_target audience'
	]);
my $rotated = all_refuse($proof, \@refusals, rotate($t1, 'app', dpop_proof => $proof), 'rotated');
my $t2 = $rotated->{refresh_token};
is($rotated->{generation}, 2, 'no refusal used the token');
is_deeply($rotated->{cnf}, { jkt => $jkt{a} }, 'the access token is for the key');
is(row(issue('app', dpop_proof => $other))->{outcome},
	'issued', 'nor was the proof of the other key used up');

# A proof is used once, whatever the token and the call.
is(words(row(rotate($t2, 'app', dpop_proof => $proof))),
	'proof_invalid invalid_dpop_proof replayed', 'rotate: the proof again, with the next token');
is(generation($t2), '2', 'the token is not used');
is(words(row(rotate($t1, 'app', dpop_proof => $proof))),
	'proof_invalid invalid_dpop_proof replayed', 'rotate: the very same request again');
$proof = proof('a');
is(sql("SELECT valid FROM sctoken.dpop_check('$proof', 'POST', '$htu')"),
	't', 'a proof goes to dpop_check');
is(words(row(rotate($t2, 'app', dpop_proof => $proof))),
	'proof_invalid invalid_dpop_proof replayed', 'and is used up for rotate');
$proof = proof('a');
is(sql("SELECT valid FROM sctoken.dpop_check('$proof', 'POST', '$htu', server => 'rs')"),
	't', 'a proof goes to dpop_check for another server');
is(row(rotate($t2, 'app', dpop_proof => $proof))->{outcome},
	'rotated', 'and is another one for rotate');

# A retry comes with a fresh proof, and gets the identical successor.
my $again = row(rotate($t2, 'app', dpop_proof => proof('a')));
is($again->{outcome}, 'replayed', 'a retry with a fresh proof');
my $t3 = row(rotate($t2, 'app', dpop_proof => proof('a')))->{refresh_token};
is($again->{refresh_token}, $t3, 'gets the identical successor');
is(words(row(rotate($t2, 'app', dpop_proof => $proof))),
	'proof_invalid invalid_dpop_proof replayed', 'a retry with its first proof is refused');
is(generation($t3), '3', 'and harms nothing');

# A rolled back rotation gives both back.
$proof = proof('a');
is( sql('BEGIN; SELECT outcome FROM ' . rotate($t3, 'app', dpop_proof => $proof) . '; ROLLBACK'),
	'rotated',
	'a rotation is rolled back');
my $t4 = row(rotate($t3, 'app', dpop_proof => $proof));
is($t4->{outcome}, 'rotated', 'token and proof are as before');

# One proof with two tokens at the same moment.
my @pair = map { row(issue('app', dpop_proof => proof('a')))->{refresh_token} } 1, 2;
$proof = proof('a');
$holder->query_safe('BEGIN');
is($holder->query_safe('SELECT outcome FROM ' . rotate($pair[0], 'app', dpop_proof => $proof)),
	'rotated', 'one proof with two tokens: the first');
is( words(
		row(rotate($pair[1], 'app', dpop_proof => $proof),
			"LOAD 'sctoken'; SET sctoken.lock_timeout = '10ms';")),
	'busy temporarily_unavailable busy',
	'the second does not know yet');
$holder->query_safe('COMMIT');
is(words(row(rotate($pair[1], 'app', dpop_proof => $proof))),
	'proof_invalid invalid_dpop_proof replayed', 'the second is refused');
is(generation($pair[1]), '1', 'and its token is not used');

# Reuse: with a valid proof the family dies, with another one it does not, or a
# thief without the key could log the user out.
my $t5 = row(rotate($t4->{refresh_token}, 'app', dpop_proof => proof('a')))->{refresh_token};
foreach my $case (
	[ 'a stale proof', $stale, 'proof_invalid invalid_dpop_proof iat_past' ],
	[ 'a replayed proof', $proof, 'proof_invalid invalid_dpop_proof replayed' ],
	[ 'a proof of another key', proof('b'), 'binding_mismatch invalid_grant different' ],
	[ 'no proof', undef, 'binding_mismatch invalid_grant nothing_presented' ],
	[ 'a broken signature', substr(proof('a'), 0, -8) . 'AAAAAAAA', 'proof_invalid invalid_dpop_proof signature' ])
{
	my ($name, $with, $expected) = @$case;

	is(words(row(rotate($t1, 'app', dpop_proof => $with))), $expected, "an old token with $name");
	is(generation($t5), '5', 'does not revoke');
}
is(words(row(rotate($t1, 'app', dpop_proof => proof('a')))),
	'reuse_detected invalid_grant older_generation', 'an old token with a valid proof is reuse');
is(generation($t5), '5 revoked', 'and revokes the family');

# A revoked family does not use up proofs.
$proof = proof('a');
is(words(row(rotate($t5, 'app', dpop_proof => $proof))),
	'revoked invalid_grant family', 'revoked');
is(row(issue('app', dpop_proof => $proof))->{outcome}, 'issued', 'with a proof that stays unused');

# A confidential client's token is not bound: it may change its key (RFC 9449 5).
my $w1 = row(issue('web', dpop_proof => proof('a')));
is_deeply($w1->{cnf}, { jkt => $jkt{a} }, 'a confidential client: the access token is bound');
is( sql('SELECT count(*) FROM sctoken.family WHERE binding IS NOT NULL AND '
		  . "id = sctoken.token_family_id('$w1->{refresh_token}')"),
	0,
	'the refresh token is not');
my $w2 = row(rotate($w1->{refresh_token}, 'web', dpop_proof => proof('b')));
is("$w2->{outcome} $w2->{cnf}{jkt}", "rotated $jkt{b}", 'another key: the access token is for it');
is(row(rotate($w2->{refresh_token}, 'web'))->{cnf}, undef, 'no key: a bearer token');

# A client that must use DPoP cannot go on with a token from before.
sql(q{UPDATE sctoken.client_policy SET required_binding = NULL WHERE client_id = 'bound'});
my $b1 = row(issue('bound'));
sql(q{UPDATE sctoken.client_policy SET required_binding = 'dpop' WHERE client_id = 'bound'});
is(words(row(rotate($b1->{refresh_token}, 'bound'))),
	'binding_required invalid_request nothing_presented', 'DPoP is required now');

#
# Nonces
#
my $challenge = row(issue('nonced', dpop_proof => proof('a')));
is(words($challenge), 'nonce_required use_dpop_nonce nonce_required', 'a nonce is asked for');
my $nonce = $challenge->{next_nonce};
like($nonce, qr/^[\x21\x23-\x5b\x5d-\x7e]{46}$/, 'and given in the row');
my $n1 = row(issue('nonced', dpop_proof => proof('a', nonce => $nonce)));
is($n1->{outcome}, 'issued', 'issued with it');
my $rs = sql(q{SELECT sctoken.dpop_nonce('rs')});
$proof = proof('a');
my $before = records();
foreach my $case (
	[ 'none', $proof ],
	[ 'one of another server', proof('a', nonce => $rs) ],
	[ 'one that nobody made', proof('a', nonce => 'x' x 46) ],
	[ 'a changed one', proof('a', nonce => $nonce =~ s/^(.{20})(.)/$1 . ($2 eq 'A' ? 'B' : 'A')/er) ])
{
	my ($name, $with) = @$case;
	my $row = row(rotate($n1->{refresh_token}, 'nonced', dpop_proof => $with));

	is("$row->{outcome} $row->{error}", 'nonce_required use_dpop_nonce', "rotate, nonce: $name");
	is(length($row->{next_nonce}), 46, 'the right one is given');
	is($row->{generation}, 1, 'the token is told');
}
is(records(), $before, 'a challenge leaves no record');
is(generation($n1->{refresh_token}), '1', 'and does not use the token');
my $n2 = row(rotate($n1->{refresh_token}, 'nonced', dpop_proof => proof('a', nonce => $nonce)));
is($n2->{outcome}, 'rotated', 'a nonce may be used by several proofs');
sql(q{UPDATE sctoken.client_policy SET require_nonce = false WHERE client_id = 'nonced'});
is(row(rotate($n2->{refresh_token}, 'nonced', dpop_proof => $proof))->{outcome},
	'rotated', 'the proof that was challenged was not used up');

#
# A certificate beside the proof (RFC 8705 3): the tokens are bound to both, and
# whichever one does not hold uses up neither the token nor the proof.
#
my %certificate = map {
	my ($base64) = slurp_file("test/vectors/mtls/pki/$_.pem") =~ /-----\n(.*?)-----/s;
	($_ => '\x' . unpack('H*', decode_base64($base64)))
} 'leaf', 'leaf_noeku';
my %x5t = map { ($_ => sql("SELECT sctoken.certificate_thumbprint('$certificate{$_}')")) }
  keys %certificate;
my %both = (jkt => $jkt{a}, 'x5t#S256' => $x5t{leaf});

my $b1 = row(issue('app', dpop_proof => proof('a'), certificate => $certificate{leaf}));
is_deeply($b1->{cnf}, \%both, 'issue: cnf has both');
is_deeply(
	decode_json(sql("SELECT binding FROM sctoken.family WHERE id = '$b1->{family_id}'")),
	\%both, 'and the refresh token is bound to both');
$proof = proof('a');
my $other = proof('b');
my $b2 = all_refuse(
	$proof,
	[
		[
			'rotate: the proof alone',
			rotate($b1->{refresh_token}, 'app', dpop_proof => $proof),
			'binding_mismatch invalid_grant different'
		],
		[
			'rotate: the certificate alone',
			rotate($b1->{refresh_token}, 'app', certificate => $certificate{leaf}),
			'binding_mismatch invalid_grant different'
		],
		[
			'rotate: another certificate of the same key',
			rotate($b1->{refresh_token}, 'app', dpop_proof => $proof,
				certificate => $certificate{leaf_noeku}),
			'binding_mismatch invalid_grant different'
		],
		[
			'rotate: another key',
			rotate($b1->{refresh_token}, 'app', dpop_proof => $other,
				certificate => $certificate{leaf}),
			'binding_mismatch invalid_grant different'
		],
		[
			'rotate: a cnf that the certificate contradicts',
			rotate($b1->{refresh_token}, 'app', dpop_proof => $proof,
				certificate => $certificate{leaf}, cnf => qq({"x5t#S256": "$x5t{leaf_noeku}"})),
			'binding_mismatch invalid_grant disagree'
		]
	],
	rotate($b1->{refresh_token}, 'app', dpop_proof => $proof,
		certificate => $certificate{leaf}, cnf => qq({"x5t#S256": "$x5t{leaf}"})),
	'rotated');
is_deeply($b2->{cnf}, \%both, 'the access token is bound to both');
is(generation($b1->{refresh_token}), '2', 'and the family goes on');
is( row(issue('mtls', dpop_proof => proof('a'), certificate => $certificate{leaf}))->{outcome},
	'issued', 'a policy that asks for a certificate takes a proof beside it');

$holder->quit;
$node->stop;
done_testing();
