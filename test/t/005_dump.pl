# A dump restored elsewhere keeps spent tokens spent, and has no token in it.
#
# SCTOKEN_DUMPS names a folder that gets the dump for other versions of PostgreSQL,
# and in which those of earlier ones stand: see test/matrix.sh.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('dump');
$node->init;
$node->start;

$node->safe_psql(
	'postgres', q{
CREATE EXTENSION sctoken;
INSERT INTO sctoken.client_policy (client_id, retry_window, max_retries)
	VALUES ('app', '1 day', 7), ('strict', '0', NULL);
INSERT INTO sctoken.client_policy (client_id, enabled) VALUES ('closed', false);
INSERT INTO sctoken.client_policy (client_id, idle_ttl) VALUES ('*', '7 days');
});

# Those who authenticate by certificate.
my ($ca) = slurp_file("test/vectors/mtls/pki/root.pem") =~ /-----\n(.*?)-----/s;
$node->safe_psql(
	'postgres', qq{
INSERT INTO sctoken.trust_anchor_set (name, crl_check) VALUES ('a', 'chain'), ('z', 'leaf');
INSERT INTO sctoken.trust_anchor (set_name, der, enabled) VALUES ('z', decode('$ca', 'base64'), true), ('a', decode('$ca', 'base64'), false);
INSERT INTO sctoken.tls_client_auth (client_id, set_name, tls_client_auth_subject_dn) VALUES ('bank', 'z', 'CN=a+OU=b,O=c');
INSERT INTO sctoken.client_certificate (client_id, match, thumbprint, not_after)
	VALUES ('self', 'key', 'A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0', '2030-01-01');
});

sub value
{
	my ($db, $sql) = @_;

	return $node->safe_psql($db, $sql);
}

sub rotate
{
	my ($db, $token, $client) = @_;

	return value($db,
		"SELECT outcome, generation FROM sctoken.rotate('$token', '$client')");
}

# Starts a family and rotates it; returns its tokens.
sub family
{
	my ($client, $rotations) = @_;
	my @tokens =
	  (value('postgres', "SELECT refresh_token FROM sctoken.issue('$client', 'alice')"));

	push @tokens,
	  value('postgres',
		"SELECT refresh_token FROM sctoken.rotate('$tokens[-1]', '$client')")
	  foreach 1 .. $rotations;
	return @tokens;
}

# Strange values must come back as they were.
value('postgres', <<'SQL');
SELECT sctoken.issue('app', E'\\N o''hare\t', 'a b', ARRAY['https://a', '{"'],
	session_id => 's', grant_id => 'g', details => '{"a": null}',
	context => '"c"')
SQL

my %token = (
	retry => [ family('app', 1) ],
	old => [ family('app', 2) ],
	strict => [ family('strict', 1) ],
	revoked => [ family('app', 1) ]);
value('postgres', "SELECT sctoken.revoke('$token{revoked}[1]', 'app', 'logout')");

# Everything that is to be the same, in one text.
my $contents = q{
SET timezone = 'UTC';
SELECT 'family', f::text FROM sctoken.family f UNION ALL
SELECT 'event', e::text FROM sctoken.event e UNION ALL
SELECT 'secret', s::text FROM sctoken.server_secret s UNION ALL
SELECT 'policy', p::text FROM sctoken.client_policy p UNION ALL
SELECT 'set', s::text FROM sctoken.trust_anchor_set s UNION ALL
SELECT 'anchor', a::text FROM sctoken.trust_anchor a UNION ALL
SELECT 'name', a::text FROM sctoken.tls_client_auth a UNION ALL
SELECT 'certificate', c::text FROM sctoken.client_certificate c ORDER BY 1, 2};

my %formats = (
	plain => sub {
		my ($file, $db) = @_;
		return [ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d',
			$node->connstr($db), '-f', $file ];
	},
	custom => sub {
		my ($file, $db) = @_;
		return [ 'pg_restore', '--exit-on-error', '-d', $node->connstr($db), $file ];
	},
	# by two processes, in whatever order they come
	parallel => sub {
		my ($file, $db) = @_;
		return [ 'pg_restore', '--exit-on-error', '-j', '2', '-d', $node->connstr($db), $file ];
	});

