#!/usr/bin/perl
#
# distributable.pl
#		Finds what would not work where the tables are spread over many servers
#		(contrib/citus): there a table of sctoken is empty on its own, with its rows in
#		other tables, maybe elsewhere, and each statement of ALTER EXTENSION UPDATE
#		comes to every server, to some of them twice.
#
#	distributable.pl FILE...
#	distributable.pl --mistakes FILE...
#
# In a FILE in C: access to a table past SQL.  In a script that updates the extension
# (sctoken--A--B.sql): a column that may be there already, a constraint that is added
# to a table, and numbers that only one server counts.  In any script: those numbers.
# With --mistakes the files are spoilt in each of the ways listed at the end, and what
# is printed are the mistakes that were not found.

use strict;
use warnings;

# Functions that reach a table by other ways than a statement.  Those that make or
# read a row in memory are not among them.
my $access = qr/\b(?:
	(?:try_)?(?:relation|table)_open(?:rv)?(?:_extended)?
	| (?:table|index|systable|heap)_(?:beginscan|getnext|endscan|rescan|open|openrv|close|fetch|parallelscan)\w*
	| (?:table|simple_table|simple_heap|heap|simple_table_tuple|table_tuple)_(?:tuple_)?(?:insert|update|delete|lock|multi_insert|truncate|hot_search|prune|inplace)\w*
	| index_(?:insert|create|build)\w* | CatalogTuple\w+ | Exec(?:SimpleRelation|Insert|Update|Delete|Open)\w+
	| RelationIdGetRelation | RelationGetNumberOfBlocks\w* | ReadBuffer\w* | nextval\w* | currval\w*
	| (?:Conditional)?LockRelation\w* | pg_(?:total_|table_)?relation_size | pg_advisory_\w+
)\b/x;

# Headers that only such access needs.
my $headers = qr{"(?:access/(?:heapam|tableam|table|genam|relation|amapi|hio|nbtree)|storage/bufmgr|utils/tqual|catalog/indexing|executor/executor)\.h"};

# By file, what is allowed all the same, and why.
my %allowed = (
	# Records of proofs belong to the server that accepted them: nobody distributes these tables.
	'replay.c' => [ qw(ConditionalLockRelationOid pg_relation_size) ]);

my @found;

