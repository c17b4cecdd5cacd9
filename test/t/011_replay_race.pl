# One DPoP proof, presented by 64 sessions at the same moment: it is accepted
# once, whatever the isolation level, and whoever gives up, is stopped or dies.
#
# SCTOKEN_ROUNDS: how many races at each level.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Prover;
use Race;
use Test::More;

my $sessions = 64;
my $rounds = $ENV{SCTOKEN_ROUNDS} || 12;
my $htu = 'https://as.example/token';
my $at = 1700000000;

my $node = PostgreSQL::Test::Cluster->new('replay_race');
$node->init;
$node->append_conf(
	'postgresql.conf', q{
max_connections = 90
max_prepared_transactions = 5
sctoken.lock_timeout = '60s'
});
$node->start;
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION sctoken;
CREATE TABLE held (n serial, proof text);
CREATE TABLE answer (round int, session int, valid boolean, reason text);
});

# A proof for each round and for each single case, by its number.
my $key = $node->basedir . '/key.pem';
prover('key', $key);
hold_proofs($node, 'proof', $key, 'POST', $htu, '--iat', $at, '--count', $rounds * 6 + 20);

sub check
{
	my ($n) = @_;

	return "sctoken.dpop_check((SELECT proof FROM held WHERE n = $n), 'POST', "
	  . "'$htu', at => to_timestamp($at))";
}

# The verdict in a word.
sub verdict
{
	return "SELECT coalesce(reason, 'accepted') FROM " . check(@_);
}

# What one session does in one round, its snapshot taken before the race.
sub presentation
{
	my ($level, $round, $session, $end, $wait) = @_;
	my $gate = $wait ? gate($round) : '';

	return qq{
BEGIN ISOLATION LEVEL $level;
SELECT proof FROM held WHERE n = $round \\gset
$gate
INSERT INTO answer SELECT $round, $session, valid, reason
	FROM sctoken.dpop_check(:'proof', 'POST', '$htu', at => to_timestamp($at));
$end;
};
}

# Lets all sessions loose on the proof of each round; those that "quitters" says
# roll back.  Returns what they wrote to stderr.
sub race
{
	my ($level, $first, $quitters) = @_;
	my $last = $first + $rounds - 1;

	$node->safe_psql('postgres', 'TRUNCATE answer');
	return race_sessions(
		$node,
		$sessions,
		[ $first .. $last ],
		sub {
			my ($round, $session) = @_;

			return presentation($level, $round, $session,
				$quitters->($session) ? 'ROLLBACK' : 'COMMIT', 1);
		});
}

# Repeats the calls that had no answer, as a caller must after 40001.
sub repeat
{
	my ($level, $first, $quitters) = @_;
	my $last = $first + $rounds - 1;
	my $repeated = 0;

	foreach my $pass (1 .. 10)
	{
		my @calls = grep { !$quitters->((split /\|/, $_)[1]) } split /\n/,
		  $node->safe_psql(
			'postgres', qq{
SELECT round, session
FROM generate_series($first, $last) round, generate_series(1, $sessions) session
WHERE NOT EXISTS (SELECT FROM answer a
				  WHERE a.round = round.round AND a.session = session.session)});
		last unless @calls;
		foreach my $call (@calls)
		{
			$node->psql(
				'postgres',
				presentation($level, split(/\|/, $call), 'COMMIT', 0),
				on_error_stop => 0);
			$repeated++;
		}
	}
	return $repeated;
}

my $first = 1;
foreach my $level ('READ COMMITTED', 'REPEATABLE READ', 'SERIALIZABLE')
{
	foreach my $quitting (0, 1)
	{
		# every other session rolls back: it made its proof free again
		my $quitters = sub { return $quitting && $_[0] % 2 };
		my $name = $level . ($quitting ? ', half of them roll back' : '');
		my $stderr = race($level, $first, $quitters);

		if ($level eq 'SERIALIZABLE')
		{
			unlike($stderr, qr/^(?!.*ERROR:  (40001|25P02)$)./m,
				"$name: no error but 40001");
			note repeat($level, $first, $quitters) . ' calls repeated';
		}
		else
		{
			is($stderr, '', "$name: no error");
		}
		is( $node->safe_psql(
				'postgres', q{
SELECT valid, reason, count(*), count(DISTINCT round) FROM answer
GROUP BY 1, 2 ORDER BY 1 DESC}),
			"t||$rounds|$rounds\nf|replayed|"
			  . $rounds * (($quitting ? $sessions / 2 : $sessions) - 1)
			  . "|$rounds",
			"$name: one acceptance in each of $rounds rounds");
		$first += $rounds;
	}
}
is($node->safe_psql('postgres', 'SELECT count(*) FROM sctoken.dpop_replay'),
	6 * $rounds, 'one record for each accepted proof');

# Sessions that are in the middle of a check.  $n: the proof of the case.
my $n = $first;
my $holder = $node->background_psql('postgres');

sub hold
{
	$holder->query_safe('BEGIN');
	return is($holder->query_safe(verdict($n)), 'accepted', $_[0]);
}

# Starts a session that comes to wait for the holder.  Returns the session and its
# process id.
sub start_waiter
{
	my $waiter =
	  $node->background_psql('postgres', on_error_stop => 0, on_error_die => 0);
	my $pid = $waiter->query_safe('SELECT pg_backend_pid()');

	$waiter->query_until(qr/begun/, "\\echo begun\n" . verdict($n) . ";\n");
	$node->poll_query_until('postgres',
		"SELECT count(*) = 1 FROM pg_locks WHERE pid = $pid AND NOT granted")
	  or die 'a session did not wait';
	return ($waiter, $pid);
}

