# The server's secrets in a file (sctoken.secret_file): what may be in it, who may
# read it, and that a change holds in every session from the reload on.

use strict;
use warnings;
use MIME::Base64;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('file');
my $path = $node->basedir . '/secrets';
my %secret = map { $_ => encode_base64(pack('C*', map { int rand 256 } 1 .. 32), '') }
  7, 8, 9, 0;

# Puts another file in the place of the old one, as an operator should.
sub replace_file
{
	my ($content, $mode) = @_;

	unlink "$path.new";
	append_to_file("$path.new", $content);
	chmod $mode // 0600, "$path.new" or die $!;
	rename "$path.new", $path or die $!;
}

# Makes a session see a reload.
sub reload
{
	my ($session) = @_;
	my $before = $session->query_safe('SELECT pg_conf_load_time()');

	$node->reload;
	foreach my $try (1 .. 1000)
	{
		return if $session->query_safe('SELECT pg_conf_load_time()') ne $before;
		select undef, undef, undef, 0.01;
	}
	die 'the session saw no reload';
}

my $key_id = q{get_byte(decode(translate(substr(refresh_token, 5, 4), '-_', '+/'), 'base64'), 1)};
my $issue = "SELECT outcome, $key_id FROM sctoken.issue('app', 'alice')";

sub rotate
{
	my ($token) = @_;

	return "SELECT outcome, reason, $key_id FROM sctoken.rotate('$token', 'app')";
}

$node->init;
$node->start;
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION sctoken;
INSERT INTO sctoken.client_policy (client_id, retry_window) VALUES ('app', '1 day');
CREATE DATABASE shard;
});
$node->safe_psql('shard', 'CREATE EXTENSION sctoken');

# A token from before there was a file.
my $early = $node->safe_psql('postgres',
	"SELECT refresh_token FROM sctoken.issue('app', 'early')");
my $table_secret = $node->safe_psql('postgres',
	"SELECT encode(secret, 'base64') FROM sctoken.server_secret");
my $session = $node->background_psql('postgres', on_error_stop => 0);
is($session->query_safe($issue), 'issued|0', 'without a file the table is used');

# The file takes over in a session that used the table before.
replace_file("# secrets of sctoken\n\n 7\t$secret{7}  \r\n");
$node->append_conf('postgresql.conf', "sctoken.secret_file = '$path'\n");
reload($session);
is($session->query_safe($issue), 'issued|7', 'the file makes new tokens from the reload on');
is($node->safe_psql('postgres', $issue), 'issued|7', '... in a new session too');
is( $session->query_safe(rotate($early)),
	'rotated||7', 'a token that was made under the table is valid');
is($node->safe_psql('postgres', 'SELECT count(*) FROM sctoken.server_secret'),
	1, 'the table is not written');
$node->safe_psql('postgres', 'DELETE FROM sctoken.server_secret');
is( $session->query_safe(rotate($early)), 'unknown_token|key_id|',
	'... until the row is deleted');

# Two databases (or servers) with one file recognise each other's tokens.
my $token = $node->safe_psql('postgres',
	"SELECT refresh_token FROM sctoken.issue('app', 'alice')");
is($node->safe_psql('shard', rotate($token)),
	'unknown_token|family|', 'another database with the file knows the MAC');
is($node->safe_psql('shard', 'SELECT count(*) FROM sctoken.server_secret'),
	0, '... and makes no secret of its own');

# rotate_secret() does not write the file.
my ($ret, $out, $err) = $node->psql('postgres', 'SELECT sctoken.rotate_secret()');
like($err, qr/^psql:.*ERROR:  the server's secrets are in a file/m,
	'rotate_secret() refuses');
like($err, qr/HINT:  Mark the line in use as retired/, '... and says what to do');

# A new line, and before the reload: old sessions go on with the old file, but
# recognise what new sessions make.
replace_file("7 $secret{7} retired\n8 $secret{8}\n");
is($session->query_safe($issue), 'issued|7', 'a session keeps the file it read');
my $newer = $node->safe_psql('postgres',
	"SELECT refresh_token FROM sctoken.issue('app', 'alice')");
