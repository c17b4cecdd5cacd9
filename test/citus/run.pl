#!/usr/bin/perl
#
# run.pl
#		make test-citus: contrib/citus on a cluster that is there.
#
# Environment:
#	SCTOKEN_CITUS			a database of the coordinator, "host=.. port=.. dbname=..
#							user=..", as a superuser, which knows at least two workers.
#							Each server has the files of sctoken, the same
#							sctoken.secret_file, and wal_level = logical.
#	SCTOKEN_CITUS_WORKER	a command that stops and starts a worker, called with stop or
#							start, its host and its port.  Without it nothing fails.
#	SCTOKEN_PLAIN			a database of one server with sctoken, to compare times with
#	PROVER					program of test/client/prover.c
#
# Makes a database sctoken_citus_test on each server, and drops it at the end.

use strict;
use warnings;
use FindBin;
use IPC::Open3;
use Test::More;
use Time::HiRes qw(sleep time);
use File::Temp qw(tempdir);

my $cluster = $ENV{SCTOKEN_CITUS};
plan skip_all => 'SCTOKEN_CITUS names no Citus cluster' if !$cluster;
die "SCTOKEN_CITUS must be a list of key=value\n" if $cluster =~ m{://} || $cluster !~ /=/;

my $dir = tempdir(CLEANUP => 1);
my $prover = $ENV{PROVER} // "$dir/prover";
-x $prover || system('cc', '-O2', '-o', $prover, "$FindBin::RealBin/../client/prover.c", '-lcrypto') == 0
  or die 'no prover';
$ENV{PGOPTIONS} = '';
$ENV{PGCONNECT_TIMEOUT} = 10;

# A session, in which a call is a row of text, or "!" and its SQLSTATE.
package Session
{
	sub new
	{
		my ($class, $conninfo) = @_;
		my $self = bless { conninfo => $conninfo }, $class;

		$self->{pid} = IPC::Open3::open3($self->{in}, $self->{out}, undef, 'psql', '-XAtq', '-d', $conninfo);
		$self->{in}->autoflush(1);
		$self->query('\set VERBOSITY sqlstate');
		return $self;
	}

	sub send
	{
		my ($self, $sql) = @_;

		return print { $self->{in} } "$sql\n;\n\\echo the-end\n";
	}

	sub receive
	{
		my ($self) = @_;
		my $out = $self->{out};
		my @rows;

		while (defined(my $row = <$out>))
		{
			chomp $row;
			return join "\n", @rows if $row eq 'the-end';
			push @rows, $row =~ /^(?:psql:\S+ )?(?:ERROR|FATAL):\s+(\w{5})/ ? "!$1" : $row;
		}
		return '!lost';
	}

	sub query
	{
		my ($self, $sql) = @_;
		local $SIG{PIPE} = 'IGNORE';

		# a backslash command ends with its line
		if ($sql =~ /^\\/) { print { $self->{in} } "$sql\n"; return '' }
		$self->send($sql);
		return $self->receive;
	}

	sub close
	{
		my ($self) = @_;

		close $self->{in};
		waitpid $self->{pid}, 0;
	}
}

my $coordinator = Session->new($cluster);

sub sql
{
	my ($sql) = @_;

	return $coordinator->query($sql);
}

# The whole of it, also of an error.
sub psql
{
	my ($conninfo, @arguments) = @_;

	open my $handle, '-|', 'psql', '-XAtq', '-d', $conninfo, @arguments or die $!;
	local $/;
	my $out = <$handle>;
	close $handle or die "psql failed: @arguments\n";
	return $out;
}

sub proof
{
	my ($key, $url) = @_;
	my $proof = `$prover proof $dir/$key POST $url`;

	chomp $proof;
	return $proof;
}
system($prover, 'key', "$dir/$_") foreach 'alice', 'bob';

# A database of its own on each server, with Citus of its own.
my $database = 'sctoken_citus_test';
my @servers = map { [ split /\|/ ] } split /\n/,
  sql(q{SELECT nodename, nodeport, groupid FROM pg_dist_node WHERE isactive AND noderole = 'primary' ORDER BY groupid, nodeid});
die "no coordinator in pg_dist_node: SELECT citus_set_coordinator_host(..)\n" if !@servers || $servers[0][2] ne '0';

sub everywhere
{
	my ($in, @commands) = @_;

	psql("$cluster host=$_->[0] port=$_->[1] dbname=$in", '-v', 'ON_ERROR_STOP=1', '-c', 'SET client_min_messages = warning; SET citus.enable_ddl_propagation = off',
		map { ('-c', $_) } @commands) foreach @servers;
}
my ($maintenance) = sql('SELECT current_database()');
everywhere($maintenance, "DROP DATABASE IF EXISTS $database WITH (FORCE)", "CREATE DATABASE $database");
everywhere($database, 'CREATE EXTENSION citus');
$coordinator->close;
$cluster .= " host=$servers[0][0] port=$servers[0][1] dbname=$database";
$coordinator = Session->new($cluster);
sql("SELECT citus_set_coordinator_host('$servers[0][0]', $servers[0][1])");
sql("SELECT citus_add_node('$_->[0]', $_->[1])") foreach @servers[ 1 .. $#servers ];
note sql('SELECT citus_version()');

my %url = map { $_ => "https://$_.example.com/token" } 'as', 'api';
my $as = 'https://as.example.com/token';

sub rotate
{
	my ($token, $client, $more) = @_;

	return "SELECT outcome, refresh_token FROM sctoken_citus.rotate(sctoken_citus.family_id('$token'), '$token', '$client'" . ($more // '') . ')';
}

sub issue
{
	my ($client, $subject, $more) = @_;

	return "SELECT outcome, refresh_token FROM sctoken_citus.issue(sctoken_citus.subject_id('$subject'), '$client', '$subject'" . ($more // '') . ')';
}

sub new_token
{
	my ($client, $subject, $more) = @_;
	my ($outcome, $token) = split /\|/, sql(issue($client, $subject, $more));

	die "not issued: $outcome" if !$token;
	return $token;
}

#
# Setting it up
#

is(sql('CREATE EXTENSION sctoken'), '', 'the extension is made');
system('psql', '-XAtq', '-o', '/dev/null', '-v', 'shards=16', '-d', $cluster, '-f', "$FindBin::RealBin/../../contrib/citus/distribute.sql");
is($?, 0, 'the script runs');
is(sql('SELECT count(*) FROM run_command_on_all_nodes($$SELECT 1 FROM sctoken_citus.arrival LIMIT 1$$) WHERE NOT success'), 0, 'every server is prepared');
is( sql(q{SELECT count(*) FROM run_command_on_all_nodes($$SELECT count(*) FROM pg_trigger WHERE tgrelid = 'sctoken.client_policy'::regclass AND tgname ~ '^invalidate'$$) WHERE result <> '0'}),
	0, 'no server would keep a policy that has changed');

my @nodes = map { [ split /\|/ ] } split /\n/,
  sql(q{SELECT nodename, nodeport, groupid FROM pg_dist_node WHERE shouldhaveshards ORDER BY nodeid});
cmp_ok(scalar @nodes, '>=', 2, 'there are two workers');
my @workers = map { "$cluster host=$_->[0] port=$_->[1]" } @nodes;

sub home_of
{
	my ($token) = @_;

	return sql(qq{SELECT nodename || ':' || nodeport FROM pg_dist_placement JOIN pg_dist_node USING (groupid)
		WHERE shardid = get_shard_id_for_distribution_column('sctoken.family', sctoken_citus.family_id('$token'))});
}

sql(q{INSERT INTO sctoken.client_policy (client_id, retry_window, max_retries, retry_until_confirmed) VALUES ('app', '1 day', 100000, true), ('strict', '0', 0, false)});

#
# The contract
#

my $token = new_token('app', 'alice');
is(sql(issue('app', $_)) =~ /^issued\|/ ? 'issued' : 'not', 'issued', "issue: $_") foreach 'bob', 'carol';
is( sql(q{SELECT count(*) FROM sctoken.family WHERE get_shard_id_for_distribution_column('sctoken.family', id)
	<> get_shard_id_for_distribution_column('sctoken.family', sctoken_citus.subject_id(subject))}),
	0, 'the families of a subject are in its shard');
my ($outcome, $next) = split /\|/, sql(rotate($token, 'app'));
is($outcome, 'rotated', 'rotate');
is(sql(rotate($token, 'app')), "replayed|$next", 'a retry has the same answer');
foreach my $worker (@workers)
{
	my $session = Session->new($worker);

	is($session->query(rotate($token, 'app')), "replayed|$next", 'and so through a worker');
	$session->close;
}
like(sql("SELECT sctoken_citus.introspect(sctoken_citus.family_id('$next'), '$next')"), qr/"active": true/, 'introspect');
like(sql("SELECT sctoken_citus.introspect(sctoken_citus.family_id('$token'), '$token')"), qr/^\{"active": false\}$/, '... of a used token');
is(sql("SELECT sctoken_citus.family_active(sctoken_citus.family_id('$next'))"), 't', 'family_active');
is(sql("SELECT sctoken_citus.confirm(sctoken_citus.family_id('$next'), 2)"), 't', 'confirm');
is(sql("SELECT sctoken_citus.rebind(sctoken_citus.family_id('$next'), jsonb_build_object('jkt', '$_'), 'test')"), 't', 'rebind')
  foreach 'x' x 42 . 'A';
is(sql(rotate($next, 'app')), 'binding_mismatch|', '... holds');
is(sql(q{SELECT family_id, bound, generation FROM sctoken_citus.families('alice')}), sql("SELECT sctoken_citus.family_id('$next')") . '|t|2', 'families');
is(sql(q{SELECT sctoken_citus.revoke_binding('} . 'x' x 42 . q{A', 'test')}), 1, 'revoke_binding');
is(sql("SELECT sctoken_citus.family_active(sctoken_citus.family_id('$next'))"), 'f', '... holds');
$token = new_token('app', 'alice', ", 'read write'");
is(sql("SELECT sctoken_citus.narrow(sctoken_citus.family_id('$token'), 'read', NULL, 'test')"), 't', 'narrow');
is(sql(rotate($token, 'app', ", 'write'")), 'scope_exceeded|', '... holds');
is(sql("SELECT sctoken_citus.revoke(sctoken_citus.family_id('$token'), '$token', 'other')"), 'f', 'revoke: not by another client');
is(sql("SELECT sctoken_citus.revoke(sctoken_citus.family_id('$token'), '$token', 'app')"), 't', 'revoke');
is(sql(rotate($token, 'app')), 'revoked|', '... holds');
is(sql(rotate('garbage', 'app')), 'unknown_token|', 'what is no token');
is(sql(qq{BEGIN; @{[ rotate(new_token('app', 'alice'), 'app') ]} \\gset\nROLLBACK; SELECT :'outcome'}), 'rotated', 'in a transaction block, and rolled back');

$token = new_token('strict', 'alice');
(undef, $next) = split /\|/, sql(rotate($token, 'strict'));
is(sql(rotate($token, 'strict')), 'reuse_detected|', 'reuse is detected');
is(sql(rotate($next, 'strict')), 'revoked|', '... and kills the family');
is(sql("SELECT count(*) FROM sctoken.event WHERE family_id = sctoken_citus.family_id('$token')"), 3, 'with its events');

foreach my $what ([ 'session', ", session_id => 's1'", 's1' ], [ 'grant', ", grant_id => 'g1'", 'g1' ], [ 'subject', '', 'dave' ])
{
	my ($kind, $more, $value) = @$what;
	my @tokens = map { new_token('app', $kind eq 'subject' ? 'dave' : "$kind $_", $more) } 1 .. 5;

	is(sql("SELECT sctoken_citus.revoke_$kind('$value', 'test')"), 5, "revoke_$kind");
	is(join(' ', map { sql(rotate($_, 'app')) } @tokens), join(' ', ('revoked|') x 5), '... holds');
}
$token = new_token('app', 'alice');
is(sql(q{UPDATE sctoken.client_policy SET enabled = false WHERE client_id = 'app'}), '', 'policy changes');
is(Session->new($_)->query(rotate($token, 'app')), 'client_disabled|', '... at once on every server') foreach $cluster, @workers;
sql(q{UPDATE sctoken.client_policy SET enabled = true WHERE client_id = 'app'});
like(sql(q{SELECT sctoken_citus.revoke_client('app', 'test')}), qr/^20/, 'revoke_client');
is(Session->new($_)->query(rotate($token, 'app')), 'revoked|', '... at once on every server') foreach $cluster, @workers;
is(sql(q{INSERT INTO sctoken.client_policy (client_id, max_families) VALUES ('x', 1)}), '!23514', 'what is left out is refused: max_families');
is(sql(q{INSERT INTO sctoken.client_policy (client_id, on_reuse) VALUES ('x', 'revoke_subject_client')}), '!23514', '... revoke_subject_client');

my %check = (
	dpop_check => sub { my ($p) = @_; "sctoken_citus.dpop_check(sctoken_citus.key_id('$p'), '$p', 'POST', '$as')" },
	dpop_check_headers => sub { my ($p) = @_; "sctoken_citus.dpop_check_headers(sctoken_citus.key_id('$p'), ARRAY['$p'], 'POST', '$as')" });
foreach my $call (sort keys %check)
{
	my $sql = "SELECT coalesce(reason, 'accepted') FROM " . $check{$call}->(proof('alice', $as));

	is(sql($sql), 'accepted', "$call accepts a proof");
	is(Session->new($_)->query($sql), 'replayed', '... once, wherever it comes again') foreach $cluster, @workers;
}
my $proof = proof('alice', $as);
is(sql("SELECT reason FROM " . $check{dpop_check}->($proof) =~ s/key_id\('.*?'\)/key_id('')/r), '!22023', 'a proof cannot be taken elsewhere');
$token = (split /\|/, sql(issue('app', 'alice', ", dpop_proof => '$proof', htu => '$as'")))[1];
is(sql(rotate($token, 'app', ", dpop_proof => '@{[ proof('bob', $as) ]}', htu => '$as'")), 'binding_mismatch|', 'a token is bound to its key');
$proof = proof('alice', $as);
like(sql(rotate($token, 'app', ", dpop_proof => '$proof', htu => '$as'")), qr/^rotated\|/, '... with which it rotates');
is(sql(rotate($token, 'app', ", dpop_proof => '$proof', htu => '$as'")), 'proof_invalid|', '... but not twice with one proof');
like(sql('SELECT sctoken_citus.dpop_nonce()'), qr/^.{46}$/, 'dpop_nonce');
is(sql(q{SELECT reason FROM sctoken_citus.certificate_authenticate('app', '\x00')}), 'certificate', 'certificate_authenticate');
is(sql('CALL sctoken_citus.maintain()'), 0, 'maintain');
is(sql(q{SELECT count(*) FROM pg_inherits WHERE inhparent = 'sctoken.event'::regclass}), 5, '... makes partitions');
sql(q{UPDATE sctoken.family SET expires_at = now() - interval '1 minute' WHERE id IN (SELECT id FROM sctoken.family WHERE subject = 'dave')});
is(sql('CALL sctoken_citus.maintain()'), 5, '... and deletes what has ended');

# A role has what it was granted, and nothing of schema sctoken.
sql(q{SET client_min_messages = warning; DROP ROLE IF EXISTS sctoken_citus_test; CREATE ROLE sctoken_citus_test LOGIN});
sql(q{SELECT sctoken_citus.grant_to('sctoken_citus_test', 'authorization_server')});
$token = new_token('app', 'alice');
foreach my $server ($cluster, @workers)
{
	my $session = Session->new($server);

	$session->query('SET ROLE sctoken_citus_test');
	like($session->query(rotate($token, 'app')), qr/^(?:rotated|replayed)\|/, 'a role has its duty');
	is($session->query("SELECT outcome FROM sctoken.rotate('$token', 'app')"), '!42501', '... but not past the wrapper');
	is($session->query("SELECT sctoken_citus.rebind('00000000-0000-0000-0000-000000000000', '{}', 'x')"), '!42501', '... nor more');
	is($session->query("SELECT count(*) FROM sctoken.family"), '!42501', '... nor a table');
	is($session->query("SELECT sctoken_citus.revoke_all('subject', 'alice', 'x')"), '!42501', '... nor what is internal');
	$session->close;
}

#
# A call that Citus does not take to its server
#

sql(q{CREATE FUNCTION public.sctoken_citus_inside(token text, client text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r sctoken.grant_result;
BEGIN
	r := sctoken_citus.rotate(sctoken_citus.family_id(token), token, client);
	RETURN r.outcome || '|' || coalesce(r.refresh_token, '');
END $$});
sql(q{SELECT create_distributed_function('public.sctoken_citus_inside(text, text)')});
$token = new_token('app', 'alice');
my $home = home_of($token);
my %seen;
foreach my $server ($cluster, @workers)
{
	my $session = Session->new($server);
	my $here = $session->query(q{SELECT nodename || ':' || nodeport FROM pg_dist_node JOIN pg_dist_local_group USING (groupid)});
	my $answer = $session->query("SELECT public.sctoken_citus_inside('$token', 'app')");

	if ($here eq $home) { like($answer, qr/^(?:rotated|replayed)\|/, 'a call inside a function is right where its shard is'); $seen{home} = 1 }
	else { is($answer, '!55000', 'and an error elsewhere'); $seen{elsewhere} = 1 }
	is($session->query("SELECT r.outcome FROM pg_class AS c, LATERAL sctoken_citus.rotate(sctoken_citus.family_id('$token'), '$token', 'app') AS r WHERE c.relname = 'pg_class'") =~ /^(?:rotated|replayed)$/,
		$here eq $home, '... in a join') if $here eq $home;
	is($session->query("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ; SELECT public.sctoken_citus_inside('$token', 'app')"), '!0A000',
		'... and at another isolation level') if $here eq $home;
	$session->close;
}
is(join(' ', sort keys %seen), 'elsewhere home', 'both were seen');
is(sql("BEGIN; @{[ issue('app', 'alice') ]}; ROLLBACK"), '!55000', 'issue in a transaction block is an error');

#
# The race
#

my $rounds = 6;
my $clients = 32;

# Returns what the sessions answer, by round.  Each way in turn: by the coordinator,
# by each worker, and on each of them from inside a function.
sub race
{
	my ($client) = @_;
	my @tokens = map { new_token($client, "racer $_") } 1 .. $rounds;
	my @ways = map { my $s = $_; ([ $s, 0 ], [ $s, 1 ]) } $cluster, @workers;
	my @sessions = map { my $way = $ways[ $_ % @ways ]; [ Session->new($way->[0]), $way->[1] ] } 1 .. $clients;
	my @answers;

	# a first call loads what the session needs
	$_->[0]->query(rotate('garbage', $client)) foreach @sessions;
	foreach my $token (@tokens)
	{
		my $at = sql(q{SELECT clock_timestamp() + interval '0.4 s'});
		my @round;

		foreach my $session (@sessions)
		{
			$session->[0]->send("SELECT pg_sleep(greatest(0, extract(epoch FROM '$at'::timestamptz - clock_timestamp()))) IS NULL;\n"
				  . ($session->[1] ? "SELECT public.sctoken_citus_inside('$token', '$client')" : rotate($token, $client)));
		}
		push @round, (split /\n/, $_->[0]->receive)[-1] foreach @sessions;
		push @answers, \@round;
	}
	$_->[0]->close foreach @sessions;
	return (\@tokens, \@answers);
}

my ($tokens, $answers) = race('app');
my (@winners, %kind, $two);
foreach my $round (@$answers)
{
	my %successor = map { (split /\|/)[1] => 1 } grep { /^(?:rotated|replayed)\|/ } @$round;

	push @winners, scalar grep { /^rotated\|/ } @$round;
	$two++ if keys %successor != 1;
	$kind{ s/\|.*//r }++ foreach @$round;
}
is("@winners", join(' ', (1) x $rounds), "of $clients sessions on one token, through every server and from inside functions, one wins");
is($two, undef, '... and all that have an answer have the same token');
is(join(' ', grep { !/^(?:rotated|replayed|!55000)$/ } sort keys %kind), '', '... the others are an error');
note join ', ', map { "$_: $kind{$_}" } sort keys %kind;
cmp_ok($kind{'!55000'}, '>', 0, '... of which some called from where the token is not');

($tokens, $answers) = race('strict');
my @reuse;
@winners = ();
%kind = ();
foreach my $round (@$answers)
{
	push @winners, scalar grep { /^rotated\|/ } @$round;
	push @reuse, scalar grep { /^reuse_detected\|/ } @$round;
	$kind{ s/\|.*//r }++ foreach @$round;
}
is("@winners", join(' ', (1) x $rounds), 'where no retry is allowed: one wins');
is("@reuse", join(' ', (1) x $rounds), '... one is the reuse');
is(join(' ', grep { !/^(?:rotated|reuse_detected|revoked|!55000)$/ } sort keys %kind), '', '... the others find the family revoked');
note join ', ', map { "$_: $kind{$_}" } sort keys %kind;
is(join(' ', map { sql("SELECT sctoken_citus.family_active(sctoken_citus.family_id('$_'))") } @$tokens), join(' ', ('f') x $rounds), 'the families are dead');

#
# Logins race with the end of a session
#

my @pids;
foreach my $n (1 .. 8)
{
	my $pid = fork // die $!;

	push @pids, $pid;
	next if $pid;
	my $session = Session->new(($cluster, @workers)[ $n % (1 + @workers) ]);
	open my $log, '>', "$dir/login.$n" or die $!;
	my $end = time + 6;
	for (my $i = 1; time < $end; $i++)
	{
		my $begun = time;
		my $answer = $session->query(issue('app', "login $n $i", ", session_id => 'racing'"));

		print $log "$begun ", time, " $answer\n";
	}
	close $log;
	require POSIX;
	POSIX::_exit(0);
}
sleep 3;
my $before = time;
my $count = sql(q{SELECT sctoken_citus.revoke_session('racing', 'test')});
my $after = time;
waitpid $_, 0 foreach @pids;
my ($escaped, $revoked, $later) = (0, 0, 0);
foreach my $n (1 .. 8)
{
	open my $log, '<', "$dir/login.$n" or die $!;
	while (<$log>)
	{
		my ($begun, $ended, $answer) = split;
		my ($token) = $answer =~ /^issued\|(\S+)/ or next;
		my $active = sql("SELECT sctoken_citus.family_active(sctoken_citus.family_id('$token'))");

		$escaped++ if $ended < $before && $active eq 't';
		$revoked++ if $active eq 'f';
		$later++ if $active eq 't';
	}
}
is($escaped, 0, 'no login that was answered before a revocation escapes it');
is($count, $revoked, '... it tells how many it found');
cmp_ok($later, '>', 0, '... and logins go on behind it');
note sprintf 'revoke_session: %d revoked in %.2f s, %d logins after it', $count, $after - $before, $later;

#
# Shards move under load
#

# A client uses its chains of tokens; what it is told it writes down.
sub use_chains
{
	my ($n, $end, $conninfo) = @_;
	my $session = Session->new($conninfo);
	my @chains;

	# one that is not answered is repeated, as by a client
	while (@chains < 12)
	{
		my ($outcome, $token) = split /\|/, $session->query(issue('app', "mover $n " . @chains));

		push @chains, { token => $token } if $token;
	}

	open my $log, '>', "$dir/chain.$n" or die $!;
	for (my $i = 0; time < $end; $i++)
	{
		my $chain = $chains[ int rand @chains ];
		my $began = time;
		my ($outcome, $next) = split /\|/, $session->query(rotate($chain->{token}, 'app'));
		my $wrong = '';

		$outcome = '!none' if !defined $outcome;
		if ($outcome eq '!lost')
		{
			sleep 0.2;
			$session = Session->new($conninfo);
		}
		$wrong = 'wrong' if $outcome eq 'replayed' && !$chain->{unknown};
		$wrong = 'wrong' if $outcome !~ /^(?:rotated|replayed|!.*)$/;
		printf $log "%s %s %s %.3f %.3f\n", $wrong || 'right', $outcome, $chain->{token}, $began, time - $began;
		$chain->{unknown} = $outcome =~ /^!/;
		$chain->{token} = $next if $next;
	}
	foreach my $chain (@chains)
	{
		my $answer = '!';

		# a shard may still be moving; the last call may have been answered with an error, and done
		for (my $tries = 0; $tries < 60 && $answer =~ /^!/; $tries++)
		{
			sleep 0.5 if $tries;
			$answer = $session->query($chain->{unknown} ? rotate($chain->{token}, 'app')
				: "SELECT sctoken_citus.introspect(sctoken_citus.family_id('$chain->{token}'), '$chain->{token}')");
		}
		print $log(($answer =~ /"active": true|^(?:rotated|replayed)\|/ ? 'alive' : 'dead') . " - $chain->{token} 0 0\n");
	}
	close $log;
}

# Checks proofs, and those that were accepted again and again.
sub use_proofs
{
	my ($n, $end, $conninfo) = @_;
	my $session = Session->new($conninfo);
	my @accepted;
	my %told;

	while (time < $end)
	{
		my $key = "key.$n." . int rand 20;

		system($prover, 'key', "$dir/$key") if !-e "$dir/$key";
		my $proof = proof($key, $as);
		my $answer = $session->query("SELECT coalesce(reason, 'accepted') FROM " . $check{dpop_check}->($proof));

		$told{$answer}++;
		push @accepted, $proof if $answer eq 'accepted';
		foreach (1 .. 3)
		{
			next if !@accepted;
			my $again = $accepted[ int rand @accepted ];
			my $verdict = $session->query("SELECT coalesce(reason, 'accepted') FROM " . $check{dpop_check}->($again));

			$told{"again $verdict"}++;
		}
	}
	open my $log, '>', "$dir/proofs.$n" or die $!;
	print $log map { "$_|$told{$_}\n" } sort keys %told;
	close $log;
}

sub start
{
	my ($call, @arguments) = @_;
	my $pid = fork // die $!;

	return $pid if $pid;
	srand($$);
	$call->(@arguments);
	require POSIX;
	POSIX::_exit(0);
}

my $seconds = $ENV{SECONDS_MOVING} // 60;
my $end = time + $seconds;
@pids = ((map { start(\&use_chains, $_, $end, ($cluster, @workers)[ $_ % (1 + @workers) ]) } 1 .. 6),
	(map { start(\&use_proofs, $_, $end, ($cluster, @workers)[ $_ % (1 + @workers) ]) } 1, 2));
sleep 3;
my ($moved, $not) = (0, 0);
my @took;
while (time < $end - 8)
{
	my ($shard, $from, $from_port, $to, $to_port) = split /\|/, sql(q{
SELECT s.shardid, f.nodename, f.nodeport, t.nodename, t.nodeport
FROM pg_dist_shard AS s JOIN pg_dist_placement AS p USING (shardid) JOIN pg_dist_node AS f USING (groupid)
	JOIN pg_dist_node AS t ON t.shouldhaveshards AND t.groupid <> f.groupid
WHERE s.logicalrelid = 'sctoken.family'::regclass ORDER BY random() LIMIT 1});
	my $mode = ('block_writes', 'force_logical')[ ($moved + $not) % 2 ];
	my $began = time;
	my $result = sql("SELECT citus_move_shard_placement($shard, '$from', $from_port, '$to', $to_port, shard_transfer_mode => '$mode')");

	if ($result =~ /^!/) { $not++; diag "move of $shard: $result" }
	else { $moved++; push @took, sprintf '%s %.1f s', $mode, time - $began }
}
waitpid $_, 0 foreach @pids;
my (%outcome, %verdict, $longest);
foreach my $file (glob "$dir/chain.*")
{
	open my $log, '<', $file or die $!;
	while (<$log>)
	{
		my ($verdict, $outcome, $token, $at, $took) = split;

		$verdict{$verdict}++;
		$outcome{$outcome}++;
		$longest = $took if $took > ($longest // 0);
	}
}
note "moved $moved shards: " . join ', ', @took;
note join(', ', map { "$_: $outcome{$_}" } sort keys %outcome) . sprintf '; longest call %.2f s', $longest;
cmp_ok($moved, '>=', 2, 'shards moved');
is($not, 0, '... all that were to');
is($verdict{wrong} // 0, 0, 'every call was answered as if nothing moved, or failed and was repeated');
is(join(' ', grep { /^!/ && !/^!(?:55000|55P03|40P01|40001|lost|none)$/ } sort keys %outcome), '', '... with an error that is known');
is($verdict{dead} // 0, 0, 'every client holds a live token');
is( sql(q{SELECT count(*) FROM (SELECT FROM sctoken.event WHERE kind IN ('issued', 'rotated') GROUP BY family_id, generation HAVING count(*) > 1) AS two}),
	0, 'no generation was made twice');
is( sql(q{SELECT count(*) FROM sctoken.family AS f LEFT JOIN (SELECT family_id, max(generation) AS generation, count(DISTINCT generation) AS number
	FROM sctoken.event WHERE kind IN ('issued', 'rotated') GROUP BY family_id) AS e ON e.family_id = f.id
	WHERE e.number IS DISTINCT FROM f.generation OR e.generation IS DISTINCT FROM f.generation}),
	0, 'and each has its event');
my %told;
foreach my $file (glob "$dir/proofs.*")
{
	open my $log, '<', $file or die $!;
	while (<$log>) { chomp; my ($answer, $number) = split /\|/; $told{$answer} += $number }
}
note 'proofs: ' . join ', ', map { "$_: $told{$_}" } sort keys %told;
is($told{'again accepted'} // 0, 0, 'no proof was accepted twice');
cmp_ok($told{accepted}, '>', 0, '... and new ones were');
cmp_ok($told{horizon}, '>', 0, '... but not those that a server with a new shard cannot know');

# A call in progress keeps its shard where it is, and what it accepted is not accepted
# where the shard then goes.
{
	my $proof = proof('alice', $as);
	my $shard = sql("SELECT get_shard_id_for_distribution_column('sctoken.family', sctoken_citus.key_id('$proof'))");
	my $place = q{SELECT nodename, nodeport FROM pg_dist_placement JOIN pg_dist_node USING (groupid) WHERE shardid = } . $shard;
	my ($from, $from_port) = split /\|/, sql($place);
	my ($to, $to_port) = @{ (grep { "$_->[0]:$_->[1]" ne "$from:$from_port" } @nodes)[0] };
	my $caller = Session->new("$cluster host=$from port=$from_port");
	my $mover = Session->new($cluster);

	sleep 12;    # what shards have brought to this server before
	$proof = proof('alice', $as);
	my $call = "SELECT coalesce(reason, 'accepted') FROM " . $check{dpop_check}->($proof);
	is($caller->query("BEGIN; $call"), 'accepted', 'a proof is accepted, and not yet committed');
	$mover->send("SELECT citus_move_shard_placement($shard, '$from', $from_port, '$to', $to_port, shard_transfer_mode => 'block_writes')");
	my $waits = 0;
	foreach (1 .. 60)
	{
		$waits = Session->new("$cluster host=$_->[0] port=$_->[1]")->query(q{SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND mode = 'ExclusiveLock' AND NOT granted}) > 0 || $waits
		  foreach @servers;
		last if $waits;
		sleep 0.5;
	}
	ok($waits, 'the move waits for it');
	is(sql($place), "$from|$from_port", '... and the shard is where it was');
	is($caller->query('COMMIT'), '', 'it commits');
	is($mover->receive, '', 'the shard moves');
	is(sql($place), "$to|$to_port", '... there');
	is(sql($call), 'horizon', 'the proof is not accepted there');
	is(Session->new($_)->query(rotate('garbage', 'app')), 'unknown_token|', 'and calls go on') foreach $cluster, @workers;

	# Nor where it was before, which has met this shard.
	sleep 12;
	$proof = proof('alice', $as);
	$call = "SELECT coalesce(reason, 'accepted') FROM " . $check{dpop_check}->($proof);
	is(sql($call), 'accepted', 'a new one is accepted there');
	sql("SELECT citus_move_shard_placement($shard, '$to', $to_port, '$from', $from_port, shard_transfer_mode => 'block_writes')");
	is(sql($place), "$from|$from_port", 'the shard moves back');
	is(sql($call), 'horizon', '... where the proof is not accepted again');
	$_->close foreach $caller, $mover;
}

#
# A worker is down
#

SKIP:
{
	my $command = $ENV{SCTOKEN_CITUS_WORKER};

	skip 'SCTOKEN_CITUS_WORKER names no command that stops a worker', 8 if !$command;
	my ($down, $up) = map { "$_->[0]:$_->[1]" } @nodes[ 0, 1 ];
	my %of = ($down => [], $up => []);

	foreach my $n (1 .. 60)
	{
		my $token = new_token('app', "victim $n", ", session_id => 'down'");

		push @{ $of{ home_of($token) } // [] }, $token;
	}
	cmp_ok(scalar @{ $of{$_} }, '>', 0, 'there are families on both') foreach $down, $up;
	system("$command stop $nodes[0][0] $nodes[0][1] >/dev/null 2>&1");
	foreach my $way ([ coordinator => $cluster ], [ worker => $workers[1] ])
	{
		my $session = Session->new($way->[1]);
		my $began = time;
		my @answers = map { $session->query(rotate($_, 'app')) } @{ $of{$down} };

		is(scalar(grep { !/^!/ } @answers), 0, "through the $way->[0]: the families of a worker that is down fail");
		note sprintf 'in %.0f ms each: %s', (time - $began) * 1000 / @answers, join ' ', do { my %s = map { $_ => 1 } @answers; sort keys %s };
		@answers = map { $session->query(rotate($_, 'app')) } @{ $of{$up} };
		is(scalar(grep { !/^(?:rotated|replayed)\|/ } @answers), 0, '... and no others');
	}
	is(sql(q{SELECT sctoken_citus.revoke_session('down', 'test')}), '!58000', 'a bulk revocation says that it is not done');
	is(join(' ', map { s/\|.*//r } map { sql(rotate($_, 'app')) } @{ $of{$up} }[ 0, 1 ]), 'revoked revoked', '... but it is where it can be');
	system("$command start $nodes[0][0] $nodes[0][1] >/dev/null 2>&1");
	my $answer;
	foreach (1 .. 60)
	{
		$answer = sql(q{SELECT sctoken_citus.revoke_session('down', 'test')});
		last if $answer !~ /^!/;
		sleep 1;
	}
	is($answer, scalar @{ $of{$down} }, 'repeated when the worker is back, it does the rest');
	is(join(' ', map { s/\|.*//r } map { sql(rotate($_, 'app')) } @{ $of{$down} }[ 0, 1 ]), 'revoked revoked', '... and nothing was lost');
}

#
# What it costs
#

# Medians of the time of a call, and of the ratios of rounds.
sub median
{
	my @sorted = sort { $a <=> $b } @_;

	return $sorted[ $#sorted / 2 ];
}

if ($ENV{SCTOKEN_PLAIN})
{
	my %call = (
		plain => sub { my ($t) = @_; "SELECT outcome, refresh_token FROM sctoken.rotate('$t', 'app')" },
		citus => sub { rotate($_[0], 'app') });
	my %session = (plain => Session->new($ENV{SCTOKEN_PLAIN}), citus => Session->new($cluster), worker => Session->new($workers[0]));
	my %token = (
		plain => (split /\|/, $session{plain}->query(q{SELECT outcome, refresh_token FROM sctoken.issue('app', 'alice')}))[1],
		citus => new_token('app', 'bench'), worker => new_token('app', 'bench'));
	my (%took, %ratio);

	die "SCTOKEN_PLAIN issues nothing\n" if !$token{plain};

	foreach my $round (1 .. 7)
	{
		my %this;

		foreach my $how (sort keys %session)
		{
			my @times;

			foreach my $n (1 .. 200)
			{
				my $began = time;
				my ($outcome, $next) = split /\|/, $session{$how}->query(($call{$how} // $call{citus})->($token{$how}));

				push @times, time - $began;
				$token{$how} = $next if $next;
			}
			push @{ $took{$how} }, $this{$how} = median(@times);
		}
		push @{ $ratio{$_} }, $this{$_} / $this{plain} foreach 'citus', 'worker';
	}
	note sprintf 'rotate, 1 client, median of a call: %s', join ', ', map { sprintf '%s %.2f ms', $_, 1000 * median(@{ $took{$_} }) } sort keys %took;
	note sprintf 'ratio to one server: %s', join ', ', map { sprintf '%s %.1f', $_, median(@{ $ratio{$_} }) } sort keys %ratio;
}

#
# What enter() is for: without it, a proof is accepted on each server
#

sql(q{CREATE FUNCTION public.sctoken_citus_proof(proof text, htu text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	r sctoken.dpop_result;
BEGIN
	r := sctoken_citus.dpop_check(sctoken_citus.key_id(proof), proof, 'POST', htu);
	RETURN coalesce(r.reason, 'accepted');
END $$});
sql(q{SELECT create_distributed_function('public.sctoken_citus_proof(text, text)')});

sub accepted_on
{
	my $proof = proof('bob', $as);

	return scalar grep { $_ eq 'accepted' } map { Session->new($_)->query("SELECT public.sctoken_citus_proof('$proof', '$as')") } @workers;
}
sleep 12;
is(accepted_on(), 1, 'a proof from inside a function is accepted on its server alone');
sql(q{CREATE OR REPLACE FUNCTION sctoken_citus.enter(scope uuid, wanted uuid) RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT 1::bigint'});
is(accepted_on(), scalar @workers, '... which this test would see');

$coordinator->close;
everywhere($maintenance, "DROP DATABASE $database WITH (FORCE)");
psql("$cluster dbname=$maintenance", '-c', 'DROP ROLE sctoken_citus_test');
done_testing();
