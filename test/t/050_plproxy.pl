# The proxy of contrib/plproxy: it has the whole contract, sends each call where it
# belongs, reports the shards that fail, and gives nobody more than a duty.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use JSON::PP;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Proxy;
use Test::More;

find_plproxy();

my $quiet = q{
log_statement = 'all'
log_min_duration_statement = 0
log_min_messages = debug1
log_min_error_statement = debug5
log_error_verbosity = verbose
log_parameter_max_length = 0
sctoken.dpop_nonce_step = 300
};
my @servers = map { new_server("server_$_", $quiet) } 0, 1;
new_shard(shard_server($_, @servers), $_) foreach 0 .. $shards - 1;
my $proxy = new_proxy('proxy', $quiet, @servers);

sub sql
{
	my ($sql) = @_;

	return $proxy->safe_psql('proxy', $sql);
}

# On the shard itself
sub on_shard
{
	my ($shard, $sql) = @_;

	return shard_server($shard, @servers)->safe_psql("shard_$shard", $sql);
}

# What a statement writes to stderr; the role is one of the proxy.
sub stderr_of
{
	my ($sql, $role) = @_;
	my ($stdout, $stderr);

	$proxy->psql('proxy', "\\set VERBOSITY verbose\n$sql", stderr => \$stderr, stdout => \$stdout,
		on_error_stop => 0, defined $role ? (extra_params => [ '-U', $role ]) : ());
	return $stderr;
}

#
# The contract
#

# Functions and procedures, to the last default; what has no place on a proxy is
# left out by name.
my %local_only = (
	bind_thumbprint => 'a trigger of tables that are elsewhere',
	guard_single_use => 'a trigger of tables that are elsewhere',
	guard_append_only => 'a trigger of tables that are elsewhere',
	notify_event => 'a trigger of tables that are elsewhere',
	hash_equal => 'internal',
	invalidate_cache => 'internal',
	trust_anchor_valid => 'internal');
my $routines = q{
SELECT p.proname || ' ' || p.prokind::text || ' (' || pg_get_function_arguments(p.oid) || ') '
       || coalesce(pg_get_function_result(p.oid), '') || CASE WHEN p.proisstrict THEN ' strict' ELSE '' END
       || CASE WHEN p.prolang = (SELECT oid FROM pg_language WHERE lanname = 'c') AND p.provolatile <> 'v' THEN ' here ' || p.prosrc ELSE '' END
FROM pg_proc AS p WHERE p.pronamespace = 'sctoken'::regnamespace ORDER BY 1};
my @contract = grep { !/^(\w+) / || !$local_only{$1} } split /\n/, on_shard(0, $routines);
cmp_ok(scalar @contract, '>=', 45, 'there is a contract');
is_deeply([ split /\n/, sql($routines) ], \@contract,
	'the proxy has each function of the extension, with its arguments, defaults and result');
my %exists = map { $_ => 1 } split /\n/,
  on_shard(0, q{SELECT proname FROM pg_proc WHERE pronamespace = 'sctoken'::regnamespace});
is(join(' ', grep { !$exists{$_} } sort keys %local_only), '', 'what is left out exists');

# Views and result types; tables are those of the shards.
my $columns = q{
SELECT c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE c.relnamespace = 'sctoken'::regnamespace AND (c.relkind IN ('v', 'c') OR c.relname = 'client_policy') AND a.attnum > 0
ORDER BY c.relname, a.attnum};
is(sql($columns), on_shard(0, $columns), 'and each view and type, with its columns');

