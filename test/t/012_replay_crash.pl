# The server dies while proofs are accepted.  No proof whose acceptance was
# answered before is accepted after it, in either store: the logged one knows it
# still, the unlogged one refuses what was made before it began anew.
#
# SCTOKEN_CYCLES: how many crashes of each store.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Prover;
use Test::More;

my $clients = 4;
my $cycles = $ENV{SCTOKEN_CYCLES} || 2;
my $proofs = 6000;	  # of each client in a cycle; more than it comes to
my $htu = 'https://as.example/token';
my %word = (logged => 'replayed', unlogged => 'horizon');
my $horizon_query = q{
SELECT coalesce((SELECT extract(epoch FROM nullif(horizon, '-infinity'))
				 FROM sctoken.dpop_replay_horizon), 0)};

my $node = PostgreSQL::Test::Cluster->new('replay_crash');
$node->init;
$node->append_conf(
	'postgresql.conf', q{
restart_after_crash = on
synchronous_commit = on
wal_writer_delay = '10s'
max_locks_per_transaction = 256
sctoken.lock_timeout = '60s'
sctoken.dpop_max_age = 600
sctoken.dpop_future_skew = 1
});
$node->start;
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION sctoken;
CREATE TABLE held (n serial PRIMARY KEY, proof text);
});

my $key = $node->basedir . '/key.pem';
prover('key', $key);

# Puts proofs made now into the table; returns the number of the first.
sub make_proofs
{
	my ($count) = @_;

	hold_proofs($node, 'proof', $key, 'POST', $htu, '--count', $count);
	return $node->safe_psql('postgres', 'SELECT max(n) FROM held') - $count + 1;
}

sub verdict
{
	my ($n) = @_;

	return "SELECT n || ' ' || coalesce(reason, 'accepted') FROM held, "
	  . "sctoken.dpop_check(proof, 'POST', '$htu') WHERE n = $n;\n";
}

# Sessions that present their lists of proofs, one transaction each, and write
# down what they are answered.
sub start_sessions
{
	my ($name, $settings, @lists) = @_;
	my @sessions;

	foreach my $list (@lists)
	{
		my $script = $node->basedir . "/$name-" . @sessions . '.sql';
		my %one = (journal => "$script.journal");

		unlink $script;
		append_to_file($script,
			$settings->(scalar @sessions) . join('', map { verdict($_) } @$list));
		$one{harness} = IPC::Run::start(
			[
				'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1',
				'-d', $node->connstr('postgres'), '-f', $script
			],
			'<', '/dev/null', '>', $one{journal}, '2>', "$script.err",
			IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));
		push @sessions, \%one;
	}
	return @sessions;
}

# All answers that the sessions got, as pairs of number and word.
sub answers
{
	my @answers;

	foreach my $one (@_)
	{
		# where the server died the connection broke, perhaps within a line
		eval { $one->{harness}->finish; };
		push @answers, slurp_file($one->{journal}) =~ /^(\d+ \w+)\n/mg;
	}
	return @answers;
}

# kill -9 of a backend that is in a check: the others must stop too.
sub kill_backend
{
	my $victim = $node->safe_psql(
		'postgres', q{
SELECT pid FROM pg_stat_activity
WHERE backend_type = 'client backend' AND query LIKE '%sctoken.dpop_check%'
	AND pid <> pg_backend_pid() LIMIT 1});

	kill 'KILL', $victim;
	return;
}

# kill -9 of the postmaster; its orphans end by themselves, and hold the data
# directory until then.
sub kill_server
{
	my $postmaster =
	  (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];

	$node->kill9;
	foreach my $attempt (1 .. 10 * $PostgreSQL::Test::Utils::timeout_default)
	{
		last if !kill(0, $postmaster) && $node->start(fail_ok => 1);
		$node->stop('fast', fail_ok => 1);
		select(undef, undef, undef, 0.1);
	}
	return;
}

