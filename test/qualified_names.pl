#!/usr/bin/perl
#
# qualified_names.pl
#		Finds names that a search_path decides: functions, operators, types, tables
#		and collations without their schema.
#
#	qualified_names.pl FILE...
#	qualified_names.pl --mistakes FILE...
#
# A FILE of SQL is scanned as a whole, and of one in C the strings that are SQL.
# A body in SQL or PL/pgSQL is not looked into, but must run with search_path
# "pg_catalog, pg_temp"; so must whatever is SECURITY DEFINER.  Prints what it
# finds.  With --mistakes the files are spoilt in each of the ways listed at the
# end, and what is printed are the mistakes that were not found.
#
# Types of pg_catalog need no schema: a type has no overloads, and pg_catalog comes
# first in the path of CREATE EXTENSION.  IN, BETWEEN, LIKE, IS DISTINCT FROM, NULLIF,
# CASE with an operand and JOIN .. USING look an operator up by its bare name.

use strict;
use warnings;

my $schemas = qr/^(?:sctoken|pg_catalog)$/;
my $pinned = 'set search_path = pg_catalog , pg_temp';

my %type = map { $_ => 1 } qw(bigint boolean bytea double integer interval json jsonb
  numeric pg_lsn record regclass regrole smallint text timestamptz trigger uuid void);

# Words of SQL that are no names where they stand before a parenthesis.
my %keyword = map { $_ => 1 } qw(all and any array as by case check coalesce
  conflict default distinct do else exists except excluding extract filter for from
  generated greatest grouping group having identity in include including index
  insert interval into is join key lateral least like limit not null numeric of on
  only operator or order over partition primary range list hash references
  return returning returns row select set setof some table then to trim
  union unique update using values varchar view when where with within);

# Words behind which no operand has ended, so that * and - are no operators.
my %opens = map { $_ => 1 } (keys %keyword);
delete @opens{qw(null key row table view)};

# What a FROM list ends with.
my %after_from = map { $_ => 1 } qw(where group order having limit offset fetch
  union except intersect returning for window set on);

my @found;
my $file;
my $elsewhere = {};		# names of WITH in other strings of the file

sub found
{
	my ($token, $text) = @_;

	push @found, "$file:$token->{line}: $text";
}