# What they say of themselves; a few say what they do on a proxy.
my $comments = q{
SELECT o.identity || ': ' || coalesce(obj_description(p.oid, 'pg_proc'), 'nothing')
FROM pg_proc AS p, pg_identify_object('pg_proc'::regclass, p.oid, 0) AS o
WHERE p.pronamespace = 'sctoken'::regnamespace AND p.proname NOT IN ('grant_to', 'maintain')
UNION ALL
SELECT c.relname || '.' || a.attname || ': ' || coalesce(col_description(c.oid, a.attnum), 'nothing')
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE c.relnamespace = 'sctoken'::regnamespace AND (c.relkind IN ('v', 'c') OR c.relname = 'client_policy') AND a.attnum > 0
ORDER BY 1};
is_deeply(
	[ split /\n/, sql($comments) ],
	[ grep { !/^sctoken\.(\w+)\(/ || !$local_only{$1} } split /\n/, on_shard(0, $comments) ],
	'and what the extension says of each');

# What each duty may call is the same on both sides.
foreach my $role (qw(my_as my_rs my_auditor my_operator my_monitor))
{
	my $may = qq{
SELECT p.proname FROM pg_proc AS p
WHERE p.pronamespace = 'sctoken'::regnamespace AND has_function_privilege('$role', p.oid, 'EXECUTE')
UNION ALL
SELECT c.relname FROM pg_class AS c
WHERE c.relnamespace = 'sctoken'::regnamespace AND c.relkind = 'v' AND has_table_privilege('$role', c.oid, 'SELECT')
ORDER BY 1};

	is( sql($may),
		join("\n", grep { !$local_only{$_} } split /\n/, on_shard(0, $may)),
		"$role may call the same as on a shard");
}
sql('CREATE ROLE nobody LOGIN');
is( sql(q{
SELECT string_agg(p.oid::regprocedure::text, ' ') FROM pg_proc AS p
WHERE p.pronamespace IN ('sctoken'::regnamespace, 'sctoken_shard'::regnamespace)
  AND p.provolatile <> 'i' AND has_function_privilege('nobody', p.oid, 'EXECUTE')}),
	'sctoken.dpop_verify(text,text,text,text,text,interval,interval,text[],timestamp with time zone)', 'nothing but what needs no shard is for everybody');
like(stderr_of(q{SELECT sctoken.introspect('x')}, 'nobody'), qr/42501/, '... as who tries finds');
like(stderr_of(q{SELECT sctoken.grant_to('nobody', 'authorization_server')}, 'my_as'),
	qr/42501/, 'no role grants itself more');

# A duty granted on the proxy alone gives nothing: the shards judge for themselves.
sql(q{SELECT sctoken.grant_to('my_rs', 'authorization_server')});
like(stderr_of(q{SELECT sctoken.issue('app', 'alice')}, 'my_rs'),
	qr/42501: .*permission denied for function issue/, 'a shard grants by duty itself');
sql(q{REVOKE ALL ON ALL ROUTINES IN SCHEMA sctoken, sctoken_shard FROM my_rs;
	SELECT sctoken.grant_to('my_rs', 'resource_server')});

# Passwords are in user mappings, which a role sees none of but its own.
my $password = 'Secret-of-my_as';
is( sql(qq{
SELECT (SELECT count(*) FROM pg_proc WHERE prosrc LIKE '%Secret-of%')
     + (SELECT count(*) FROM pg_foreign_server WHERE srvoptions::text LIKE '%Secret-of%')
     + (SELECT count(*) FROM pg_views WHERE definition LIKE '%Secret-of%')}),
	0, 'no password in a function, a view or the options of the server');
is( $proxy->safe_psql('proxy', q{
SELECT usename FROM pg_user_mappings WHERE umoptions::text LIKE '%Secret-of%'},
		extra_params => [ '-U', 'my_as' ]),
	'my_as', 'a role sees its own password at most');

#
# Routing
#

is(sql('SELECT count(*) FROM sctoken_shard.states() WHERE ready'), $shards, 'all shards are ready');
is( sql('SELECT count(DISTINCT policy) + count(policy) FROM sctoken_shard.states()'),
	0, 'none has a policy yet');
sql(q{
CREATE TABLE held AS
SELECT n, i.* FROM generate_series(1, 200) AS n, sctoken.issue('app', 'user ' || n, session_id => 's' || n % 2) AS i;
GRANT ALL ON held TO PUBLIC});
is(sql(q{SELECT DISTINCT outcome FROM held}), 'issued', 'families begin');
is(sql("SELECT count(DISTINCT sctoken.shard_of_token(refresh_token, $shards)) FROM held"),
	$shards, '... on every shard');
my @families = map { on_shard($_, "SELECT count(*), count(*) FILTER (WHERE uuid_hash(id) & 3 = $_) FROM sctoken.family") }
  0 .. $shards - 1;
is((grep { /^(\d+)\|\1$/ } @families), $shards, 'where their ids lead back to');
is(sql(q{SELECT outcome, count(*) FROM held, LATERAL (SELECT outcome FROM sctoken.rotate(held.refresh_token, 'app')) AS r(o) GROUP BY 1}),
	'issued|200', 'each token finds its family');
is(sql(q{SELECT r.outcome, r.generation, count(*) FROM held, LATERAL sctoken.rotate(held.refresh_token, 'app') AS r GROUP BY 1, 2}),
	'replayed|2|200', '... and what was done before');

# An id that leads elsewhere is never handed out.
on_shard($_, qq{ALTER DATABASE shard_$_ SET sctoken.shard = '@{[ ($_ + 1) % $shards ]}/$shards'}) foreach 0 .. $shards - 1;
my $astray = stderr_of(q{SELECT refresh_token FROM sctoken.issue('app', 'alice')});
like($astray, qr/55000: shard \d made a family that its token does not lead back to/, 'a shard with another number is found out');
is(sql('SELECT count(*) FROM sctoken_shard.states() WHERE ready'), 0, '... and seen by an operator');
on_shard($_, qq{ALTER DATABASE shard_$_ SET sctoken.shard = '$_/$shards'}) foreach 0 .. $shards - 1;

# All families of a subject are in one place, so what is counted by subject is.
on_shard($_, q{INSERT INTO sctoken.client_policy (client_id, max_families, on_reuse, retry_window, retry_until_confirmed)
	VALUES ('few', 2, 'revoke_subject_client', '0', false)}) foreach 0 .. $shards - 1;
is( sql('SELECT count(DISTINCT policy), count(policy) FROM sctoken_shard.states()'),
	"1|$shards", 'the policy is the same on all');
sql(q{CREATE TABLE few AS SELECT n, i.* FROM generate_series(1, 5) AS n, sctoken.issue('few', left('alice' || n, 5)) AS i});
is(sql(q{SELECT count(*) FROM sctoken.families('alice') WHERE client_id = 'few'}), 2, 'max_families counts all of a subject');
is(sql(q{SELECT outcome FROM sctoken.rotate((SELECT refresh_token FROM few WHERE n = 5), 'few')}), 'rotated', 'one is used');
is(sql(q{SELECT outcome FROM sctoken.rotate((SELECT refresh_token FROM few WHERE n = 5), 'few')}),
	'reuse_detected', '... and comes again');
is(sql(q{SELECT count(*) FROM sctoken.families('alice') WHERE client_id = 'few'}), 0, 'revoke_subject_client finds the others');

# A proof is remembered on the shard of its key, however it comes.
my $cases = decode_json(slurp_file("$FindBin::RealBin/../vectors/dpop/dpop_cases.json"))->{cases};
my ($case) = grep { $_->{expect} eq 'valid' && !$_->{request}{require_nonce} && !$_->{request}{access_token} } @$cases;
my $check = sprintf q{%s('%s', '%s', at => to_timestamp(%s))}, '%s', $case->{request}{htm}, $case->{request}{htu},
  $case->{request}{now};
my ($one, $two) = map { sprintf $check, $_ } "sctoken.dpop_check('$case->{proof}',", "sctoken.dpop_check_headers(ARRAY['$case->{proof}'],";
s/,\(/,/ foreach $one, $two;
my $home = sql("SELECT sctoken.shard_of_proof('$case->{proof}', $shards)");
is(sql("SELECT valid, reason FROM $one"), 't|', 'a proof is accepted');
is(sql("SELECT valid, reason FROM $one"), 'f|replayed', 'once');
is(sql("SELECT valid, reason FROM $two"), 'f|replayed', '... also as a raw header');
is(on_shard($home, 'SELECT count(*) FROM sctoken.dpop_replay'), 1, '... and is on the shard of its key');
is(sql(q{SELECT valid, reason FROM sctoken.dpop_check(NULL, 'POST', 'https://a.example/')}), 'f|missing', 'no proof is an answer too');

# One secret: a nonce of one shard is that of another.
my %nonce;
foreach my $try (1, 2)
{
	# twice, because its step of 300 s may end meanwhile
	%nonce = map { $_ => 1 } sql('SELECT sctoken.dpop_nonce()'),
	  map { on_shard($_, 'SELECT sctoken.dpop_nonce()') } 0 .. $shards - 1;
	last if keys %nonce == 1;
}
is(scalar keys %nonce, 1, 'all shards give the same nonce, and so does the proxy');

# The others, by the roles that call them.
sub as
{
	my ($role, $sql) = @_;

	return $proxy->safe_psql('proxy', $sql, extra_params => [ '-U', $role ]);
}
my $first = '(SELECT family_id FROM held WHERE n = 1)';
is(as('my_as', q{SELECT outcome FROM sctoken.rotate(NULL, 'app')}), 'unknown_token', 'no token is an answer');
is(as('my_as', q{SELECT reason FROM sctoken.certificate_authenticate('app', NULL)}), 'missing', 'certificate_authenticate');
is(as('my_as', "SELECT sctoken.confirm($first, 2)"), 't', 'confirm');
is(as('my_rs', "SELECT sctoken.family_active($first)"), 't', 'family_active');
is(as('my_rs', 'SELECT sctoken.family_active(NULL)'), 'f', '... of none');
is(as('my_operator', "SELECT sctoken.rebind($first, '{\"jkt\": \"0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I\"}', 'x')"), 't', 'rebind');
is(as('my_operator', q{SELECT sctoken.revoke_binding('{"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}', 'x')}), 1, 'revoke_binding');
is(as('my_as', q{SELECT sctoken.revoke((SELECT refresh_token FROM held WHERE n = 2), 'app')}), 't', 'revoke');
is(as('my_as', q{SELECT sctoken.revoke_session('s1', 'x')}), 99, 'revoke_session sums up all shards');
like(as('my_auditor', "SELECT sctoken.family_graph($first)"), qr/revoked: x/, 'family_graph');
is(as('my_auditor', "SELECT string_agg(kind, ' ') FROM sctoken_shard.family_timeline($first)"),
	'issued rotated replayed confirmed rebound revoked', 'the life of one family');
is( as('my_auditor', 'SELECT count(*), count(DISTINCT family_id) FROM sctoken.family_overview WHERE client_id = \'app\' AND family_id IN (SELECT family_id FROM held)'),
	'200|200', 'the views have all families, once');
is(as('my_auditor', q{SELECT client_id, incidents FROM sctoken.simulate_retry_window('1 s')}), "app|0\nfew|1", 'simulate_retry_window');
is(as('my_auditor', q{SELECT client_id FROM sctoken.effective_policy('few')}), 'few', 'effective_policy');
is( as('my_monitor', q{SELECT value FROM sctoken.stats WHERE counter = 'outcome_replayed'}),
	200, 'counters are summed up by server, which has several shards');
my $before = sql(q{SELECT value FROM sctoken.stats WHERE counter = 'maintenance_runs'});
as('my_operator', 'CALL sctoken.maintain()');
is(sql(q{SELECT value FROM sctoken.stats WHERE counter = 'maintenance_runs'}), $before + $shards, 'maintain runs on each shard');
ok(as('my_operator', q{SELECT sctoken.revoke_client('app', 'x')}), 'revoke_client');
is(as('my_as', q{SELECT count(*) FROM held, LATERAL sctoken.rotate(refresh_token, 'app') AS r WHERE n > 1 AND r.outcome = 'revoked'}), 199,
	'... on all shards');
like(stderr_of('SELECT sctoken.rotate_secret()', 'my_operator'), qr/55000/, 'secrets are in files');

like(stderr_of('SELECT sctoken.last_write_lsn()', 'my_as'), qr/0A000/, 'a position in the WAL is that of a shard');
ok(as('my_as', 'SELECT sctoken.family_active(NULL, sctoken_shard.last_write_lsn(1)) IS NOT NULL'), '... by its number');

# Errors of a shard keep their SQLSTATE.
like(stderr_of(q{SELECT sctoken.rotate('x', NULL)}), qr/22004: sctoken\.rotate.*argument "client_id" must not be null/, 'misuse of one shard');
like(stderr_of(q{SELECT sctoken.revoke_subject('alice', NULL)}), qr/22004: .*argument "reason" must not be null/, '... and of all');
like(stderr_of(q{SELECT * FROM sctoken.families(NULL)}), qr/22004: .*argument "subject" must not be null/, '... also where rows are asked for');

# A call is a transaction of its own on its shard, whatever becomes of the caller's.
my $kept = sql(q{SELECT refresh_token FROM sctoken.issue('other', 'bob')});
$proxy->psql('proxy', qq{BEGIN; SELECT outcome FROM sctoken.rotate('$kept', 'other'); ROLLBACK});
is(sql(qq{SELECT outcome FROM sctoken.rotate('$kept', 'other')}), 'replayed', 'a rollback on the proxy undoes nothing');

#
# Logs: a bound token is in none, whatever fails
#

my @bound = (
	q{SELECT outcome FROM sctoken.rotate(:token, 'other')},
	q{SELECT sctoken.introspect(:token)},
	q{SELECT sctoken.revoke(:token, 'else')},
	q{SELECT outcome FROM sctoken.issue(:token, NULL)},
	q{SELECT outcome FROM sctoken.rotate(:token, NULL)},
	q{SELECT outcome FROM sctoken.issue('app', :token, cnf => '{"kid": "1"}')},
	q{SELECT valid FROM sctoken.dpop_check(:token, 'POST', 'no uri')},
	q{SELECT sctoken.revoke_subject(:token, NULL)},
	q{SELECT sctoken.revoke_subject(:token, 'x')});

# How many logs and messages have the token that calls have as a bound parameter.
my $scripts = 0;
sub logs_with_token
{
	my ($token, @calls) = @_;
	my %offset = map { $_->name => -s $_->logfile } $proxy, @servers;
	my @stderr;

	foreach my $call (@calls)
	{
		my $script = $proxy->basedir . '/bound_' . ++$scripts . '.sql';

		append_to_file($script, "$call\n");
		IPC::Run::run([ 'pgbench', '-n', '-t', '1', '-M', 'extended', '-f', $script, '-D', "token=$token", $proxy->connstr('proxy') ],
			'<', \undef, '>', \my $stdout, '2>', \my $stderr);
		push @stderr, $stderr;
	}
	my @logs = map { slurp_file($_->logfile, $offset{ $_->name }) } $proxy, @servers;
	return scalar grep { /\Q$token\E/ } @logs, @stderr;
}
my $canary = 'sct_' . 'CANARY' x 17;
is(logs_with_token($canary, @bound), 0, 'no token in a log or a message, whatever fails');
is(logs_with_token($kept, @bound), 0, '... nor a genuine one');

# Settings of the servers, in force.
sub set_servers
{
	my ($conf, $probe) = @_;

	foreach my $server (@servers)
	{
		$server->append_conf('postgresql.conf', $conf);
		$server->reload;
		$server->poll_query_until('postgres', $probe) or die $conf;
	}
}
set_servers('log_parameter_max_length = -1', q{SELECT current_setting('log_parameter_max_length') = '-1'});
is(logs_with_token($canary, @bound), 2, 'control: the shards\' settings matter, for it is their log');
set_servers("log_parameter_max_length = 0\nlog_parameter_max_length_on_error = -1",
	q{SELECT current_setting('log_parameter_max_length_on_error') = '-1'});
cmp_ok(logs_with_token($canary, @bound), '>', 2, '... and an error brings what they add to it to the proxy and its caller');

stop_all($proxy, @servers);
done_testing();
