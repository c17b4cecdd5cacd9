# Monitoring as doc/monitoring.md says it: Debian's prometheus-postgres-exporter with
# the queries of contrib/prometheus shows every counter to a role that may do nothing
# else, values move when something happens, and alert rules, dashboard and page speak
# of metrics that are there, and of all of them.

use strict;
use warnings;
use FindBin;
use lib $FindBin::RealBin;
use HTTP::Tiny;
use IPC::Run;
use JSON::PP;
use Packages;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Prover;
use Test::More;

my $top = "$FindBin::RealBin/../..";
my $patience = $PostgreSQL::Test::Utils::timeout_default;
my $dir = PostgreSQL::Test::Utils::tempdir;
my $page = slurp_file("$top/doc/monitoring.md");
my ($exporter, $node);

find_programs(
	'prometheus-postgres-exporter' => 'prometheus-postgres-exporter',
	'promtool' => 'prometheus');
$SIG{INT} = $SIG{TERM} = sub { die "SIG$_[0]" };
END
{
	my $status = $?;

	$exporter->kill_kill(grace => $patience) if $exporter;
	$? = $status;
}

# What promtool says, or undef where it is content.
sub promtool
{
	my ($input, @arguments) = @_;
	my $said = '';

	return IPC::Run::run([ program_file('promtool'), @arguments ],
		'<', \$input, '>&', \$said) ? undef : $said;
}

#
# Alert rules and dashboard
#
my $rules = "$top/contrib/prometheus/alerts.yml";
my @rule_tests = glob("$top/test/prometheus/*_test.yml");
my $rule_tests = join '', map { slurp_file($_) } @rule_tests;
my @alerts = slurp_file($rules) =~ /- alert: (\w+)/g;

is(promtool('', 'check', 'rules', $rules), undef, 'promtool accepts the alert rules');
is(promtool('', 'test', 'rules', @rule_tests),
	undef, 'each fires when it should, and not when it should not');
is_deeply([ grep { $rule_tests !~ /alertname: $_\n\s+exp_alerts:\n\s+- exp_labels/ } @alerts ],
	[], 'every alert has a case in which it fires');
