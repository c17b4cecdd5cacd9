# A campaign: clients that use sctoken while the server and single sessions are
# killed at random moments, and afterwards an oracle that judges what they were
# answered (check.pl).  The server is one of its own.
#
# What the clients do is in acts.c; DRIVER names their program.  Kills are kill -9,
# by turns of the postmaster, which is started again, and of one session, after which
# it starts all others again.  Between them sessions are cancelled and terminated,
# and now and then the server is stopped at once.
#
# kill -9 leaves what was written to the kernel, so that fsync changes nothing in what
# can be lost.  It is on in a long campaign, for the time that a commit then takes.

package Campaign;

use strict;
use warnings;
use Exporter 'import';
use FindBin;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(sleep time);
use POSIX ();

our @EXPORT_OK = qw(campaign);

# Seconds without progress, or for the end of the server.  They are counted by the
# rounds of a loop: a campaign that was suspended goes on.
my $patience = $PostgreSQL::Test::Utils::timeout_default;
my $round = 0.03;

# Clients as acts.c knows them.
my $setup = q{
CREATE EXTENSION sctoken;
CREATE EXTENSION amcheck;
CREATE ROLE caller LOGIN;
SELECT sctoken.grant_to('caller', 'authorization_server');
SELECT FROM sctoken.dpop_nonce();
INSERT INTO sctoken.client_policy
	(client_id, client_type, retry_window, retry_until_confirmed, max_retries, on_reuse)
VALUES
	('app', 'public', '1 day', false, 1000, 'revoke_family'),
	('strict', 'public', '0', false, 5, 'revoke_family'),
	('capped', 'public', '1 day', false, 3, 'revoke_family'),
	('conf', 'confidential', '0', true, 1000, 'revoke_family'),
	('chain', 'public', '0', false, 5, 'revoke_subject_client'),
	('lenient', 'public', '0', false, 5, 'refuse');
};

# What check.pl reads.
my %tables = (
	policies => q{
SELECT client_id, client_type, extract(epoch FROM retry_window)::bigint,
	retry_until_confirmed, max_retries, on_reuse
FROM sctoken.client_policy},
	families => q{
SELECT f.id, f.client_id, f.subject, f.grant_id, f.binding IS NOT NULL, f.generation,
	left(encode(f.secret_hash, 'hex'), 16), coalesce(encode(f.previous_hash, 'hex'), ''),
	f.salt IS NOT NULL, f.retries, f.revoked_at IS NOT NULL, coalesce(f.revoke_reason, ''),
	e.issued, e.rotated, e.generations, e.newest, e.replayed, e.alarms, e.revocations
FROM sctoken.family f
LEFT JOIN (
	SELECT family_id,
		count(*) FILTER (WHERE kind = 'issued') AS issued,
		count(*) FILTER (WHERE kind = 'rotated') AS rotated,
		count(DISTINCT generation) FILTER (WHERE kind IN ('issued', 'rotated')) AS generations,
		max(generation) FILTER (WHERE kind IN ('issued', 'rotated')) AS newest,
		count(*) FILTER (WHERE kind = 'replayed') AS replayed,
		count(*) FILTER (WHERE kind = 'reuse_detected') AS alarms,
		count(*) FILTER (WHERE kind = 'revoked') AS revocations
	FROM sctoken.event GROUP BY 1) e ON e.family_id = f.id},
	settings => q{
SELECT replace(name, 'sctoken.', ''),
	CASE unit
		WHEN 's' THEN (setting::bigint * 1000000)::text
		WHEN 'ms' THEN (setting::bigint * 1000)::text
		ELSE setting END
FROM pg_settings
WHERE name IN ('sctoken.lock_timeout', 'sctoken.dpop_max_age',
	'sctoken.dpop_future_skew', 'sctoken.replay_store')
UNION ALL SELECT 'families', count(*)::text FROM sctoken.family
UNION ALL SELECT 'family_bytes', pg_relation_size('sctoken.family')::text
UNION ALL SELECT 'proofs', count(*)::text FROM sctoken.dpop_replay
UNION ALL SELECT 'stray_events', count(*)::text FROM sctoken.event e
	WHERE NOT EXISTS (SELECT FROM sctoken.family f WHERE f.id = e.family_id)});

# What amcheck says of tables and B-trees.
my $damage = q{
CREATE FUNCTION pg_temp.damage(relation regclass, kind "char") RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	IF kind = 'i' THEN
		PERFORM bt_index_check(relation, true);
		RETURN 'ok';
	END IF;
	RETURN coalesce(string_agg(msg, '; '), 'ok') FROM verify_heapam(relation);
EXCEPTION WHEN OTHERS THEN
	RETURN SQLERRM;
END $$;
COPY (
	SELECT oid::regclass, pg_temp.damage(oid, relkind) FROM pg_class
	WHERE relnamespace = 'sctoken'::regnamespace AND relkind IN ('r', 'i')
	ORDER BY 1) TO STDOUT};

