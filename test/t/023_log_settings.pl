# Which settings of the server show a token in its log: the table of
# doc/operations.md, row by row, for a token that is a literal and one that is bound.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('log');
$node->init;
$node->append_conf(
	'postgresql.conf', q{
log_statement = 'none'
log_min_messages = debug1
});
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION sctoken');

my $token = 'sct_' . 'CANARY' x 17;
my $call = q{SELECT FROM sctoken.rotate(%s, 'app')};
my $failing = q{SELECT 1 / (generation - generation) FROM sctoken.issue(%s, 'alice')};
my $scripts = 0;

# Does the log show the token of a call under these settings?
sub shown
{
	my ($how, $settings, $sql) = @_;
	my $script = $node->basedir . '/call_' . ++$scripts . '.sql';
	my $offset = -s $node->logfile;
	my ($stdout, $stderr);

	append_to_file($script,
		sprintf($sql, $how eq 'bound' ? ':token' : "'$token'") . "\n");
	local $ENV{PGOPTIONS} = join ' ', map { "-c $_" } @$settings;
	IPC::Run::run(
		[
			'pgbench', '-n', '-t', '1', '-M', 'extended', '-f', $script,
			'-D', "token=$token", $node->connstr('postgres')
		],
		'<', \undef, '>', \$stdout, '2>', \$stderr);
	my $log = slurp_file($node->logfile, $offset);
	my $bytes = join ' ', map { ord } split //, substr($token, 0, 20);

	# plans show a value byte by byte
	return $log =~ /\Q$token\E/ || ($log =~ s/\s+/ /gr) =~ /\Q$bytes\E/ ? 1 : 0;
}

my $hidden = 'log_parameter_max_length=0';
my $explain = 'session_preload_libraries=auto_explain';
my $at_once = 'auto_explain.log_min_duration=0';
my @hidden_too = $node->safe_psql('postgres', 'SHOW server_version_num') < 160000
  ? ()
  : 'auto_explain.log_parameter_max_length=0';

# settings, statement, shown as a literal, shown when bound
my @rows = (
	[ 'nothing', [], $call, 0, 0 ],
	[ 'log_statement', ['log_statement=all'], $call, 1, 1 ],
	[ 'log_statement', [ 'log_statement=all', $hidden ], $call, 1, 0 ],
	[ 'log_min_duration_statement', ['log_min_duration_statement=0'], $call, 1, 1 ],
	[
		'log_min_duration_statement', [ 'log_min_duration_statement=0', $hidden ],
		$call, 1, 0
	],
	[ 'an error', [], $failing, 1, 0 ],
	[ 'an error', ['log_min_error_statement=panic'], $failing, 0, 0 ],
	[
		'an error, log_parameter_max_length_on_error',
		['log_parameter_max_length_on_error=-1'],
		$failing, 1, 1
	],
	[ 'auto_explain', [ $explain, $at_once, $hidden, @hidden_too ], $call, 1, 0 ],
	[
		'auto_explain.log_verbose',
		[ $explain, $at_once, 'auto_explain.log_verbose=on', $hidden, @hidden_too ],
		$call, 1, 1
	],
	[ 'debug_print_plan', [ 'debug_print_plan=on', $hidden ], $call, 1, 1 ]);

foreach my $row (@rows)
{
	my ($name, $settings, $sql, @expected) = @$row;

	is_deeply([ map { shown($_, $settings, $sql) } 'literal', 'bound' ],
		\@expected, join(', ', $name, grep { $_ eq $hidden } @$settings));
}

$node->stop;
done_testing();