# The answer of a waiter, which has it or is about to.
sub answer
{
	my ($waiter) = @_;
	my $answer = $waiter->query_until(qr/ended/, "\\echo ended\n");

	$waiter->quit;
	return (split /\n/, $answer)[0];
}

# Nobody waits forever.
hold('a proof is presented');
is( $node->safe_psql('postgres',
		"LOAD 'sctoken'; SET sctoken.lock_timeout = '10ms'; " . verdict($n)),
	'busy',
	'sctoken.lock_timeout in the wait: busy');
my ($ret, $stdout, $stderr) = $node->psql('postgres',
	"SET statement_timeout = '100ms'; " . verdict($n));
like($stderr, qr/canceling statement due to statement timeout/,
	'statement_timeout in the wait: the error of the timeout');
($ret, $stdout, $stderr) = $node->psql('postgres',
	"SET lock_timeout = '100ms'; " . verdict($n));
is("$stdout$stderr", 'busy', 'lock_timeout in the wait: busy');
$holder->query_safe('ROLLBACK');
is($node->safe_psql('postgres', verdict($n)),
	'accepted', 'none of them used the proof up');

# A holder that dies.
$n++;
hold('a proof is presented');
my ($waiter) = start_waiter();
$node->safe_psql('postgres',
	q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity
	  WHERE state = 'idle in transaction'});
is(answer($waiter), 'accepted', 'the session that held it is terminated: the next one wins');
eval { $holder->quit; };
is($node->safe_psql('postgres', verdict($n)), 'replayed', 'and once only');

# A waiter that dies.
$n++;
$holder = $node->background_psql('postgres');
hold('a proof is presented');
my $pid;
($waiter, $pid) = start_waiter();
$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
$node->poll_query_until('postgres',
	"SELECT count(*) = 0 FROM pg_stat_activity WHERE pid = $pid");
eval { $waiter->quit; };
$holder->query_safe('COMMIT');
is($node->safe_psql('postgres', verdict($n)),
	'replayed', 'a session that waited is terminated: the first one won');

# A cancelled waiter goes on with its session.
$n++;
hold('a proof is presented');
($waiter, $pid) = start_waiter();
$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
$waiter->query_until(qr/cancelled/, "\\echo cancelled\n");
$holder->query_safe('ROLLBACK');
is(scalar $waiter->query(verdict($n)),
	'accepted', 'a cancelled call can be repeated');
$waiter->quit;

# Savepoints: what is rolled back did not happen, for others at once.
$n++;
$holder->query_safe('BEGIN; SAVEPOINT a');
is($holder->query_safe(verdict($n)), 'accepted', 'a proof is presented after a savepoint');
$holder->query_safe('ROLLBACK TO a');
is($node->safe_psql('postgres', verdict($n)),
	'accepted', 'rolled back to the savepoint: others may present it at once');
is($holder->query_safe(verdict($n)), 'replayed', 'then not this one');
$holder->query_safe('COMMIT');
$n++;
$holder->query_safe('BEGIN; SAVEPOINT a');
is($holder->query_safe(verdict($n)), 'accepted', 'a proof is presented after a savepoint');
$holder->query_safe('RELEASE a; SAVEPOINT b; ROLLBACK TO b');
$holder->query_safe('COMMIT');
is($node->safe_psql('postgres', verdict($n)),
	'replayed', 'a released savepoint holds');

# A prepared transaction would hold the proof with nobody there.
$n++;
($ret, $stdout, $stderr) = $node->psql('postgres',
	'BEGIN; ' . verdict($n) . "; PREPARE TRANSACTION 'sctoken'");
like($stderr, qr/cannot PREPARE a transaction that has used/,
	'PREPARE TRANSACTION is refused');
is($node->safe_psql('postgres', verdict($n)), 'accepted', 'and took the proof back');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_prepared_xacts'),
	0, 'no transaction is left');

# A replayed proof costs no transaction id: a flood of them does not wear out the
# database, and waits for no disk.
is( $node->safe_psql(
		'postgres', 'BEGIN; ' . verdict($n) . '; '
		  . 'SELECT pg_current_xact_id_if_assigned() IS NULL; COMMIT'),
	"replayed\nt",
	'a replay writes nothing');

# A call that was held up so long that the record of its proof may have been
# forgotten does not accept it: here by a wait for a row of the state.
$n++;
$holder->quit;
$node->append_conf(
	'postgresql.conf', q{
sctoken.dpop_max_age = 1
sctoken.dpop_future_skew = 0
});
$node->restart;
$holder = $node->background_psql('postgres');
$holder->query_safe(
	'TRUNCATE sctoken.dpop_replay_store, sctoken.dpop_replay_horizon');
is($node->safe_psql('postgres', verdict($n)), 'accepted', 'a store of a short window');
$n++;
$holder->query_safe('BEGIN; LOCK TABLE sctoken.dpop_replay_store');
($waiter) = start_waiter();
$node->safe_psql('postgres', 'SELECT pg_sleep(2.5)');
$holder->query_safe('COMMIT');
is(answer($waiter), 'busy', 'a call that was held up beyond the life of its proof is busy');
$holder->quit;

$node->stop;
done_testing();
