# No refresh token and no token's secret is on disk: not in a table, not in WAL,
# not in the server log; and no error message repeats one.

use strict;
use warnings;
use File::Find;
use MIME::Base64 qw(decode_base64 encode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('at_rest');
$node->init;
$node->append_conf(
	'postgresql.conf', q{
log_statement = 'all'
log_min_messages = debug2
log_min_error_statement = debug5
log_error_verbosity = verbose
log_min_duration_statement = 0
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
});
$node->start;
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION sctoken;
INSERT INTO sctoken.client_policy (client_id, retry_window)
	VALUES ('app', '1 day');
});

# A statement whose text or result has a token, from a session that logs nothing.
sub quietly
{
	my ($sql) = @_;

	local $ENV{PGOPTIONS} =
	  '-c log_statement=none -c log_min_duration_statement=-1 -c log_min_error_statement=panic';
	return $node->safe_psql('postgres', $sql);
}

# Runs a statement as callers should: with its values bound.  Returns stderr.
my $scripts = 0;

sub bound
{
	my ($protocol, $sql, %values) = @_;
	my $script = $node->basedir . '/bound_' . ++$scripts . '.sql';
	my $stderr;

	append_to_file($script, "$sql\n");
	IPC::Run::run(
		[
			'pgbench', '-n', '-t', '1', '-M', $protocol, '-f', $script,
			(map { ('-D', "$_=$values{$_}") } sort keys %values),
			$node->connstr('postgres')
		],
		'<', \undef, '>', \my $stdout, '2>', \$stderr);
	return $stderr;
}

# The 32 bytes of a token's secret: version 1, key id 1, family 16, generation 6
# stand before it.
sub secret_of
{
	my ($token) = @_;
	my $text = substr($token, 4, -6);

	$text =~ tr/-_/+\//;
	return substr(decode_base64($text), 24, 32);
}

# A life: issued, rotated, retried, introspected; the whole family ends by reuse,
# another by revocation.
my @tokens;
foreach my $protocol ('extended', 'prepared')
{
	foreach my $end ('reuse', 'revoke')
	{
		my $cnf = $end eq 'reuse' ? 'NULL' : q{'{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}'};
		my $token = quietly(
			"SELECT refresh_token FROM sctoken.issue('app', 'subject at rest', cnf => $cnf)");
		my $first = $token;

		push @tokens, $token;
		foreach my $rotation (1 .. 3)
		{
			is( bound(
					$protocol,
					"SELECT sctoken.rotate(:token, 'app', cnf => $cnf);\n"
					  . "SELECT sctoken.introspect(:token);",
					token => $token),
				'',
				"$protocol, $end: rotation $rotation");

			# the successor, as a retry gives it
			$token = quietly(
				"SELECT refresh_token FROM sctoken.rotate('$token', 'app', cnf => $cnf)");
			push @tokens, $token;
		}
		is( bound(
				$protocol,
				$end eq 'reuse'
				? "SELECT sctoken.rotate(:token, 'app', cnf => $cnf);"
				: "SELECT sctoken.revoke(:token, 'app');",
				token => $first),
			'',
			"$protocol, $end: the end");
	}
}
is( $node->safe_psql(
		'postgres',
		q{SELECT count(*), count(revoked_at), min(generation) FROM sctoken.family}),
	'4|4|4',
	'the families went the whole way');

# Misuse: a token where another argument is expected, and such errors as a caller
# can get with one in its hands.
my $token =
  quietly(q{SELECT refresh_token FROM sctoken.issue('app', 'subject at rest')});
push @tokens, $token;

