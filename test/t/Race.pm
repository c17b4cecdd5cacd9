# Sessions that start each round together, for the tests of races.

package Race;

use strict;
use warnings;
use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(gate race_sessions);

# What a session runs to wait until all others are there too.
sub gate
{
	my ($round) = @_;

	return "SELECT pg_advisory_xact_lock_shared($round);";
}

# Runs sessions 1 to the given number through all rounds.  "script" gives, for a
# round and a session, its commands, of which one is the gate.  Returns what all
# wrote to stderr.
sub race_sessions
{
	my ($node, $sessions, $rounds, $script, $database) = @_;
	$database //= 'postgres';
	my $keeper = $node->background_psql($database);
	my (@harness, @err);

	$keeper->query_safe("SELECT pg_advisory_lock($_)") foreach @$rounds;
	foreach my $session (1 .. $sessions)
	{
		my $file = $node->basedir . "/session_$session.sql";

		unlink $file;
		append_to_file($file,
			join('',
				"\\set VERBOSITY sqlstate\n",
				map { $script->($_, $session) } @$rounds));
		$err[$session] = '';
		push @harness,
		  IPC::Run::start(
			[ 'psql', '-XAtq', '-d', $node->connstr($database), '-f', $file ],
			'<', '/dev/null',
			'>', '/dev/null',
			'2>', \$err[$session],
			IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
	}

	foreach my $round (@$rounds)
	{
		$node->poll_query_until(
			$database, qq{
SELECT count(*) = $sessions FROM pg_locks
WHERE locktype = 'advisory' AND objsubid = 1 AND objid = $round AND NOT granted})
		  or die "the sessions did not gather for round $round";
		$keeper->query_safe("SELECT pg_advisory_unlock($round)");
	}
	$_->finish foreach @harness;
	$keeper->quit;
	return join '', grep { defined } @err;
}

1;