# Splits SQL into tokens: kind, text, line, and how many parentheses are open.
sub lex
{
	my ($sql, $line) = @_;
	my @tokens;
	my $depth = 0;

	pos($sql) = 0;
	while (pos($sql) < length $sql)
	{
		my $start = pos $sql;
		my ($kind, $text);

		if ($sql =~ m{\G(?:\s+|--[^\n]*|\\[^\n]*)}gc) { }
		elsif ($sql =~ m{\G/\*.*?\*/}gcs) { }
		elsif ($sql =~ m{\G[eE]?'((?:[^']|'')*)'}gc) { ($kind, $text) = ('string', $1) }
		elsif ($sql =~ m{\G(\$[a-z_]*\$)(.*?)\1}gcs) { ($kind, $text) = ('body', $2) }
		elsif ($sql =~ m{\G(?:%[a-z][\w%]*|\$\d+)}gc) { ($kind, $text) = ('hole', $&) }
		elsif ($sql =~ m{\G"([^"]*)"}gc) { ($kind, $text) = ('name', $1) }
		elsif ($sql =~ m{\G[A-Za-z_][\w%]*}gc) { ($kind, $text) = ('name', lc $&) }
		elsif ($sql =~ m{\G\d[\d.]*}gc) { ($kind, $text) = ('number', $&) }
		elsif ($sql =~ m{\G(?:::|:=|[.,;()\[\]:])}gc) { ($kind, $text) = ('mark', $&) }
		elsif ($sql =~ m{\G[-+*/<>=~!@#%^&|`?]+}gc) { ($kind, $text) = ('operator', $&) }
		else { die "$file: cannot read " . substr($sql, $start, 20) . "\n" }

		if (defined $kind)
		{
			$depth-- if $text eq ')' && $kind eq 'mark';
			push @tokens, { kind => $kind, text => $text, line => $line, depth => $depth };
			$depth++ if $text eq '(' && $kind eq 'mark';
		}
		$line += () = substr($sql, $start, pos($sql) - $start) =~ /\n/g;
	}
	return @tokens;
}

my @t;		# the tokens of a statement

# The text of a token, if it has that kind; else the empty string.
sub text
{
	my ($i, $kind) = @_;

	return '' if $i < 0 || $i > $#t;
	return '' if defined $kind && $t[$i]{kind} ne $kind;
	return $t[$i]{text};
}

sub is
{
	my ($i, @texts) = @_;

	return grep { text($i) eq $_ } @texts if $i >= 0 && $i <= $#t && $t[$i]{kind} ne 'string';
	return 0;
}

# Is the name at $i, of which a part before it may be the schema, found whatever the
# path is?
sub qualified
{
	my ($i) = @_;

	return 1 if $t[$i]{kind} eq 'hole';
	return text($i) =~ $schemas && is($i + 1, '.');
}

sub must_be_qualified
{
	my ($i, $what) = @_;

	return if $i > $#t || $t[$i]{kind} !~ /^(?:name|hole)$/ || qualified($i);
	found($t[$i], "$what " . join('', map { text($_) } $i .. $i + 2 * is($i + 1, '.')));
}

sub must_be_type
{
	my ($i) = @_;

	return if $i > $#t || $t[$i]{kind} ne 'name' || $type{ text($i) };
	must_be_qualified($i, 'type');
}

# The types in a list of arguments that begins behind $i; named: each has a name.
sub check_arguments
{
	my ($i, $named) = @_;
	my $depth = $t[$i]{depth} + 1;
	my $begins = 1;

	for ($i++; $i <= $#t && $t[$i]{depth} >= $depth; $i++)
	{
		if ($begins)
		{
			$i++ if is($i, qw(in out inout variadic));
			$i++ if $named;
			must_be_type($i);
			$begins = 0;
		}
		$begins = 1 if $t[$i]{depth} == $depth && is($i, ',');
	}
}

# The columns of a table or a composite type
sub check_columns
{
	my ($i) = @_;
	my $depth = $t[$i]{depth} + 1;
	my $begins = 1;

	for ($i++; $i <= $#t && $t[$i]{depth} >= $depth; $i++)
	{
		must_be_type($i + 1)
		  if $begins && !is($i, qw(constraint primary unique check foreign exclude like));
		$begins = $t[$i]{depth} == $depth && is($i, ',');
	}
}

sub check_function
{
	my $texts = join ' ', map { $_->{kind} eq 'string' ? "'" : $_->{text} } grep { $_->{kind} ne 'body' } @t;
	my ($language) = $texts =~ / language (\S+)/i;
	my $path = index($texts, $pinned) >= 0 && $texts !~ /\Q$pinned\E ,/;

	found($t[0], text(4) . ' is SECURITY DEFINER without ' . $pinned)
	  if $texts =~ / security definer/ && !$path;
	found($t[0], text(4) . " is a body that runs without $pinned")
	  if ($language // '') ne 'c' && !$path;
	check_arguments(5, 1) if is(5, '(');
	for my $i (0 .. $#t)
	{
		next unless is($i, 'returns');
		must_be_type($i + 1 + is($i + 1, 'setof')) unless is($i + 1, 'table');
		check_arguments($i + 2, 1) if is($i + 1, 'table');
	}
}

# Names of WITH in this statement; a macro may hold the rest of one.
sub with_names
{
	my %names = %$elsewhere;

	for my $i (1 .. $#t)
	{
		my $end = $i + 1;

		next unless is($i - 1, 'with', 'recursive', ',') && text($i, 'name') ne '';
		if (is($end, '('))
		{
			$end++ while $end < $#t && !($t[$end]{depth} == $t[$i]{depth} && is($end, ')'));
			$end++;
		}
		$names{ text($i) } = 1 if is($end, 'as') && is($end + 1, '(');
	}
	return %names;
}

# Has an operand ended before $i?
sub operand_before
{
	my ($i) = @_;

	return 0 if $i == 0 || is($i - 1, '(', ',', '[', '::');
	return 0 if $t[ $i - 1 ]{kind} eq 'operator';
	return !($t[ $i - 1 ]{kind} eq 'name' && $opens{ text($i - 1) });
}

sub check_statement
{
	my $first = join ' ', map { text($_) } 0 .. 1;
	my %with = with_names();
	my @around;			# what stands before each open parenthesis
	my @from;			# does a FROM list go on at this depth?
	my $assigns = -1;	# depth of a SET list in which a column comes next
	my $expect = 0;		# does a table come next?

	if ($first =~ /^create (?:function|procedure)$/)
	{
		# four tokens with the dot: create function schema . name
		check_function();
	}
	elsif ($first eq 'alter function' || $first eq 'alter procedure' || $first eq 'alter routine')
	{
		found($t[0], "$first: what a function may do belongs in its CREATE")
		  if grep { is($_, qw(security set reset)) } 2 .. $#t;
	}
	found($t[0], 'a body that runs without ' . $pinned) if is(0, 'do') && grep { $_->{kind} eq 'body' } @t;
	if ($first eq 'create table' || $first eq 'create unlogged' || $first eq 'create type')
	{
		my ($list) = grep { is($_, '(') && $t[$_]{depth} == 0 } 0 .. $#t;
		my $of = grep { is($_, 'of') && is($_ - 1, 'partition') } 0 .. $#t;

		check_columns($list) if defined $list && !$of;
	}

	for my $i (0 .. $#t)
	{
		my $token = $t[$i];
		my ($kind, $text, $depth) = @$token{qw(kind text depth)};
		my $called = is($i + 1, '(');

		if ($kind eq 'mark' && $text eq '(')
		{
			push @around, text($i - 1, 'name');
			$expect = 0;
		}
		elsif ($kind eq 'mark' && $text eq ')')
		{
			pop @around;
			$from[ $depth + 1 ] = 0;
			$assigns = -1 if $assigns > $depth;
		}
		elsif ($kind eq 'mark' && $text eq ',')
		{
			$expect = 1 if $from[$depth];
			$assigns = $depth if $assigns == -2 - $depth;
		}
		elsif ($kind eq 'mark' && $text eq '::') { must_be_type($i + 1) }
		elsif ($kind eq 'operator')
		{
			if (is($i - 1, '.') && is($i - 3, '(') && is($i - 4, 'operator'))
			{
				found($token, "operator $text of schema " . text($i - 2)) unless text($i - 2) =~ $schemas;
			}
			elsif ($text eq '=' && $assigns == $depth) { $assigns = -2 - $depth }
			elsif ($text eq '=' && @around && $around[-1] eq 'with') { }
			elsif ($text eq '=>') { }
			elsif ($text eq '*' && (!operand_before($i) || is($i - 1, '.'))) { }
			elsif ($text eq '-' && !operand_before($i) && text($i + 1, 'number') ne '') { }
			else { found($token, "operator $text") }
		}
		next unless $kind eq 'name' || $kind eq 'hole';

		# the first part of a name, of which the rest is looked at with it
		next if is($i - 1, '.');
		my $last = $i;
		$last += 2 while is($last + 1, '.') && text($last + 2) ne '';
		$called = is($last + 1, '(');

		if ($expect && !is($i, qw(lateral only rows)))
		{
			must_be_qualified($i, 'table')
			  unless $called || $with{$text} || is($i, qw(public select values %s));
			$expect = 0;
		}
		if ($called && $last > $i)
		{
			found($token, "schema $text") unless $text =~ $schemas || is($i - 1, 'as');
		}
		elsif ($called && $kind eq 'name' && !$keyword{$text} && !$type{$text} &&
			!$with{$text} && !is($i - 1, 'as', 'constraint'))
		{
			found($token, "function $text()");
		}
		check_arguments($last + 1, 0)
		  if $called && $last > $i && $first =~ /^(?:comment|revoke|grant|alter|drop) / &&
		  !grep { is($_, 'column') } 0 .. $i;
		must_be_type($i) if $kind eq 'name' && $last == $i && $i < $#t && $t[ $i + 1 ]{kind} eq 'string' &&
		  !is($i, qw(as is default then else when and or select like language in returning values on by
		  to from with all notify comment %s));

		# operators under other names
		found($token, uc $text) if is($i, qw(between ilike similar nullif natural overlaps)) && !is($i - 1, '.');
		found($token, 'LIKE') if $text eq 'like' && !is($i - 1, '(');
		found($token, 'IN') if $text eq 'in' && $called && !is($i - 1, 'values');
		found($token, 'IS DISTINCT FROM')
		  if $text eq 'distinct' && (is($i - 1, 'is') || (is($i - 1, 'not') && is($i - 2, 'is')));
		found($token, 'CASE with an operand') if $text eq 'case' && !is($i + 1, 'when');
		found($token, 'JOIN .. USING') if $text eq 'using' && $called && $first !~ /^create index/;
		must_be_qualified($i + 1, 'collation') if $text eq 'collate';

		# what names a table
		if ($text eq 'from' && !is($i - 1, 'distinct') && $first !~ /^(?:revoke|grant) / &&
			!is($i - 1, 'values') && !(@around && $around[-1] =~ /^(?:extract|substring|trim|overlay)$/))
		{
			$expect = $from[$depth] = 1;
		}
		elsif ($text eq 'using' && is(0, 'delete', 'with') && !$called) { $expect = $from[$depth] = 1 }
		elsif ($text eq 'join' || $text eq 'into' || $text eq 'references') { $expect = 1 }
		elsif ($text eq 'update' && !is($i - 1, qw(for key or before after on do)) &&
			!is($i + 1, qw(or on for of)) && !is($i - 2, qw(grant revoke)) && $first !~ /^(?:grant|revoke)/)
		{
			$expect = 1;
		}
		elsif ($text eq 'of' && is($i - 1, 'partition')) { $expect = 1 }
		elsif ($text eq 'partition' && is($i - 1, 'attach', 'detach')) { $expect = 1 }
		elsif (is($i, qw(table view type sequence function procedure routine)) && !is($i - 1, qw(execute returns)) &&
			$i <= 3)
		{
			$expect = 1 unless is($i, 'table') && is($i - 1, 'returns');
		}
		elsif ($text eq 'column' && is($i - 1, 'on')) { $expect = 1 }
		elsif ($text eq 'on' && $first =~ /^create (?:index|unique|trigger|rule|policy)/ &&
			!grep { is($_, 'on') } 0 .. $i - 1)
		{
			$expect = 1;
		}
		$from[$depth] = 0 if $after_from{$text};
		$assigns = $depth if $text eq 'set' && !is($i - 1, 'on');
		$assigns = -1 if $after_from{$text} && $text ne 'set' && $text ne 'on';
		$assigns = -1 if $text eq 'from';
	}
}

sub check_sql
{
	my ($sql, $line) = @_;
	my @all = lex($sql, $line);

	@t = ();
	foreach my $token (@all, { kind => 'mark', text => ';', depth => 0, line => 0 })
	{
		if ($token->{kind} eq 'mark' && $token->{text} eq ';')
		{
			check_statement() if @t;
			@t = ();
		}
		else { push @t, $token }
	}
}

# The strings of a source in C that are SQL.  Those side by side are one, and what
# stands between them, a macro or its argument, is a hole.
sub check_c
{
	my ($c) = @_;

	$c =~ s{/\*.*?\*/}{ $& =~ s/[^\n]//gr }gse;
	$elsewhere = { map { $_ => 1 } $c =~ /"[^"\n]*(?:\bWITH|,)\s+(\w+)\s+AS \(/g };
	while ($c =~ m{("(?:[^"\\\n]|\\.)*"(?:[\s\\]*(?:[a-z_]+[\s\\]*)?"(?:[^"\\\n]|\\.)*")*)}g)
	{
		my $strings = $1;
		my $line = 1 + (() = substr($c, 0, $-[0]) =~ /\n/g);
		my $sql = '';

		while ($strings =~ m{"((?:[^"\\\n]|\\.)*)"([^"]*)}g)
		{
			my ($string, $between) = ($1, $2);

			$string =~ s{\\(.)}{$1 eq 'n' ? "\n" : $1}ge;
			$sql .= $string;
			$sql .= '%s' if $between =~ /[a-z]/;
			$sql .= $between =~ s/[^\n]//gr;
		}
		next unless $sql =~ /^\s*(?:WITH|SELECT|INSERT INTO|UPDATE|DELETE FROM|LOCK TABLE|CREATE|ALTER|DROP|GRANT|REVOKE)\s/ ||
		  $sql =~ /\b(?:FROM|WHERE|AND|SET|OPERATOR)\b.*[\$.%]/s;
		check_sql($sql, $line);
	}
	$elsewhere = {};
}

# What is found in files; their texts in place of what they hold, if given.
sub check
{
	my ($texts, @files) = @_;

	@found = ();
	foreach my $name (@files)
	{
		$file = $name;
		if ($name =~ /\.sql$/) { check_sql($texts->{$name}, 1) }
		else { check_c($texts->{$name}) }
	}
	return @found;
}

# A mistake, and what makes it: of the first place that fits.
my @mistakes = (
	[ 'a function in a CHECK', qr/pg_catalog\.(octet_length\(secret)/, '$1' ],
	[ 'a function in a default', qr/DEFAULT pg_catalog\.(clock)/, 'DEFAULT $1' ],
	[ 'a function in an index', qr/pg_catalog\.(sha256\(der)/, '$1' ],
	[ 'a function of a trigger', qr/(EXECUTE FUNCTION )sctoken\./, '$1' ],
	[ 'a function in FROM', qr/(LATERAL )sctoken\./, '$1' ],
	[ 'a function of another schema', qr/pg_catalog(\.octet_length)/, 'public$1' ],
	[ 'an operator in a CHECK', qr/OPERATOR\(pg_catalog\.(>=)\)( 0)/, '$1$2' ],
	[ 'an operator in a view', qr/(f\.id )OPERATOR\(pg_catalog\.(=)\)/, '$1$2' ],
	[ 'an operator in an index', qr/(binding )OPERATOR\(pg_catalog\.(->>)\)/, '$1$2' ],
	[ 'an operator of another schema', qr/(OPERATOR\()pg_catalog/, '$1public' ],
	[ 'IN', qr/OPERATOR\(pg_catalog\.=\) ANY \(ARRAY\[('if_present', 'leaf', 'chain')\]\)/, 'IN ($1)' ],
	[ 'BETWEEN', qr/(max_depth )OPERATOR\(pg_catalog\.>=\) 0 AND max_depth OPERATOR\(pg_catalog\.<=\) 8/, '$1BETWEEN 0 AND 8' ],
	[ 'LIKE', qr/OPERATOR\(pg_catalog\.~\)( '\^\[A-Z)/, 'LIKE$1' ],
	[ 'CASE with an operand', qr/CASE WHEN (f\.revoke_reason) OPERATOR\(pg_catalog\.=\)/, 'CASE $1 WHEN' ],
	[ 'a table in a view', qr/(FROM )sctoken\.(event AS)/, '$1$2' ],
	[ 'a second table in a view', qr/(FROM sctoken\.family AS f,)/, '$1 event,' ],
	[ 'a joined table', qr/(JOIN )sctoken\.(family AS)/, '$1$2' ],
	[ 'a table that is made', qr/(CREATE TABLE )sctoken\.(family \()/, '$1$2' ],
	[ 'a table of partitions', qr/(PARTITION OF )sctoken\./, '$1' ],
	[ 'a table that is referred to', qr/(    CONSTRAINT trust_anchor_kind_check)/,
		'    FOREIGN KEY (set_name) REFERENCES trust_anchor_set (name),$1' ],
	[ 'a table of a trigger', qr/(AFTER TRUNCATE ON )sctoken\./, '$1' ],
	[ 'a type that is returned', qr/(RETURNS )sctoken\.(grant_result)/, '$1$2' ],
	[ 'a type of a column', qr/(    subject )text( NOT)/, '$1citext$2' ],
	[ 'a type of an argument', qr/(\n    subject )text,/, '$1citext,' ],
	[ 'a type of a cast', qr/(\)::)bigint( AS distance)/, '$1mine$2' ],
	[ 'a body without a path', qr/\nSET search_path = pg_catalog, pg_temp/, '' ],
	[ 'a body with another path', qr/(SET search_path = )pg_catalog(, pg_temp)/, '$1public$2' ],
	[ 'SECURITY DEFINER without a path', qr/(LANGUAGE C VOLATILE)/, '$1 SECURITY DEFINER' ],
	[ 'SECURITY DEFINER later on', qr/\z/, "\nALTER FUNCTION sctoken.introspect(text, pg_lsn) SECURITY DEFINER;" ],
	[ 'a body in DO', qr/\z/, "\nDO \$\$ BEGIN PERFORM now(); END \$\$;" ],
	[ 'a function in C', qr/pg_catalog\.(max\(expires_at\))/, '$1', 'src/maintain.c' ],
	[ 'an operator in C', qr/OPERATOR\(pg_catalog\.(<=)\)( \$2)/, '$1$2', 'src/maintain.c' ],
	[ 'a table in C', qr/(FROM )sctoken\.(server_secret)/, '$1$2', 'src/secret.c' ],
	[ 'a table that C updates', qr/(UPDATE )sctoken\./, '$1', 'src/secret.c' ],
	[ 'a type in C', qr/(::)pg_catalog\.text/, '$1citext', 'src/maintain.c' ],
	[ 'a collation in C', qr/(COLLATE )pg_catalog\./, '$1', 'src/maintain.c' ]);

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
	print "$_\n" foreach check(\%texts, @ARGV);
	exit;
}

my ($script) = grep { /\.sql$/ } @ARGV;
my %before = map { $_ => scalar(() = check(\%texts, $_)) } @ARGV;
foreach my $mistake (@mistakes)
{
	my ($what, $pattern, $replacement, $name) = @$mistake;
	my $text;

	$name //= $script;
	next unless exists $texts{$name};
	$text = $texts{$name};
	if ($text !~ $pattern)
	{
		print "nothing to make this mistake of: $what\n";
		next;
	}
	my @part = ($1 // '', $2 // '');
	my ($from, $to) = ($-[0], $+[0]);
	my $new = $replacement =~ s/\$([12])/$part[$1 - 1]/gr;
	substr($text, $from, $to - $from) = $new;
	print "not found: $what\n" unless check({ $name => $text }, $name) > $before{$name};
}