# What a restored database has to answer.
sub check_restored
{
	my ($db, $what, $token) = @_;

	# the successor of a token that may be retried is the same as before
	is( value($db,
			"SELECT outcome, refresh_token = '$token->{retry}[1]' FROM sctoken.rotate('$token->{retry}[0]', 'app')"
		),
		'replayed|t',
		"$what: a retry gives the same token");
	is(rotate($db, $token->{retry}[1], 'app'), 'rotated|3',
		"$what: the current token works");
	is(rotate($db, $token->{old}[0], 'app'), 'reuse_detected|1',
		"$what: an older token is reuse");
	is(rotate($db, $token->{old}[2], 'app'), 'revoked|3', "$what: its family dies of it");
	is(rotate($db, $token->{strict}[0], 'strict'), 'reuse_detected|1',
		"$what: a token that may not be retried is reuse");
	is(rotate($db, $token->{revoked}[1], 'app'), 'revoked|2',
		"$what: a revoked family stays revoked");

	# policy holds, and a change of it holds at once, as in the original
	is( value($db,
			q{SELECT outcome FROM sctoken.issue('closed', 'alice');
			  UPDATE sctoken.client_policy SET enabled = true WHERE client_id = 'closed';
			  SELECT outcome FROM sctoken.issue('closed', 'alice')}),
		"client_disabled\nissued",
		"$what: policy holds");
	is( value($db,
			q{SELECT sctoken.introspect(refresh_token)->'active' FROM sctoken.issue('app', 'bob');
			  SELECT count(*) FROM sctoken.server_secret}),
		"true\n1",
		"$what: new tokens are made under the old secret");
}

foreach my $format (sort keys %formats)
{
	my $db = "restored_$format";
	my $file = $node->basedir . "/dump.$format";

	$node->command_ok(
		[
			'pg_dump', '-F', $format eq 'parallel' ? 'custom' : $format, '-Z', '0', '-f', $file,
			$node->connstr('postgres')
		],
		"$format: dumped");
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->command_ok($formats{$format}->($file, $db), "$format: restored");

	my $dump = slurp_file($file);
	is_deeply(
		[ grep { index($dump, substr($_, 4)) >= 0 } map { @$_ } values %token ],
		[],
		"$format: no token in it");
	like($dump, qr/alice/, "$format: the families are in it");
	is(value($db, $contents), value('postgres', $contents),
		"$format: the tables are the same");
	check_restored($db, $format, \%token);
}

# The dump of another version, restored by the psql of this one, and its tables as
# they were there.
my $dumps = $ENV{SCTOKEN_DUMPS};
my $here = int(value('postgres', 'SHOW server_version_num') / 10000);
my $form = '%s/%s.%s';

sub restore_from
{
	my ($version) = @_;
	my $db = "from_$version";

	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->command_ok($formats{plain}->(sprintf($form, $dumps, $version, 'sql'), $db),
		"from $version: restored");
	is(value($db, $contents) . "\n", slurp_file(sprintf($form, $dumps, $version, 'contents')),
		"from $version: the tables are the same");
	my %token = map { my ($name, @tokens) = split; $name => \@tokens }
	  split /\n/, slurp_file(sprintf($form, $dumps, $version, 'tokens'));
	check_restored($db, "from $version", \%token);
}

if ($dumps)
{
	# An earlier run may have left its own.
	unlink map { sprintf($form, $dumps, $here, $_) } 'contents', 'tokens', 'restored';
	append_to_file(sprintf($form, $dumps, $here, 'contents'), value('postgres', $contents) . "\n");
	append_to_file(sprintf($form, $dumps, $here, 'tokens'),
		join '', map { "$_ @{$token{$_}}\n" } sort keys %token);
	$node->command_ok(
		[ 'pg_dump', '-f', sprintf($form, $dumps, $here, 'sql'), $node->connstr('postgres') ],
		'dumped for later versions');
	my @earlier = grep { $_ < $here } map { m{/(\d+)\.sql$} } sort glob "$dumps/*.sql";
	restore_from($_) foreach @earlier;
	append_to_file(sprintf($form, $dumps, $here, 'restored'), "@earlier");
}

# The original has seen nothing of all that.
is(rotate('postgres', $token{old}[2], 'app'), 'rotated|4', 'the original goes on');

$node->stop;
done_testing();
