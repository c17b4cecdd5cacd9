# Catalog: what an extension has made of a database, as text, to be compared.

package Catalog;

use strict;
use warnings;
use Exporter 'import';
use PostgreSQL::Test::Utils;

our @EXPORT = qw(catalog differences);

# All members of extension sctoken, with owner, privileges, comments and all: what
# pg_dump writes for pg_upgrade, but for what differs from one database to the other.
sub catalog
{
	my ($node, $database) = @_;
	my ($dump, $stderr) = run_command(
		[
			'pg_dump', '--binary-upgrade', '--schema-only',
			'--dbname' => $node->connstr($database)
		]);
	my $tables = $node->safe_psql(
		$database, q{
SELECT extversion, extrelocatable, extowner::regrole, extconfig::regclass[], extcondition
FROM pg_extension WHERE extname = 'sctoken'});

	die "pg_dump: $stderr" if !$dump;
	# Random in newer versions of pg_dump
	$dump =~ s/^\\(?:un)?restrict .*\n//gm;
	$dump =~ s/^SELECT pg_catalog\.binary_upgrade_(?!.*add_member).*?;\n//gms;
	$dump =~ s/^UPDATE pg_catalog\.pg_class\nSET relfrozenxid .*?;\n//gms;
	$dump =~ s/^(?:--.*)?\n//gm;
	return "$tables\n$dump";
}

# What only one of two of them has: lines of diff, none where they are the same.
sub differences
{
	my @files = map { PostgreSQL::Test::Utils::tempdir() . "/$_" } 'was', 'is';

	append_to_file($files[$_], $_[$_]) foreach 0, 1;
	my ($diff, $stderr) = run_command([ 'diff', '-U0', @files ]);

	die "diff: $stderr" if $stderr;
	return join "\n", grep { /^[-+]/ && !/^(?:---|\+\+\+) / } split /\n/, $diff;
}

1;