# State and parent of a process; an empty list: there is none of this number.
sub process
{
	my ($pid) = @_;
	my $stat = eval { slurp_file("/proc/$pid/stat") } // '';

	return $stat =~ /^\d+ \(.*\) (\S) (\d+) /s;
}

# Is it gone?  One that nobody waits for yet is.
sub is_gone
{
	my ($pid) = @_;
	my ($state) = process($pid);

	return !defined $state || $state =~ /[ZX]/;
}

# All processes of the server: the postmaster and its children.
sub processes
{
	my ($postmaster) = @_;

	opendir(my $proc, '/proc') or die "/proc: $!\n";
	return ($postmaster,
		grep { ((process($_))[1] // 0) == $postmaster } grep { /^\d+$/ } readdir $proc);
}

sub postmaster
{
	my ($node) = @_;

	return (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
}

# A server that does not start ends the campaign: nothing could be said then.
sub start_server
{
	my ($node) = @_;

	$node->start(fail_ok => 1) or die "the server does not start\n";
	return;
}

# Waits for a condition; "what" is what does not happen otherwise.
sub wait_until
{
	my ($what, $condition) = @_;

	foreach (1 .. $patience / $round)
	{
		return if $condition->();
		sleep $round;
	}
	die "$what\n";
}

# kill -9 of the postmaster.  Its children end by themselves; they are waited for,
# since they hold the server's memory.
sub kill_server
{
	my ($node) = @_;
	my $postmaster = postmaster($node);

	# or it might have a child more than are waited for
	kill 'STOP', $postmaster;
	wait_until('the postmaster does not stop',
		sub { ((process($postmaster))[0] // '') eq 'T' });
	my @processes = processes($postmaster);

	$node->kill9;
	wait_until("the server's processes do not end",
		sub { !grep { !is_gone($_) } @processes });

	# A postmaster that nobody waits for still seems to have its locks.
	unlink $node->data_dir . '/postmaster.pid',
	  $node->host . '/.s.PGSQL.' . $node->port . '.lock';
	start_server($node);
	return;
}

# The progress of the clients, as in world.h: sums, and the sessions' processes.
sub progress
{
	my ($file) = @_;
	my @words = unpack 'q*', slurp_file($file);
	my %sum = (rotations => 0, calls => 0, sessions => []);

	while (my ($rotations, $calls, $backend) = splice @words, 0, 3)
	{
		$sum{rotations} += $rotations;
		$sum{calls} += $calls;
		push @{ $sum{sessions} }, $backend if $backend > 0;
	}
	return \%sum;
}

# Sends a signal to a random session of this server; false if there is none.
sub signal_session
{
	my ($node, $progress, $signal) = @_;
	my @sessions = @{ $progress->{sessions} };
	my $pid = $sessions[ rand @sessions ] or return 0;

	# it may have ended, and the number be another process's
	return 0 unless ((process($pid))[1] // 0) == postmaster($node);
	return kill $signal, $pid;
}

sub start_driver
{
	my ($node, $folder, $c) = @_;
	my $pid = fork() // die "fork: $!\n";

	return $pid if $pid > 0;
	$ENV{PGHOST} = $node->host;
	$ENV{PGPORT} = $node->port;
	$ENV{PGUSER} = 'caller';
	$ENV{PGDATABASE} = 'postgres';
	exec $ENV{DRIVER}, $c->{clients}, $c->{places}, $c->{seed}, $folder, $c->{mix}
	  or POSIX::_exit(127);
}

# Kills and interrupts until all kills are done and all rotations made.
sub storm
{
	my ($node, $driver, $file, $c) = @_;
	my %count = (server => 0, session => 0, stop => 0, cancel => 0, terminate => 0);
	my $began = time;
	my $told = $began;
	my ($kills, $calls, $idle) = (0, 0, 0);
	my $calls_before = $c->{places};	# logins
	my $next = rand;

	while (1)
	{
		my $progress = progress($file);

		die "the clients ended with status $?\n" if waitpid($driver, POSIX::WNOHANG) > 0;
		$idle = $progress->{calls} > $calls ? 0 : $idle + 1;
		$calls = $progress->{calls};
		die "no call was answered for $patience seconds\n" if $idle > $patience / $round;
		last
		  if $kills >= $c->{kills}
		  && $progress->{rotations} >= $c->{rotations}
		  && time >= $began + $c->{duration};
		if (time > $told + 30)
		{
			$c->{tell}->("$progress->{rotations} rotations, $kills kills");
			$told = time;
		}

		# the k-th kill comes in the k-th part of the campaign
		my $part = $c->{rotations} > 0
		  ? $progress->{rotations} * $c->{kills} / $c->{rotations}
		  : ($calls - $calls_before) / $c->{calls_to_kill} + $kills;
		if ($kills < $c->{kills} && $part >= $next && $calls > $calls_before + $c->{clients})
		{
			my $done = 1;

			if ($c->{kill_servers_only} || $kills % 2 == 0)
			{
				kill_server($node);
				$count{server}++;
			}
			else
			{
				$done = signal_session($node, $progress, 'KILL');
				$count{session} += $done;
			}
			if ($done)
			{
				$kills++;
				$next = $kills + rand;
				$calls_before = $calls = progress($file)->{calls};
			}
		}
		elsif ($c->{interrupts})
		{
			my $lot = rand 100;

			if ($lot < 30)
			{
				$count{cancel} += signal_session($node, $progress, 'INT');
			}
			elsif ($lot < 35)
			{
				$count{terminate} += signal_session($node, $progress, 'TERM');
			}
			elsif ($lot < 35.1)
			{
				$node->stop('immediate');
				start_server($node);
				$count{stop}++;
			}
		}
		sleep $round * (0.5 + rand);
	}
	return \%count;
}

# The tables, and what amcheck says of them.
sub dump_tables
{
	my ($node, $folder) = @_;

	foreach my $name (keys %tables)
	{
		append_to_file("$folder/$name",
			$node->safe_psql('postgres',
				"LOAD 'sctoken'; COPY ($tables{$name}) TO STDOUT") . "\n");
	}
	append_to_file("$folder/damage", $node->safe_psql('postgres', $damage) . "\n");
	return;
}

# Runs one.  Gives the status of check.pl, 0 or 1, and what it printed.
#
#	name			of the server
#	rotations		at least that many
#	kills			of the server and of sessions
#	clients			sessions that call
#	places			families that are alive at a time
#	seed			of all that is chosen at random but the moments
#	mix				of the clients' acts (acts.c); '': the usual one
#	calls_to_kill	from one kill to the next, where rotations is 0; after the logins
#	interrupts		whether sessions are cancelled and terminated too
#	kill_servers_only
#	duration		at least so many seconds
#	fsync			on or off
#	conf			more settings, with ";" between them
#	tell			is called with words on the progress
sub campaign
{
	my %c = (
		rotations => 0, kills => 0, clients => 64, places => 256, mix => '',
		calls_to_kill => 2000, interrupts => 1, kill_servers_only => 0,
		duration => 0, fsync => 'off', conf => '', tell => sub { }, @_);
	my $node = PostgreSQL::Test::Cluster->new($c{name});
	my $folder = $node->basedir . '/journals';
	my $began = time;

	srand($c{seed});
	$node->init;
	$node->append_conf(
		'postgresql.conf', qq{
fsync = $c{fsync}
full_page_writes = on
synchronous_commit = on
wal_writer_delay = '10s'
max_wal_size = 1GB
shared_buffers = 64MB
max_connections = } . ($c{clients} + 20) . qq{
restart_after_crash = on
log_statement = none
log_min_messages = fatal
sctoken.lock_timeout = '500ms'
sctoken.dpop_max_age = '10s'
sctoken.dpop_future_skew = '2s'
} . join("\n", split /;/, $c{conf}) . "\n");
	$node->start;
	$node->safe_psql('postgres', $setup);
	mkdir $folder or die "$folder: $!\n";

	my $driver = start_driver($node, $folder, \%c);
	my $file = "$folder/progress";

	# whatever happens here, the clients end with it
	my $count = eval {
		wait_until('the clients do not begin', sub { -s $file });
		my $storm = storm($node, $driver, $file, \%c);

		$c{tell}->('the storm is over, what is left is audited');
		kill 'TERM', $driver;
		waitpid($driver, 0);
		die "the clients ended with status $?\n" if $? != 0;
		$storm;
	};
	if (!defined $count)
	{
		kill 'KILL', $driver;
		die $@;
	}
	my $seconds = time - $began;
	dump_tables($node, $folder);
	$node->stop;

	my $table = `$^X $FindBin::RealBin/../campaign/check.pl $folder`;
	my $status = $? >> 8;

	die "check.pl failed: $table\n" if $? & 127 || $status > 1;
	$table =
	  sprintf("%d clients, seed %s, fsync %s, %d s: %d kills of the server and %d of a session;"
		  . " %d immediate stops, %d sessions terminated, %d calls cancelled\n",
		$c{clients}, $c{seed}, $c{fsync}, $seconds,
		@{$count}{qw(server session stop terminate cancel)})
	  . $table;
	return ($status, $table);
}

1;