is($session->query_safe(rotate($newer)), 'rotated||8',
	'... until a token shows that there is another');
replace_file("7 $secret{7} retired\n8 $secret{8} retired\n9 $secret{9}\n");
is($session->query_safe($issue), 'issued|8', 'the file that was read holds');
reload($session);
is($session->query_safe($issue), 'issued|9', 'the reload brings the new one');
is($session->query_safe(rotate($token)), 'rotated||9', 'a retired secret recognises its tokens');
my $retry = $session->query_safe(rotate($token));
is($retry, 'replayed|retry_window|9', 'a retry is answered');

# A file that is overwritten in place is the same to a reload.
my $old = $session->query_safe("SELECT refresh_token FROM sctoken.issue('app', 'bob')");
my $old2 = $session->query_safe("SELECT refresh_token FROM sctoken.rotate('$old', 'app')");
my $old3 = $session->query_safe("SELECT refresh_token FROM sctoken.rotate('$old2', 'app')");
truncate $path, 0 or die $!;
append_to_file($path,
	"7 $secret{7} compromised\n8 $secret{8}\n9 $secret{9} compromised");
reload($session);
is($session->query_safe($issue), 'issued|8', 'an old secret may come back, without a line end');
is($session->query_safe(rotate($old)), 'unknown_token|compromised|',
	'a compromised secret vouches for no old token');
is($session->query_safe(rotate($old3)), 'rotated||8', 'the current one passes');

# The table may have the same secret meanwhile, but no other under the same key id.
$node->safe_psql('postgres',
	"INSERT INTO sctoken.server_secret (id, secret) VALUES (8, decode('$secret{8}', 'base64'))");
is($session->query_safe($issue), 'issued|8', 'a secret may be in both');
$node->safe_psql('postgres',
	"UPDATE sctoken.server_secret SET secret = decode('$table_secret', 'base64')");
($ret, $out, $err) = $node->psql('postgres', $issue);
like($err, qr/ERROR:  key id 8 is that of one secret in the file/, 'two under one key id are an error');
$node->safe_psql('postgres', 'DELETE FROM sctoken.server_secret');
is($session->query_safe($issue), 'issued|8', 'which ends with its cause');

# What is wrong with a file is said, without a word of it, and nothing else is used.
my $group = 'has group or world access';
my @faults = (
	[ 'readable for all', "7 $secret{7}\n", 0644, $group ],
	[ 'readable for the group', "7 $secret{7}\n", 0640, $group ],
	[ 'writable for the group', "7 $secret{7}\n", 0620, $group ],
	[ 'empty', '', 0600, 'no line without a mark' ],
	[ 'comments alone', "# 7 $secret{7}\n", 0600, 'no line without a mark' ],
	[ 'all retired', "7 $secret{7} retired\n8 $secret{8} compromised\n", 0600, 'no line without a mark' ],
	[ 'two in use', "7 $secret{7}\n\n8 $secret{8}\n", 0600, 'line 3 .* is the second without a mark' ],
	[ 'a key id twice', "7 $secret{7} retired\n7 $secret{8}\n", 0600, 'line 2 .* key id for the second time' ],
	[ 'a key id too large', "256 $secret{7}\n", 0600, 'line 1 .* is malformed' ],
	[ 'a negative key id', "-1 $secret{7}\n", 0600, 'line 1 .* is malformed' ],
	[ 'a key id with zeros', "07 $secret{7}\n", 0600, 'line 1 .* is malformed' ],
	[ 'no key id', "$secret{7}\n", 0600, 'line 1 .* is malformed' ],
	[ 'a key id alone', "8 $secret{8}\n7\n", 0600, 'line 2 .* is malformed' ],
	[ 'a short secret', '7 ' . encode_base64('x' x 31, '') . "\n", 0600, 'line 1 .* is malformed' ],
	[ 'a long secret', '7 ' . encode_base64('x' x 33, '') . "\n", 0600, 'line 1 .* is malformed' ],
	[ 'no padding', '7 ' . substr($secret{7}, 0, 43) . "\n", 0600, 'line 1 .* is malformed' ],
	[ 'not base64', '7 ' . ('*' x 44) . "\n", 0600, 'line 1 .* is malformed' ],
	[ 'an unknown mark', "7 $secret{7} Retired\n", 0600, 'line 1 .* is malformed' ],
	[ 'two marks', "7 $secret{7} retired compromised\n", 0600, 'line 1 .* is malformed' ],
	[ 'a zero byte', "7 $secret{7}\0\n", 0600, 'line 1 .* is malformed' ],
	[ 'half a line', substr("7 $secret{7}\n8 $secret{8}", 0, 60), 0600, 'line 2 .* is malformed' ],
	[ 'too long', "7 $secret{7}\n" . ('#' x 70000), 0600, 'is longer than 65536 bytes' ]);

