# Every block of SQL on every page runs as it stands there, in the page's order and in
# one session of psql, and gives what the page shows, or else what is written down here.
#
# A page with SQL that is not listed here fails, and so does one with a block more.
# What else a page names is there: pages and sections, files, targets of make.

use strict;
use warnings;
use File::Copy qw(copy);
use File::Find;
use FindBin;
use lib $FindBin::RealBin;
use IPC::Run;
use Page;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $top = "$FindBin::RealBin/../..";
my $extension = "CREATE EXTENSION sctoken;\n";

# A block, or a whole page, that another test runs from the page, and judges.
sub by
{
	return { test => $_[0] };
}

# A row as psql shows it.
sub row
{
	my @columns = @_;

	return join "\n", map { my $n = $_; join ' | ', map { $_->[$n] } @columns } 0, 1;
}

my $granted = row([ 'grant_to', '' ]);

# By page: what it takes for granted, and what each of its blocks gives.  "shown": what
# the page shows.  "…" stands for anything within a line, and by itself for any lines.
# A tutorial shows all that comes, and begins with an empty database.
my %page = (
	'contrib/plproxy/README.md' => {
		gives => [
			(by('test/t/054_plproxy_guide.pl')) x 4, (by('test/t/052_plproxy_move.pl')) x 11,
			by('test/t/054_plproxy_guide.pl') ] },
	'README.md' => {
		before => "DROP ROLE my_authorization_server;\n$extension",
		gives => [
			'shown', 'shown',
			row([ 'valid', 't' ], [ 'error', '' ], [ 'reason', '' ]) . "\n"
			  . row([ 'introspect', '{…"active": true, …"generation": 2}' ]) . "\n"
			  . row([ 'revoke', 't' ]),
			"CREATE ROLE\n$granted" ] },
	'doc/audit.md' => {
		before => $extension,
		gives => [
			"INFO: …\nCALL", by('test/sql/maintenance.sql'), $granted,
			(by('test/sql/audit_page.sql')) x 10 ] },
	'doc/certificates.md' => {
		before => $extension . q{
\set client_cert `perl -pe 's/([^A-Za-z0-9._~-])/sprintf "%%%02X", ord $1/ge' test/vectors/mtls/pki/selfsigned.pem`
\set ca_pem `cat test/vectors/mtls/pki/inter.pem`
\set crl_der `openssl crl -in test/vectors/mtls/pki/inter.crl -outform DER | od -An -v -tx1 | tr -d ' \n' | sed 's/^/\\\\x/'`
SELECT sctoken.certificate_from_header(:'client_cert', 'nginx') AS certificate \gset
SELECT jsonb_build_object('x5t#S256', sctoken.certificate_thumbprint(:'certificate')) AS cnf,
	jsonb_build_object('keys', jsonb_build_array(jsonb_build_object('kty', 'EC', 'crv', 'P-256',
		'x', 'UvnMaxswU5Ix61rf0sewrv7UMsZ8fwC_UaHYxofJWJg', 'y', 'jEpb9gArlzAxH9qBTce2n6WcNBEl2oGLukFqLfZouU0',
		'x5c', jsonb_build_array(translate(encode(:'certificate', 'base64'), E'\n', ''))))) AS jwks \gset
INSERT INTO sctoken.client_certificate (client_id, thumbprint) VALUES ('bank', sctoken.certificate_thumbprint(:'certificate'));
},
		gives => [
			row([ 'cnf_matches', 't' ]),
			row([ 'valid', 't' ], [ 'method', 'self_signed_tls_client_auth' ], [ 'reason', '' ], [ 'x5t', '…' ]),
			join("\n", ('INSERT 0 1') x 4),
			join("\n", 'INSERT 0 1', (row([ 'register_client_certificates', 1 ])) x 2) ] },
	'doc/choosing.md' => by('test/t/031_choosing.pl'),
	'doc/dpop.md' => {
		before => $extension . q{
\set proof `doc/tutorial/proof.sh ~/phone.pem POST https://as.example.com/par`
SELECT jkt AS dpop_jkt, jkt AS stored FROM sctoken.dpop_verify(:'proof', 'POST', 'https://as.example.com/par') \gset
},
		gives => [
			row([ 'cnf_matches', 't' ]),
			row([ 'valid', 't' ], [ 'error', '' ], [ 'reason', '' ], [ 'jkt', '…' ]),
			# the same proof, which is for the other endpoint
			row([ 'valid', 'f' ], [ 'error', 'invalid_dpop_proof' ], [ 'reason', 'htu' ], [ 'jkt', '' ]) ] },
	'doc/high-availability.md' => {
		before => $extension . "SELECT family_id FROM sctoken.issue('app', 'alice') \\gset\n",
		gives => [ row([ 'revoke_family', 't' ]) . "\n" . row([ 'family_active', 'f' ]) ] },
	'doc/migrating.md' => by('test/t/034_migrating.pl'),
	'doc/monitoring.md' => {
		before => $extension,
		gives => [
			"counter | value | since\n…",
			"counter | value\n…\npid | backend_type | state | xact_start",
			by('test/t/033_monitoring.pl') ] },
	'doc/moving.md' => {
		before => $extension,
		gives => [
			"NOTICE: version \"…\" of extension \"sctoken\" is already installed\nALTER EXTENSION",
			'INSERT 0 1', (by('test/t/026_moving.pl')) x 8 ] },
	'doc/operations.md' => {
		# pg_cron's function as its README has it, since pg_cron must be preloaded
		before => $extension . q{
CREATE SCHEMA cron;
CREATE FUNCTION cron.schedule_in_database(job_name text, schedule text, command text, database text,
	username text DEFAULT NULL, active boolean DEFAULT true) RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint';
},
		gives => [
			row([ 'rotate_secret', 0 ]) . "\n" . row([ 'rotate_secret', 1 ]),
			row([ 'schedule_in_database', 1 ]) ] },
	'doc/token_binding.md' => {
		before => $extension
		  . (join "\n", grep { /^\\set (?:as_header|as_tbh) / } split /\n/, slurp_file("$top/test/sql/token_binding.sql"))
		  . q{
\set header :as_header
SELECT encode(substr(sctoken.token_binding_from_header(:'as_header'), 4, 68), 'base64') AS id,
	sha256('sctoken test: connection to the authorization server') AS ekm,
	jsonb_build_object('tbh', :'as_tbh') AS cnf \gset
SELECT translate(:'id', E'+/=\n', '-_') AS provided_token_binding_id \gset
},
		gives => [
			row([ 'token_binding_hash', '…' ]),
			row([ 'outcome', 'issued' ], [ 'refresh_token', 'sct_…' ], [ 'cnf', '{"tbh": "…"}' ]) . "\n" . row([ '?column?', 't' ]) ] },
	'doc/triggers.md' => {
		before => $extension,
		gives => [ 'GRANT', (by('test/sql/trigger.sql')) x 6 ] },
	'examples/oidc-provider/README.md' => {
		before => "\\i examples/oidc-provider/schema.sql\n",
		gives => ["DELETE 0\nINFO: …\nCALL"] });