is_deeply([ grep { $page !~ /^### $_$/m } @alerts ], [], 'the page says what to do for every alert');
is_deeply([ grep { my $name = $_; !grep { $_ eq $name } @alerts } $page =~ /^### (Sctoken\w+)$/mg ],
	[], '... and for no other');

my $dashboard = decode_json(slurp_file("$top/contrib/grafana/sctoken.json"));
my @panels = grep { $_->{type} ne 'row' } @{ $dashboard->{panels} };
my @expressions = map { $_->{expr} } map { @{ $_->{targets} } } @panels;
my (%id, %place);
foreach my $panel (@{ $dashboard->{panels} })
{
	my $at = $panel->{gridPos};

	$id{ $panel->{id} }++;
	$place{"$_ $at->{y}"}++ foreach $at->{x} .. $at->{x} + $at->{w} - 1;
}
is_deeply([ grep { $_ > 1 } values %id, values %place ],
	[], 'panels have ids and places of their own');

# Grafana fills in its variables; what comes of it is a query.
my $number = 0;
my $recorded = "groups:\n  - name: dashboard\n    rules:\n";
foreach my $expression (@expressions)
{
	my $query = $expression =~ s/\$__rate_interval/5m/gr;

	$query =~ s/\$__range/6h/g;
	$query =~ s/\$instance/.*/g;
	$recorded .= sprintf "      - record: panel:%d\n        expr: %s\n",
	  $number++, JSON::PP->new->allow_nonref->encode($query);
}
append_to_file("$dir/dashboard.yml", $recorded);
is(promtool('', 'check', 'rules', "$dir/dashboard.yml"),
	undef, 'every panel of the dashboard has a query that can be read');

#
# Server and exporter
#
$node = PostgreSQL::Test::Cluster->new('monitoring');
$node->init;
$node->append_conf(
	'postgresql.conf', q{
shared_preload_libraries = 'sctoken'
sctoken.maintenance_interval = 0
sctoken.lock_timeout = '50ms'
});
$node->start;
my ($role) = $page =~ /^```sql role\n(.*?)^```$/ms;
$node->safe_psql('postgres', "CREATE EXTENSION sctoken; $role");
$node->safe_psql(
	'postgres', q{
INSERT INTO sctoken.client_policy (client_id, retry_window, retry_until_confirmed)
	VALUES ('app', '1 day', false), ('strict', '0', false)});

my $port = PostgreSQL::Test::Cluster::get_free_port();
my ($options) = $page =~ /^ARGS='(.*?)'/m;
my $queries = "$top/contrib/prometheus/queries.yaml";
$options =~ s{(--extend.query-path=)\S+}{$1$queries};
$ENV{DATA_SOURCE_NAME} =
  'user=prometheus dbname=postgres sslmode=disable host=' . $node->host . ' port=' . $node->port;
my $log = "$dir/exporter.log";
$exporter = IPC::Run::start(
	[
		program_file('prometheus-postgres-exporter'),
		"--web.listen-address=127.0.0.1:$port",
		split(/ /, $options)
	],
	'<', '/dev/null',
	'>&', $log);

# What the exporter answers, and the values of its metrics by name and labels.
sub scrape
{
	my $end = time + $patience;
	my ($answer, %value);

	do
	{
		die "the exporter does not answer:\n" . slurp_file($log)
		  unless $exporter->pumpable && time < $end;
		$answer = HTTP::Tiny->new->get("http://127.0.0.1:$port/metrics");
	} until $answer->{success};
	foreach my $line (split /\n/, $answer->{content})
	{
		next unless $line =~ /^((?:sctoken|pg_exporter)_\w+)(?:\{(.*)\})? (\S+)$/;
		my ($name, $labels, $value) = ($1, $2 // '', $3);
		my @labels = grep { !/^(server|filename|hashsum)=/ } split /,/, $labels;

		$value{ join ' ', $name, sort @labels } = $value;
	}
	return ($answer->{content}, %value);
}

my ($content, %before) = scrape();
is($before{'pg_exporter_user_queries_load_error'}, 0, 'the exporter can read the queries');
is($before{'pg_exporter_last_scrape_error'}, 0, 'and run them, with the duty "monitor" alone');
is( $node->safe_psql('postgres',
		'SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename = \'prometheus\''),
	1, 'as that role');
my $ours = join '', map { "$_\n" } grep { /^(# (HELP|TYPE) )?sctoken_/ } split /\n/, $content;
is(promtool($ours, 'check', 'metrics'), undef, 'promtool has nothing to say of names and help');

my %metric = map { (split / /)[0] => 1 } grep { /^sctoken_/ } keys %before;
my %type = $content =~ /^# TYPE (sctoken_\w+) (\w+)$/mg;
my %help = $content =~ /^# HELP (sctoken_\w+) (\S.*)$/mg;
is_deeply([ sort keys %help ], [ sort keys %metric ], 'every metric has a help');
is_deeply(\%type, { map { $_ => /_total$/ ? 'counter' : 'gauge' } keys %metric },
	'every metric is a counter or a gauge, as its name says');

# No counter of the view is left out; none is made up.
my $counters = $node->safe_psql(
	'postgres', q{
SELECT string_agg(CASE WHEN counter ~ '^outcome_' THEN 'sctoken_outcomes_total outcome="' || substr(counter, 9) || '"'
	WHEN counter ~ '^proof_' THEN 'sctoken_proofs_total verdict="' || substr(counter, 7) || '"'
	WHEN counter ~ '^certificate_' THEN 'sctoken_certificates_total verdict="' || substr(counter, 13) || '"'
	WHEN counter ~ '^iat_' THEN 'sctoken_proof_iat_total clock="' || substr(counter, 5) || '"'
	WHEN counter ~ '^maintenance_partitions_' THEN 'sctoken_maintenance_partitions_total result="' || substr(counter, 24) || '"'
	WHEN counter = 'lock_wait_microseconds' THEN 'sctoken_lock_wait_seconds_total'
	ELSE 'sctoken_' || counter || '_total' END, E'\n') FROM sctoken.stats});
is_deeply([ sort split /\n/, $counters ],
	[ sort grep { /^sctoken_\w+_total/ } keys %before ],
	'every counter of sctoken.stats is there, also those that never moved');

#
# What others say of the metrics
#
my $spoken = slurp_file($rules) . join("\n", @expressions);
my %spoken = map { $_ => 1 } $spoken =~ /\b(sctoken_\w+)\b/g;
is_deeply([ sort keys %spoken ], [ sort keys %metric ],
	'alert rules and dashboard speak of metrics that are there, and of all of them');
my %value_of;
foreach my $series (keys %before)
{
	$value_of{$1}{$2} = 1 while $series =~ /(\w+)="([^"]*)"/g;
}
my @unknown;
while ($spoken =~ /(outcome|verdict|clock|result|table)(?:=~|!~|!=|=)"([^"]*)"/g)
{
	my ($label, $values) = ($1, $2);

	push @unknown, grep { !$value_of{$label}{$_} } split /\|/, $values;
}
is_deeply(\@unknown, [], '... with values of labels that are there');
is_deeply([ grep { $page !~ /^\| `$_`/m } sort keys %metric ], [], 'the page has every metric');
is_deeply([ grep { !$metric{$_} } $page =~ /\b(sctoken_\w+)\b/g ], [], '... and no other');

#
# Something happens
#
sub sql
{
	return $node->safe_psql('postgres', $_[0]);
}

my $key = $node->basedir . '/key.pem';
my $uri = 'https://as.example.com/token';
prover('key', $key);
my ($proof, $other, $ahead, $behind) = map { prover('proof', $key, 'POST', $uri, @$_) }
  ([], [], [ '--iat', time + 300 ], [ '--iat', time - 300 ]);
my $check = 'sctoken.dpop_check';

# Two in one session, of which the second finds the key; the first comes again.
sql(join ';', map { "SELECT $check('$_', 'POST', '$uri')" } $proof, $other, $proof, $ahead, $behind);
sql('SELECT sctoken.certificate_authenticate(\'app\', NULL)');

# A retry, an old token, a retry that is refused and, before, one that is forgotten.
my $token = sql("SELECT refresh_token FROM sctoken.issue('app', 'alice')");
my $second = sql("SELECT refresh_token FROM sctoken.rotate('$token', 'app')");
sql("SELECT FROM sctoken.rotate('$token', 'app')");
my $held = sql("SELECT refresh_token FROM sctoken.rotate('$second', 'app')");
sql("SELECT FROM sctoken.rotate('$token', 'app')");
my $strict = sql("SELECT refresh_token FROM sctoken.issue('strict', 'alice')");
sql("SELECT FROM sctoken.rotate('$strict', 'strict')");
$node->psql('postgres', "BEGIN; SELECT FROM sctoken.rotate('$strict', 'strict'); ROLLBACK;");
sql("SELECT FROM sctoken.rotate('$strict', 'strict')");

# A call that waits in vain for another one on the same family.
my $waited = sql("SELECT refresh_token FROM sctoken.issue('app', 'bob')");
my $holder = $node->background_psql('postgres');
$holder->query_safe("BEGIN; SELECT FROM sctoken.rotate('$waited', 'app')");
is(sql("SELECT outcome FROM sctoken.rotate('$waited', 'app')"), 'busy', 'a call is busy');
$holder->query_safe('COMMIT');
$holder->quit;

sql("SELECT sctoken.revoke_client('other', 'test')");
sql('SELECT sctoken.rotate_secret()');
sql("UPDATE sctoken.family SET expires_at = clock_timestamp() WHERE subject = 'bob'");
sql('CALL sctoken.maintain()');

my (undef, %after) = scrape();
my %moved = map { $_ => $after{$_} - $before{$_} }
  grep { /^sctoken_/ && $after{$_} != ($before{$_} // -1) } keys %after;
my $seconds = delete $moved{'sctoken_lock_wait_seconds_total'} // 0;
ok($seconds >= 0.05 && $seconds < $patience, "the wait took its time: $seconds s");
my @sizes = grep { /^sctoken_table_bytes/ } keys %moved;
is_deeply(
	[ sort map { /table="(\w+)"/ } @sizes ],
	[ 'dpop_replay', 'event', 'family' ],
	'the tables have grown');
is_deeply([ grep { delete($moved{$_}) <= 0 } @sizes ], [], '... and not shrunk');

# Without partitions there is no next Monday; within a minute of it there is one less.
my $ahead_of_time = delete $moved{'sctoken_event_partitions_ahead datname="postgres"'};
ok($ahead_of_time == 4 || $ahead_of_time == 3, 'partitions are ahead');
is(delete $moved{'sctoken_maintenance_partitions_total result="made"'},
	$ahead_of_time, '... as many as were made');
is_deeply(
	\%moved,
	{
		'sctoken_outcomes_total outcome="issued"' => 3,
		'sctoken_outcomes_total outcome="rotated"' => 4,
		'sctoken_outcomes_total outcome="replayed"' => 1,
		'sctoken_outcomes_total outcome="reuse_detected"' => 3,
		'sctoken_outcomes_total outcome="busy"' => 1,
		'sctoken_retries_refused_total' => 2,
		'sctoken_families_revoked_total' => 3,
		'sctoken_clients_revoked_total' => 1,
		'sctoken_revocations_lost_total' => 1,
		'sctoken_secrets_rotated_total' => 1,
		'sctoken_proofs_total verdict="accepted"' => 2,
		'sctoken_proofs_total verdict="replayed"' => 1,
		'sctoken_proofs_total verdict="iat_future"' => 1,
		'sctoken_proofs_total verdict="iat_past"' => 1,
		'sctoken_proof_iat_total clock="near"' => 2,
		'sctoken_proof_iat_total clock="ahead_60s"' => 1,
		'sctoken_proof_iat_total clock="behind_60s"' => 1,
		'sctoken_key_cache_misses_total' => 1,
		'sctoken_key_cache_hits_total' => 2,
		'sctoken_certificates_total verdict="missing"' => 1,
		'sctoken_lock_waits_total' => 1,
		'sctoken_lock_timeouts_total' => 1,
		'sctoken_maintenance_runs_total' => 1,
		'sctoken_maintenance_families_deleted_total' => 1
	},
	'every counter has moved by what happened, and no other');

# A database beside it that has no extension has no metrics, and is no error.
$node->safe_psql('postgres', 'DROP EXTENSION sctoken');
my ($gone) = scrape();
unlike($gone, qr/^sctoken_(table|event)_/m, 'no sizes where the extension is not');

$exporter->kill_kill(grace => $patience);
$exporter = undef;
$node->stop;
done_testing();