my @misuse = (
	q{sctoken.rotate(:token, NULL)},
	q{sctoken.rotate(:token, '')},
	q{sctoken.rotate(:token, repeat(:token, 50))},
	q{sctoken.rotate(:token, 'app', cnf => to_jsonb(:token::text))},
	q{sctoken.rotate(:token, 'app', cnf => jsonb_build_object('jkt', :token))},
	q{sctoken.rotate(:token, 'app', cnf => jsonb_build_object('x5t#S256', :token))},
	q{sctoken.rotate(:token, 'app', cnf => jsonb_build_array(:token))},
	q{sctoken.rotate(:token, 'app', dpop_proof => :token)},
	q{sctoken.rotate(:token, 'app', certificate => convert_to(:token, 'UTF8'))},
	q{sctoken.rotate(:token, 'app', audience => ARRAY[ARRAY[:token]])},
	q{sctoken.issue(:token, NULL)},
	q{sctoken.issue(NULL, :token)},
	q{sctoken.issue(repeat(:token, 50), 'x')},
	q{sctoken.issue('app', repeat(:token, 50))},
	q{sctoken.issue('app', 'x', scope => :token || '  ' || :token)},
	q{sctoken.issue('app', 'x', scope => :token || '"')},
	q{sctoken.issue('app', 'x', audience => ARRAY[:token, NULL])},
	q{sctoken.issue('app', 'x', audience => ARRAY[ARRAY[:token]])},
	q{sctoken.issue('app', 'x', cnf => jsonb_build_object(:token, 'x'))},
	q{sctoken.issue('app', 'x', cnf => jsonb_build_object('jkt', :token))},
	q{sctoken.issue('app', 'x', cnf => jsonb_build_object('x5t#S256', :token))},
	q{sctoken.issue('app', 'x', cnf => to_jsonb(:token::text))},
	q{sctoken.issue('app', 'x', session_id => repeat(:token, 50))},
	q{sctoken.issue('app', 'x', dpop_proof => :token)},
	q{sctoken.revoke(:token, NULL)},
	q{sctoken.revoke(:token, 'app', NULL)},
	q{sctoken.revoke(:token, 'app', repeat(:token, 3))},
	q{sctoken.revoke_family(NULL, :token)},
	q{sctoken.revoke_family(sctoken.token_family_id(:token), repeat(:token, 3))},
	q{sctoken.jwk_thumbprint(to_json(:token::text))},
	q{sctoken.jwk_thumbprint(json_build_object('kty', :token))},
	q{sctoken.jwk_thumbprint(json_build_object('kty', 'EC', 'crv', :token))},
	q{sctoken.jwk_thumbprint('{}', :token)},
	q{sctoken.jwk_thumbprint_uri('{}', :token)},
	q{sctoken.dpop_verify(:token, NULL, 'https://as.example/')},
	q{sctoken.dpop_verify(:token, :token, 'https://as.example/')},
	q{sctoken.dpop_verify(:token, :token || ' ', 'https://as.example/')},
	q{sctoken.dpop_verify(:token, 'POST', :token)},
	q{sctoken.dpop_verify(:token, 'POST', 'https://as.example/', algs => ARRAY[:token])},
	q{sctoken.dpop_verify(:token, 'POST', 'https://as.example/', max_age => '1 year')},
	q{sctoken.invalidate_cache()});
my $errors = 0;
my @echoed;

# In a transaction that is rolled back, lest a call that is allowed keeps it.
foreach my $call (@misuse)
{
	$call =~ s/:token/:token::text/g;
	my $stderr =
	  bound('extended', "BEGIN;\nSELECT $call;\nROLLBACK;", token => $token);

	$errors++ if $stderr =~ /ERROR/;
	push @echoed, $call if index($stderr, substr($token, 4)) >= 0;
}
note "$errors of " . @misuse . ' calls are errors';
cmp_ok($errors, '>', 25, 'misuse gives errors');
is_deeply(\@echoed, [], 'no error message repeats a token');

# A backup's view of it all.
my $known = $node->safe_psql('postgres',
	q{SELECT encode(secret_hash, 'hex') FROM sctoken.family LIMIT 1});
my $server_secret = pack('H*',
	$node->safe_psql('postgres', q{SELECT encode(secret, 'hex') FROM sctoken.server_secret}));
$node->safe_psql('postgres', 'CHECKPOINT');
$node->stop;

my %needles = (
	'a known subject' => 'subject at rest',
	'a known hash' => pack('H*', $known),
	'the server secret' => $server_secret,
	'the server secret as text' => unpack('H*', $server_secret));
foreach my $i (0 .. $#tokens)
{
	my $secret = secret_of($tokens[$i]);

	$needles{"token $i"} = substr($tokens[$i], 4);
	$needles{"token $i: its secret part"} = substr($tokens[$i], 4 + 32, 43);
	$needles{"token $i: secret"} = $secret;
	$needles{"token $i: secret as hex"} = unpack('H*', $secret);
	$needles{"token $i: secret as base64"} = substr(encode_base64($secret, ''), 0, 42);
}

# Where each of them is: data, wal, log.
my %found;

sub look_into
{
	my ($place, $file) = @_;
	my $content = slurp_file($file);

	foreach my $name (keys %needles)
	{
		$found{$name}{$place} = 1 if index($content, $needles{$name}) >= 0;
	}
	return;
}

find(
	{
		no_chdir => 1,
		wanted => sub {
			look_into(m{/pg_wal/} ? 'wal' : 'data', $_) if -f $_;
		}
	},
	$node->data_dir);
look_into('log', $node->logfile);

# What must be found is, so that the search is known to search.
sub places
{
	my ($name) = @_;

	return join ' ', sort keys %{ $found{$name} };
}
is(places('a known subject'), 'data wal', 'a subject is found in table and WAL');
is(places('a known hash'), 'data wal', "a token's hash is found in table and WAL");
is(places('the server secret'), 'data wal',
	'the server secret is found in its table and in WAL');
is(places('the server secret as text'), '', 'and nowhere as text');
like(slurp_file($node->logfile), qr/sctoken\.rotate\(\$1/,
	'the log has the statements, with parameters for values');

is_deeply([ sort grep { /^token/ } keys %found ],
	[], 'no token and no secret of one is in data directory, WAL or log');

done_testing();
