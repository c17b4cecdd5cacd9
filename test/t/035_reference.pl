# doc/reference.md is what the catalog says, and nothing that a caller sees is
# without a word in doc/.

use strict;
use warnings;
use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $doc = "$FindBin::RealBin/../../doc";
my $node = PostgreSQL::Test::Cluster->new('reference');
$node->init;
$node->append_conf('postgresql.conf', q{shared_preload_libraries = 'sctoken'});
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION sctoken');

# Lines of a query, one value each
sub lines
{
	return split /\n/, $node->safe_psql('postgres', $_[0]);
}

# The names in a list that some text does not have, as code or by themselves
sub absent
{
	my ($text, @names) = @_;

	return join ' ', grep { $text !~ /(?<![\w.])(?:sctoken\.)?\Q$_\E(?!\w)/ } @names;
}

my $generated = "$PostgreSQL::Test::Utils::tmp_check/reference.md";
$node->command_ok(
	[ 'psql', '-XqAt', '-d', $node->connstr('postgres'), '-o', $generated, '-f', "$doc/reference.sql" ],
	'the catalog can be written down');
my $diff = `diff -u '$doc/reference.md' '$generated' 2>&1`;
is($diff, '', 'doc/reference.md is what the catalog says');

my %page = map { m{([^/]+)$} => slurp_file($_) } grep { !m{/reference\.md$} } glob "$doc/*.md";
my $pages = join "\n", values %page;

is(absent($pages, lines(q{
SELECT DISTINCT proname FROM pg_proc
WHERE pronamespace = 'sctoken'::regnamespace AND obj_description(oid) !~ '^Internal: ' ORDER BY 1})),
	'', 'each function stands on a page of its subject too');
is(absent($pages, lines(q{
SELECT relname FROM pg_class
WHERE relnamespace = 'sctoken'::regnamespace AND relkind IN ('r', 'p', 'v') AND NOT relispartition ORDER BY 1})),
	'', 'and each table and view');
is(absent($pages . slurp_file("$doc/../README.md"), lines(q{
SELECT name FROM pg_settings WHERE name ^@ 'sctoken.' ORDER BY 1})),
	'', 'and each setting');

# The comment of a function has each of its arguments, or names one that has.
my %comment = map { split /\t/, $_, 2 } lines(q{
SELECT p.proname || E'\t' || string_agg(translate(obj_description(p.oid), E'\n\t', '  '), ' ')
FROM pg_proc AS p WHERE p.pronamespace = 'sctoken'::regnamespace GROUP BY p.proname});
my @unnamed;

sub whole_comment
{
	my ($function, $depth) = @_;
	my $comment = $comment{$function} // '';

	return $comment if $depth == 0;
	return join ' ', $comment, map { whole_comment($_, $depth - 1) }
	  grep { defined } $comment =~ /\bas (?:by )?(\w+)|^(\w+) on the raw/gi;
}
foreach my $line (lines(q{
SELECT p.proname || ' ' || a.name
FROM pg_proc AS p, unnest(p.proargnames) WITH ORDINALITY AS a (name, n)
WHERE p.pronamespace = 'sctoken'::regnamespace AND coalesce(p.proargmodes[a.n], 'i') IN ('i', 'b', 'v')}))
{
	my ($function, $argument) = split / /, $line;

	next if $comment{$function} =~ /^Internal: /;
	push @unnamed, $line if absent(whole_comment($function, 2), $argument) ne '';
}
is(join(', ', @unnamed), '', 'each argument stands in a comment on its function');

# Words that an answer may have; the other three are told by an ERROR.
my @reasons = grep { !/^(?:name_syntax|x5c_key|internal)$/ }
  slurp_file("$FindBin::RealBin/../../src/core/reason.h") =~ /X\(SCT_\w+, "(\w+)"/g;
cmp_ok(scalar @reasons, '>', 60, 'there are reasons');
is(join(' ', grep { $pages !~ /`\Q$_\E`/ } @reasons), '', 'each reason is explained');

$node->stop;
done_testing();