sub check_c
{
	my ($name, $c) = @_;
	my %allow = map { $_ => 1 } @{ $allowed{ $name =~ s{.*/}{}r } // [] };

	# neither comments nor strings: SQL is read by the server
	$c =~ s{/\*.*?\*/}{ $& =~ s/[^\n]//gr }gse;
	while ($c =~ /^[ \t]*#[ \t]*include[ \t]*($headers)/gm)
	{
		push @found, "$name: includes $1";
	}
	$c =~ s{"(?:[^"\\\n]|\\.)*"}{""}g;
	while ($c =~ /($access)/g)
	{
		push @found, "$name: $1" unless $allow{$1};
	}
}

sub check_sql
{
	my ($name, $sql) = @_;
	my $updates = $name =~ m{sctoken--[^/]+--[^/]+\.sql$};

	$sql =~ s{--[^\n]*}{}g;
	$sql =~ s{/\*.*?\*/}{}gs;
	$sql =~ s{'(?:[^']|'')*'}{''}g;
	$sql =~ s{\$([a-z_]*)\$.*?\$\1\$}{}gs;
	foreach my $statement (split /;/, $sql)
	{
		$statement =~ s/^\s+|\s+$//g;
		$statement =~ s/\s+/ /g;
		push @found, "$name: a number that one server counts: $statement"
		  if $statement =~ /\b(?:create (?:unlogged |temp(?:orary)? )?sequence|nextval|generated (?:always|by default) as identity|(?:small|big)?serial\d?)\b/i;
		next unless $updates && $statement =~ /^alter table\b/i;
		push @found, "$name: ADD COLUMN without IF NOT EXISTS: $statement"
		  if $statement =~ /\badd (?!constraint|column if not exists|check|unique|primary|foreign|exclude|generated)/i;
		push @found, "$name: a constraint that is added: $statement"
		  if $statement =~ /\b(?:add (?:constraint|check|unique|primary|foreign|exclude)|references|(?:add column if not exists \w+ [^,]*\b(?:check|unique|primary)\b))\b/i;
		push @found, "$name: more than one change of a table: $statement"
		  if $statement =~ /,\s*(?:add|drop|alter|validate|set|reset|enable|disable)\b/i;
	}
}

# What is found in a file; its text in place of what it holds, if given.
sub check
{
	my ($name, $text) = @_;

	@found = ();
	if ($name =~ /\.sql$/) { check_sql($name, $text) }
	else { check_c($name, $text) }
	return @found;
}

# A mistake, where, and what makes it: put behind the first place that fits.
my @mistakes = (
	[ 'a table that is opened', 'family.c', qr/\n\{\n/, "\tRelation rel = table_open(relid, AccessShareLock);\n" ],
	[ 'its header', 'family.c', qr/#include "sctoken.h"\n/, "#include \"access/table.h\"\n" ],
	[ 'a scan', 'family.c', qr/\n\{\n/, "\tscan = table_beginscan(rel, GetLatestSnapshot(), 0, NULL);\n" ],
	[ 'a scan of an index', 'family.c', qr/\n\{\n/, "\tscan = systable_beginscan(rel, index, true, NULL, 1, key);\n" ],
	[ 'a row that is written', 'audit.c', qr/\n\{\n/, "\tsimple_heap_insert(rel, tuple);\n" ],
	[ 'a row that is locked', 'audit.c', qr/\n\{\n/, "\ttable_tuple_lock(rel, tid, snapshot, slot, cid, mode, policy, 0, NULL);\n" ],
	[ 'a row of the catalog', 'cache.c', qr/\n\{\n/, "\tCatalogTupleUpdate(rel, &tuple->t_self, tuple);\n" ],
	[ 'a lock on a table', 'rotate.c', qr/\n\{\n/, "\tLockRelationOid(relid, ShareLock);\n" ],
	[ "another lock than the replay store's", 'replay.c', qr/\n\{\n/, "\tLockRelationOid(relid, ShareLock);\n" ],
	[ 'a size', 'maintain.c', qr/\n\{\n/, "\tDirectFunctionCall2(pg_relation_size, a, b);\n" ],
	[ 'a sequence', 'issue.c', qr/\n\{\n/, "\tid = nextval_internal(relid, false);\n" ],
	[ "SQL's advisory lock", 'lock.c', qr/\n\{\n/, "\tDirectFunctionCall1(pg_advisory_xact_lock_int8, key);\n" ],
	[ 'a sequence', '.sql', qr/\z/, "\nCREATE SEQUENCE sctoken.n;\n" ],
	[ 'a serial column', '.sql', qr/CREATE TABLE sctoken\.event \(\n/, "    n bigserial,\n" ],
	[ 'an identity', '.sql', qr/CREATE TABLE sctoken\.event \(\n/, "    n bigint GENERATED ALWAYS AS IDENTITY,\n" ],
	[ 'a column', '--', qr/\z/, "\nALTER TABLE sctoken.family ADD COLUMN more text;\n" ],
	[ 'a column, in short', '--', qr/\z/, "\nALTER TABLE sctoken.family\n    ADD more text;\n" ],
	[ 'the second of two columns', '--', qr/\z/, "\nALTER TABLE sctoken.family ADD COLUMN IF NOT EXISTS a text, ADD COLUMN b text;\n" ],
	[ 'a constraint', '--', qr/\z/, "\nALTER TABLE sctoken.family ADD CONSTRAINT more CHECK (retries >= 0);\n" ],
	[ 'a constraint without a name', '--', qr/\z/, "\nALTER TABLE ONLY sctoken.family ADD CHECK (retries >= 0);\n" ],
	[ "a column's constraint", '--', qr/\z/, "\nALTER TABLE sctoken.family ADD COLUMN IF NOT EXISTS more int CHECK (more > 0);\n" ],
	[ 'two changes at once', '--', qr/\z/, "\nALTER TABLE sctoken.family ADD COLUMN IF NOT EXISTS more int, ALTER COLUMN scope SET DEFAULT '';\n" ]);

# Scripts as they are to be, in which nothing is found.
my $good = <<'SQL';
\echo Use "ALTER EXTENSION sctoken UPDATE TO '1.1.0'" to load this file. \quit
-- ADD COLUMN in a comment
ALTER TABLE sctoken.family ADD COLUMN IF NOT EXISTS more integer DEFAULT 1;
ALTER TABLE sctoken.family ALTER COLUMN more SET DEFAULT 2;
COMMENT ON COLUMN sctoken.family.more IS 'ALTER TABLE sctoken.family ADD COLUMN more';
CREATE FUNCTION sctoken.more() RETURNS integer LANGUAGE sql AS 'SELECT 1';
CREATE TABLE sctoken.more (family_id uuid NOT NULL, CONSTRAINT more_pkey PRIMARY KEY (family_id));
CREATE INDEX more_idx ON sctoken.more (family_id);
SQL

my $mistakes = @ARGV && $ARGV[0] eq '--mistakes' && shift @ARGV;
die "usage: $0 [--mistakes] FILE...\n" unless @ARGV;
my %texts;
foreach my $name (@ARGV)
{
	open my $handle, '<', $name or die "$name: $!\n";
	local $/;
	$texts{$name} = <$handle>;
}
if (!$mistakes)
{
	print "$_\n" foreach map { check($_, $texts{$_}) } @ARGV;
	exit;
}

my $update = 'sctoken--1.0.0--1.1.0.sql';
$texts{$update} = $good;
print "found in a good script: $_\n" foreach check($update, $good);
foreach my $mistake (@mistakes)
{
	my ($what, $where, $pattern, $more) = @$mistake;
	my ($name) = $where eq '--' ? $update : grep { $_ ne $update && m{(?:/|\d)\Q$where\E$} } sort keys %texts;

	if (!defined $name || $texts{$name} !~ $pattern)
	{
		print "nothing to make this mistake of: $what\n";
		next;
	}
	my $text = $texts{$name};
	my $before = check($name, $text);
	substr($text, $+[0], 0) = $more if $text =~ $pattern;
	print "not found: $what\n" unless check($name, $text) > $before;
}
