# A flood of valid proofs, and ten windows with nothing but dpop_check: the tables
# and their indexes are as small as before.  Nobody who holds a lock on them makes
# a call wait.
#
# Time is the argument "at", so that no window has to be waited for.
# SCTOKEN_FLOOD: how many proofs.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Prover;
use Test::More;

my $flood = $ENV{SCTOKEN_FLOOD} || 10000;
my $clients = 4;
my $windows = 10;
my $htu = 'https://as.example/token';
my $begin = 1700000000;
my $window = 32;	  # max age 30 s, no skew, 1 s of margin, and one more

my $node = PostgreSQL::Test::Cluster->new('replay_growth');
$node->init;
$node->append_conf(
	'postgresql.conf', q{
autovacuum = off
synchronous_commit = off
sctoken.dpop_max_age = 30
sctoken.dpop_future_skew = 0
});
$node->start;
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION sctoken;
CREATE TABLE held (n serial PRIMARY KEY, proof text);

-- Each call in a transaction of its own, as it comes.
CREATE PROCEDURE present(begin integer, last integer, at timestamptz)
LANGUAGE plpgsql AS $$
DECLARE
	verdict text;
BEGIN
	FOR i IN begin .. last LOOP
		SELECT coalesce(reason, 'accepted') INTO verdict FROM held,
			sctoken.dpop_check(proof, 'POST', 'https://as.example/token', at => present.at)
			WHERE n = i;
		IF verdict IS DISTINCT FROM 'accepted' THEN
			RAISE EXCEPTION 'proof % was %', i, verdict;
		END IF;
		COMMIT;
	END LOOP;
END $$;
});

my $key = $node->basedir . '/key.pem';
prover('key', $key);

# Proofs of some window; returns the numbers of the first and the last.
sub make_proofs
{
	my ($count, $at) = @_;

	hold_proofs($node, 'proof', $key, 'POST', $htu, '--iat', $at, '--count', $count);

	my $last = $node->safe_psql('postgres', 'SELECT max(n) FROM held');
	return ($last - $count + 1, $last);
}

# A few calls in a window, each by a session of its own, as after a while without.
sub trickle
{
	my ($at) = @_;
	my ($first, $last) = make_proofs(3, $at);

	foreach my $n ($first .. $last)
	{
		# where it had to wait it would end with an error
		$node->safe_psql('postgres',
			"SET statement_timeout = '60s'; CALL present($n, $n, to_timestamp($at))");
	}
	return;
}

# Bytes of the tables, indexes and all else.
sub size
{
	my ($store) = @_;

	return $node->safe_psql(
		'postgres', qq{
SELECT sum(pg_total_relation_size(oid)) FROM pg_class
WHERE relkind = 'r' AND relname LIKE 'dpop_replay_${store}__'});
}

sub records
{
	my ($store) = @_;

	return $node->safe_psql(
		'postgres', qq{
SELECT count(*) FROM sctoken.dpop_replay
WHERE tableoid::regclass::text LIKE '%replay_${store}__'});
}

my $at = $begin;
foreach my $store ('logged', 'unlogged')
{
	$node->append_conf('postgresql.conf', "sctoken.replay_store = '$store'");
	$node->restart;

	# in use, and next to empty
	foreach my $n (1 .. 3)
	{
		trickle($at);
		$at += $window;
	}
	my $empty = size($store);

	# the flood, by several sessions
	my ($first, $last) = make_proofs($flood, $at);
	my $share = int(($last - $first) / $clients) + 1;
	my @harness = map {
		my $from = $first + $_ * $share;
		my $to = $from + $share - 1 > $last ? $last : $from + $share - 1;

		IPC::Run::start(
			[
				'psql', '-XAtq', '-v', 'ON_ERROR_STOP=1',
				'-d', $node->connstr('postgres'),
				'-c', "CALL present($from, $to, to_timestamp($at))"
			],
			'<', '/dev/null',
			IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default))
	} 0 .. $clients - 1;
	is((grep { $_->finish } @harness), $clients, "$store store: $flood proofs are accepted");
	cmp_ok(records($store), '>=', $flood, "$store store: all of them are remembered");
	my $full = size($store);
	cmp_ok($full, '>', 5 * $empty, "$store store: the flood takes room");

	# a reader of all tables, for some windows: nothing can be emptied, and no
	# call waits
	my $reader = $node->background_psql('postgres');
	$reader->query_safe('BEGIN; SELECT count(*) FROM sctoken.dpop_replay');
	foreach my $n (1 .. 3)
	{
		$at += $window;
		trickle($at);
	}
	cmp_ok(records($store), '>=', $flood, "$store store: nothing goes while it is read");
	$reader->query_safe('COMMIT');

	# locks of every kind on the table that is to be emptied next: skipped
	foreach my $mode ('ACCESS SHARE', 'ROW EXCLUSIVE', 'SHARE', 'ACCESS EXCLUSIVE')
	{
		my $dead = $node->safe_psql(
			'postgres', qq{
SELECT (generation + 1) % 3 FROM sctoken.dpop_replay_store WHERE store = '$store'});

		$reader->query_safe(
			"BEGIN; LOCK TABLE sctoken.dpop_replay_${store}_$dead IN $mode MODE");
		trickle($at);
		$reader->query_safe('ROLLBACK');
		pass("$store store: no call waits for $mode on the dead table");
	}

	# a caller that moves the ring, or empties a table, and stays in its
	# transaction; window by window, until it did both
	my %kept;
	foreach my $n (1 .. 4)
	{
		my ($own, undef) = make_proofs(1, $at);

		$reader->query_safe('BEGIN');
		$reader->query_safe(
			"SELECT sctoken.dpop_check(proof, 'POST', '$htu', at => to_timestamp($at)) FROM held WHERE n = $own"
		);
		$kept{$_}++
		  foreach split /\n/,
		  $node->safe_psql('postgres', q{
SELECT DISTINCT mode FROM pg_locks WHERE relation::regclass::text LIKE '%dpop_replay\_%logged%'
	AND mode IN ('AccessExclusiveLock', 'ShareLock')});
		trickle($at);
		$reader->query_safe('COMMIT');
		$at += $window if $n % 2 == 0;
	}
	is_deeply(
		[ sort keys %kept ],
		[ 'AccessExclusiveLock', 'ShareLock' ],
		"$store store: no call waits for one that moves the ring or empties a table");
	$reader->quit;

	# ten windows later
	foreach my $n (1 .. $windows)
	{
		$at += $window;
		trickle($at);
	}
	cmp_ok(size($store), '<=', 2 * $empty,
		"$store store: small again, $empty bytes at first, $full when full");
	cmp_ok(records($store), '<=', 9, "$store store: only the last windows are remembered");
	$at += $window;
}

# The store that is no longer used is left behind, once nothing in it lives.
is($node->safe_psql('postgres', 'SELECT store FROM sctoken.dpop_replay_store'),
	'unlogged', 'the store that was used before is forgotten');

$node->stop;
done_testing();