foreach my $fault (@faults)
{
	my ($name, $content, $mode, $message) = @$fault;

	replace_file($content, $mode);
	$node->reload;
	($ret, $out, $err) = $node->psql('postgres', "\\set VERBOSITY verbose\n$issue");
	like($err, qr/ERROR:  F0000: .*$message/, "$name: an error says so");
	is($out, '', "$name: no token");
}
unlink $path;
foreach my $kind ('missing', 'a folder')
{
	mkdir $path if $kind eq 'a folder';
	reload($session);
	($ret, $out, $err) = $node->psql('postgres', $issue);
	like($err,
		$kind eq 'missing'
		? qr/ERROR:  could not open the file that sctoken.secret_file names: No such file/
		: qr/ERROR:  what sctoken.secret_file names is not a regular file/,
		"$kind: an error says so");
	is($session->query("$issue;"), '', "$kind: no token in an old session either");
	like($session->{stderr}, qr/sctoken.secret_file names/, '... but the error');
	$session->{stderr} = '';
}
rmdir $path;

# The error ends with its cause, at the next call.
replace_file("0 $secret{0}\n", 0400);
is($node->safe_psql('postgres', $issue), 'issued|0', 'a sound file is used again');
$session->quit;

# Nobody but a superuser learns the path, or sets it, also not before the module is loaded.
$node->safe_psql('postgres', q{
CREATE ROLE caller LOGIN;
GRANT EXECUTE ON FUNCTION sctoken.issue TO caller});
replace_file("9 $secret{9}\n", 0600);
append_to_file($node->basedir . '/mine', "1 $secret{8}\n");
chmod 0600, $node->basedir . '/mine';
($ret, $out, $err) = $node->psql(
	'postgres', "SET sctoken.secret_file = '" . $node->basedir . "/mine';\n$issue;\nSHOW sctoken.secret_file;",
	extra_params => [ '-U', 'caller' ], on_error_stop => 0);
is($out, 'issued|9', 'a caller who sets it before the module is loaded changes nothing');
like($err, qr/ERROR: .* to examine "sctoken.secret_file"/, 'and may not read it');
replace_file('x', 0600);
($ret, $out, $err) = $node->psql('postgres', $issue, extra_params => [ '-U', 'caller' ]);
unlike($err, qr/\Q$path\E/, 'an error does not tell a caller the path');

# No secret is in the log, the tables, or a dump.
my $log = slurp_file($node->logfile);
my $dump = '';
IPC::Run::run([ 'pg_dump', '-d', $node->connstr('postgres') ], '>', \$dump);
like($dump, qr/COPY sctoken\.family/, 'a dump has the families');
foreach my $id (keys %secret)
{
	next if $id == 8;    # this test wrote it into an INSERT
	unlike($log, qr/\Q$secret{$id}\E/, "secret $id is not in the log");
	my $hex = unpack 'H*', decode_base64($secret{$id});
	unlike($dump, qr/\Q$secret{$id}\E|$hex/, "secret $id is not in a dump");
}

$node->stop;
done_testing();