my $node = PostgreSQL::Test::Cluster->new('documents');
$node->init;
$node->start;
$node->safe_psql('postgres', "CREATE ROLE $_")
  foreach qw(my_authorization_server my_table_owner oidc_provider);
$ENV{HOME} = PostgreSQL::Test::Utils::tempdir;

# The output of psql without the blanks and lines that only make it a table.
sub plain
{
	my ($output) = @_;

	$output =~ s/^psql:[^:]*:\d+: //mg;
	$output =~ s/^[-+]+$|^\(\d+ rows?\)$//mg;
	$output =~ s/ +/ /g;
	$output =~ s/^ | $//mg;
	$output =~ s/\n+/\n/g;
	return $output =~ s/^\n|\n$//gr;
}

sub is_output
{
	my ($output, $expected, $name) = @_;
	my $pattern = join "\n", map {
		$_ eq '…' ? '(?s:.*)' : join '.*', map { quotemeta } split /…/, $_, -1
	} split /\n/, plain($expected);

	like(plain($output), qr/^$pattern$/, $name);
}

# Runs commands of psql, parts of one session in a database of its own and in this
# folder; what each part writes.
sub run_parts
{
	my ($name, $folder, @parts) = @_;
	my $database = $name =~ s/\W+/_/gr;
	my $output = '';

	$node->safe_psql('postgres', "CREATE DATABASE \"$database\"");
	my $commands = join '', map { "$_\n\\echo end of a part\n" } @parts;

	# unbuffered, or notices would overtake rows
	IPC::Run::run(
		[ 'stdbuf', '-o0', 'psql', '-Xf', '-', '-d', $node->connstr($database) ],
		'<', \$commands, '>&', \$output,
		init => sub { chdir $folder or die "$folder: $!" },
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	return split /^end of a part\n/m, $output;
}

# Does the test run this block?  It names the page, and the block or its section.
sub test_runs
{
	my ($test, $file, $block) = @_;
	my $text = slurp_file("$top/$test");
	my $name = $block->{name} eq '' ? $block->{section} : "sql $block->{name}";

	return $text =~ /\Q$file\E/ && $text =~ /\Q$name\E/;
}

sub is_tutorial
{
	return $_[0] =~ m{^doc/tutorial/};
}

# Where a tutorial is followed, on a server that has counted nothing yet
sub tutorial_folder
{
	my $folder = PostgreSQL::Test::Utils::tempdir;

	$node->restart;
	copy("$top/doc/tutorial/proof.sh", $folder) or die "proof.sh: $!";
	chmod 0755, "$folder/proof.sh";
	return $folder;
}

# The checkout
my (%there, %basename);
find({
		no_chdir => 1,
		preprocess => sub { grep { !/^(?:\.git|node_modules|tmp_check)$/ } @_ },
		wanted => sub { $there{s{^\Q$top\E/?}{}r} = 1 } },
	$top);
$basename{s{.*/}{}r} = 1 foreach keys %there;
my %target = map { $_ => 1 } qw(install installcheck),
  map { split } slurp_file("$top/Makefile") =~ /^\.PHONY: (.*)$/gm;

# What links lead to, if it is not there: [text](page#section)
sub dead_links
{
	my ($file, $text) = @_;
	my ($folder) = "$top/$file" =~ m{^(.*)/};
	my @dead;

	$text =~ s/^ *```.*?^ *```//gms;
	while ($text =~ /\]\(([^)#:]*)(?:#([^)]*))?\)/g)
	{
		my ($name, $section) = ($1, $2);
		my $page = $name eq '' ? "$top/$file" : "$folder/$name";

		if (!-e $page)
		{
			push @dead, $name;
			next;
		}
		next unless defined $section;
		my %sections = map { lc(s/[^\w\- ]//gr =~ s/ /-/gr) => 1 } slurp_file($page) =~ /^#+ (.*)$/gm;
		push @dead, "$name#$section" unless $sections{$section};
	}
	return @dead;
}

# Of what stands in code, the files and targets that are not there, but for those of a
# version to come and what make bench-growth makes.
sub unknown_names
{
	my ($file, $text, @blocks) = @_;
	my ($folder) = $file =~ m{^(.*/)};
	my @unknown;

	$text =~ s/^ *```.*?^ *```//gms;
	foreach my $code ($text =~ /`([^`]+)`/g, map { $_->{text} } grep { $_->{language} =~ /^(?:sh)?$/ } @blocks)
	{
		push @unknown, grep { !$there{$_} && !$there{ ($folder // '') . $_ } && !/1\.1\.0|^doc\/performance$/ }
		  $code =~ m{(?<![\w./<*-])((?:doc|test|examples|contrib|src|sql|debian)/[\w./-]*\w)(?![*\w])}g;
		push @unknown, $1 if $code =~ /^([\w-]+\.(?:sql|pl|pm|spec|sh|c|h|js|py))$/ && !$basename{$1};
		push @unknown, map { "make $_" } grep { !$target{$_} }
		  $code =~ /\bmake (?:[A-Z_]+=\S+ )*([a-z][\w-]*)/g;
	}
	return @unknown;
}

foreach my $file (sort grep { /\.md$/ } keys %there)
{
	my $text = slurp_file("$top/$file");
	my @blocks = page_blocks("$top/$file");
	my @sql = grep { $_->{language} eq 'sql' } @blocks;
	my $page = $page{$file} // { gives => [] };

	$page = { before => '\set QUIET on', gives => [ ('shown') x @sql ] } if is_tutorial($file);
	my (@commands, @gives);

	is( join(' ', map { "$_->{line}:$_->{language}" } grep { $_->{language} !~ /^(?:|sql|sh|apache|haproxy|nginx|yaml|mermaid)$/ } @blocks),
		'', "$file: each block is in a language that is looked at");
	is( join(' ', map { $_->{line} } grep { $_->{language} eq '' && $_->{text} =~ /^\s*(?:SELECT|INSERT|UPDATE|DELETE|CALL|CREATE|ALTER|BEGIN|GRANT)\b/m } @blocks),
		'', "$file: SQL says that it is SQL");
	is(join(' ', dead_links($file, $text)), '', "$file: each link leads somewhere");
	is(join(' ', unknown_names($file, $text, @blocks)), '', "$file: each file and target of make is there");
	if ($page->{test})
	{
		like(slurp_file("$top/$page->{test}"),
			qr/page_blocks\(.*\Q$file\E/, "$file: $page->{test} runs its SQL");
		next;
	}
	is(scalar @sql, scalar @{ $page->{gives} }, "$file: what each block of SQL gives is known");
	foreach my $block (@sql)
	{
		my $gives = shift @{ $page->{gives} };

		if (ref $gives)
		{
			ok(test_runs($gives->{test}, $file, $block), "$file:$block->{line}: $gives->{test} runs it");
			next;
		}
		push @commands, $block->{text};
		push @gives, [ $block, $gives // '' ];
	}
	next if !@gives;
	unshift @commands, $page->{before};
	my ($before, @output) = run_parts($file, is_tutorial($file) ? tutorial_folder() : $top, @commands);

	unlike($before, qr/ERROR/, "$file: begins as it takes for granted");
	foreach (@gives)
	{
		my ($block, $gives) = @$_;

		is_output(shift @output // 'nothing, psql has ended',
			$gives eq 'shown' ? $block->{output} // '' : $gives,
			"$file:$block->{line}: gives " . ($gives eq 'shown' ? 'what it shows' : 'what it should'));
	}
}
delete @page{ keys %there };
is(join(' ', sort keys %page), '', 'each page in the list is there');

$node->stop;
done_testing();
