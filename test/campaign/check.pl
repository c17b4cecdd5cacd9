#!/usr/bin/perl
# check.pl: reads what a campaign left in a folder, the journals of its clients
# (call.h) and copies of the tables (Campaign.pm), and prints how often each rule
# was observed and how often it was broken.  Oracle.pm has the rules.
#
# Status 0: none was; 1: one was; another: nothing can be said.
#
# usage: check.pl FOLDER

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use Oracle qw(check_subject check_rows check_other verdicts found_committed);

my $folder = shift or die "usage: check.pl FOLDER\n";

my @call_words = qw(name begin operation subject client family generation token with
  jti made level end_of_block async);
my @answer_words =
  qw(name end status sqlstate outcome reason new_family new_generation new_token);

# The rows of a table: hashes, by the first column.  What is true is 1.
sub table
{
	my ($name, @columns) = @_;
	my %rows;

	open(my $file, '<', "$folder/$name") or die "$folder/$name: $!\n";
	while (my $line = <$file>)
	{
		chomp $line;
		my %row;
		@row{@columns} = map { $_ eq 't' ? 1 : $_ eq 'f' ? 0 : $_ } split /\t/, $line, -1;
		die "$folder/$name: not a row: $line\n" if grep { !defined } @row{@columns};
		$rows{ $row{ $columns[0] } } = \%row;
	}
	return \%rows;
}

# Joins each call with its answer, sorted by subject, in a file of one call a line.
# Gives the end of the last one that had a proof.
sub join_journals
{
	my @journals = glob "$folder/journal.*";
	my $last = 0;

	die "there are no journals in $folder\n" unless @journals;
	local $ENV{LC_ALL} = 'C';
	open(my $sorted, '|-', 'sort', '-n', '-T', $folder, '-o', "$folder/calls")
	  or die "sort: $!\n";
	foreach my $journal (@journals)
	{
		my $call;

		open(my $file, '<', $journal) or die "$journal: $!\n";
		while (my $line = <$file>)
		{
			die "$journal: the last line is not complete\n" unless chomp $line;
			if ($line =~ s/^>\t//)
			{
				die "$journal: no answer to $call\n" if defined $call;
				$call = $line;
				next;
			}
			die "$journal: not a line: $line\n"
			  unless defined $call && $line =~ s/^<\t//;
			my ($subject, $jti) = (split /\t/, $call)[ 3, 9 ];
			my $end = (split /\t/, $line)[1];

			$last = $end if $jti ne '-' && $end > $last;
			print $sorted "$subject\t$call\t$line\n" or die "sort: $!\n";
			undef $call;
		}
		die "$journal: no answer to $call\n" if defined $call;
	}
	close($sorted) or die "sort failed\n";
	return $last;
}

# In a word, what a call came to.
sub answer_of
{
	my ($call) = @_;

	return $call->{status} eq 'failed' ? "error $call->{sqlstate}"
	  : $call->{status} ne 'committed' ? $call->{status}
	  : $call->{outcome} eq 'refused' ? $call->{reason}
	  : $call->{operation} eq 'revoke_subject' ? 'revoked'
	  : $call->{outcome};
}

# Hands all calls of a subject to the oracle; counts them.
sub check_calls
{
	my ($late) = @_;
	my (@calls, %count, %proof);
	my $subject = '';

	open(my $file, '<', "$folder/calls") or die "$folder/calls: $!\n";
	while (my $line = <$file>)
	{
		chomp $line;
		my ($of, @words) = split /\t/, $line, -1;
		my %call;

		die "not a call: $line\n" unless @words == @call_words + @answer_words;
		@call{ @call_words, @answer_words } = @words;
		die "not the answer to this call: $line\n" if $words[0] ne $words[@call_words];
		$call{text} = join ' ', @words;
		if ($of ne $subject)
		{
			check_subject(@calls);
			@calls = ();
			$subject = $of;
		}
		push @calls, \%call;

		$count{calls}++;
		$count{ $call{status} }++;
		$count{ $call{level} }++;
		$count{answers}{ $call{operation} }{ answer_of(\%call) }++;
		$proof{ $call{jti} } = 1 if $call{jti} ne '-' && $call{end} >= $late;
	}
	check_subject(@calls);
	return (\%count, scalar keys %proof);
}

my $settings = { map { $_->{name} => $_->{value} } values %{ table('settings', qw(name value)) } };
my $families = table('families',
	qw(id client_id subject grant_id bound generation token previous salt retries
	  revoked reason issued rotated generations newest replayed alarms revocations));

check_rows(
	table('policies',
		qw(client_id client_type retry_window retry_until_confirmed max_retries on_reuse)),
	$settings, $families);

# Tables of stored proofs are emptied when nothing in them can count (doc/dpop.md): a
# window, and the second by which records are kept longer.
my $window = $settings->{dpop_max_age} + 2 * $settings->{dpop_future_skew} + 1_000_000;
my ($count, $proofs_of_late) =
  check_calls(join_journals() - 4 * $window);
my $damage = table('damage', qw(relation verdict));

check_other({ map { $_->{relation} => $_->{verdict} } values %$damage },
	$proofs_of_late);

printf "%d calls, of %d families: %d committed, %d undone by the caller, %d failed with an"
  . " error, %d cut off before their commit, %d lost with it\n",
  $count->{calls}, scalar keys %$families,
  map { $count->{$_} // 0 } qw(committed undone failed cut lost);
printf "at READ COMMITTED %d, REPEATABLE READ %d, SERIALIZABLE %d;"
  . " %d rotations answered, %d of those lost found done\n",
  (map { $count->{$_} // 0 } qw(read repeatable serializable)),
  $count->{answers}{rotate}{rotated} // 0, found_committed();
foreach my $operation (sort keys %{ $count->{answers} })
{
	my $answers = $count->{answers}{$operation};

	print "$operation: ",
	  join(', ',
		map { "$_ $answers->{$_}" }
		  sort { $answers->{$b} <=> $answers->{$a} || $a cmp $b } keys %$answers), "\n";
}
print "\n";
printf "%-10s  %-4s %-2s  %-66s %9s %7s\n", 'rule', 'inv.', '', '', 'observed', 'broken';
my $broken = 0;
foreach my $verdict (verdicts())
{
	my ($rule, $invariant, $other, $text, $observed, $violations, $examples) = @$verdict;

	printf "%-10s  %-4s %-2s  %-66s %9d %7d\n", $rule, $invariant, $other, $text, $observed,
	  $violations;
	print "\t$_\n" foreach @$examples;
	$broken += $violations;
}
print "\n$broken violations\n";
exit($broken == 0 ? 0 : 1);