foreach my $store ('logged', 'unlogged')
{
	my (%again, %other, $answered, @behind);

	$node->append_conf('postgresql.conf', "sctoken.replay_store = '$store'");
	$node->reload;
	foreach my $cycle (1 .. $cycles)
	{
		my $horizon = $node->safe_psql('postgres', $horizon_query);
		my $first = make_proofs($clients * $proofs);
		my @load = start_sessions(
			"load-$store-$cycle",
			sub { return '' },
			map {
				my $begin = $first + $_ * $proofs;
				[ $begin .. $begin + $proofs - 2 ]
			} 0 .. $clients - 1);

		# the crash comes in the middle
		$node->poll_query_until('postgres', qq{
SELECT count(*) > 200 FROM sctoken.dpop_replay
WHERE tableoid::regclass::text LIKE '%replay_$store%'})
		  or die 'the load did not begin';
		select(undef, undef, undef, rand(0.2));
		$cycle % 2 ? kill_backend() : kill_server();
		my @answers = answers(@load);
		$node->poll_query_until('postgres', 'SELECT true')
		  or die 'the server is not back';

		# all of them again, by several sessions at once that race for what has
		# to be done first; after a loss one of them uses the other store
		my @accepted = map { /^(\d+) accepted$/ ? $1 : () } @answers;
		is(scalar @accepted, scalar @answers,
			"$store store, crash $cycle: every new proof was accepted before it");
		$answered += @accepted;
		foreach my $answer (
			answers(
				start_sessions(
					"again-$store-$cycle",
					sub {
						return $_[0] == 0 && $store eq 'unlogged'
						  ? "LOAD 'sctoken'; SET sctoken.replay_store = 'logged';\n"
						  : '';
					},
					map { [@accepted] } 0 .. $clients - 1)))
		{
			$again{ (split / /, $answer)[1] }++;
		}

		# one that nobody presented
		my $unused = $node->safe_psql('postgres', verdict($first + $proofs - 1));
		$other{ (split / /, $unused)[1] }++;
		push @behind, "$horizon"
		  if ($node->safe_psql('postgres', $horizon_query) > $horizon) !=
		  ($store eq 'unlogged');

		# and one that is made when the horizon is past
		if ($store eq 'unlogged')
		{
			my $moved = $node->safe_psql('postgres', $horizon_query);
			$node->poll_query_until('postgres',
				"SELECT clock_timestamp() > to_timestamp(ceil($moved) + 1)");
		}
		like($node->safe_psql('postgres', verdict(make_proofs(1))),
			qr/ accepted$/, "$store store, crash $cycle: a new proof is accepted");
	}
	is_deeply(
		\%again,
		{ $word{$store} => $answered * $clients },
		"$store store: no proof accepted before $cycles crashes is accepted after them");
	note "$answered proofs";
	is_deeply(
		\%other,
		{ ($store eq 'logged' ? 'accepted' : 'horizon') => $cycles },
		"$store store: one made before and not presented is "
		  . ($store eq 'logged' ? 'accepted' : 'refused'));
	is_deeply(\@behind, [],
		"$store store: the horizon " . ($store eq 'logged' ? 'stays' : 'moves'));
}

# What tells of the unlogged store is on disk before there is a record in it,
# whatever synchronous_commit says.
$node->safe_psql(
	'postgres', q{
CREATE DATABASE young;
});
$node->safe_psql('young', 'CREATE EXTENSION sctoken');
my $young = make_proofs(1);
my $proof =
  $node->safe_psql('postgres', "SELECT proof FROM held WHERE n = $young");
my $check = "SELECT coalesce(reason, 'accepted') FROM sctoken.dpop_check('$proof', 'POST', '$htu')";
is($node->safe_psql('young', "SET synchronous_commit = off; $check"),
	'accepted', 'first use of the unlogged store, synchronous_commit = off');
$node->stop('immediate');
$node->start;
is($node->safe_psql('young', $check), 'horizon', 'its proof is refused after a crash');

$node->stop;
done_testing();
