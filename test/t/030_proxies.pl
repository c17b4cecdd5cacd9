# Certificates as real proxies forward them: nginx, HAProxy and Apache end TLS with
# the settings of doc/choosing.md, and send what else they can.  The thumbprint is
# that of the client's certificate, and what a client writes into the header itself
# never arrives.

use strict;
use warnings;
use File::Basename;
use FindBin;
use lib $FindBin::RealBin;
use IO::Select;
use IO::Socket::INET;
use IPC::Run;
use MIME::Base64 qw(encode_base64url);
use Packages;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $configurations = "$FindBin::RealBin/../proxies";
my $patience = $PostgreSQL::Test::Utils::timeout_default;
my $dir = PostgreSQL::Test::Utils::tempdir;

# Forms of the header, each at a path: the format that reads it, and the value when
# the client has no certificate, undef being no header.  Refused: forms that are
# none, and the client that gets them.
my @proxies = (
	{
		program => 'nginx',
		package => 'nginx',
		configuration => 'nginx.conf',
		arguments => [ '-p', $dir, '-c', 'nginx.conf' ],
		header => 'SSL-Client-Cert',
		forms => {
			'/' => [ 'nginx', undef ],
			'/ssl_client_cert' => [ 'nginx', undef ]
		},
		refused => { '/ssl_client_fingerprint' => 'plain' }
	},
	{
		program => 'haproxy',
		package => 'haproxy',
		configuration => 'haproxy.cfg',
		arguments => [ '-db', '-C', $dir, '-f', 'haproxy.cfg' ],
		header => 'Client-Cert',
		forms => {
			'/' => [ 'rfc9440', undef ],
			'/base64' => [ 'haproxy', '' ],
			'/url_enc' => [ 'haproxy', '' ],
			'/pem' => [ 'haproxy', undef ],
			'/pem_url_enc' => [ 'haproxy', '' ],
			'/sha256_hex' => [ 'fingerprint', '' ],
			'/sha256_base64' => [ 'fingerprint', '' ],
			'/sha256_ub64enc' => [ 'fingerprint', '' ]
		},
		refused => { '/sha1_hex' => 'plain', '/unconditional' => undef }
	},
	{
		program => 'apache2',
		package => 'apache2-bin',
		configuration => 'apache.conf',
		arguments => [ '-d', $dir, '-f', 'apache.conf', '-D', 'FOREGROUND' ],
		header => 'SSL-Client-Cert',
		forms => {
			'/' => [ 'apache', '(null)' ],
			'/escape' => [ 'aws_alb', '' ]
		},
		refused => {}
	});

find_programs(map { $_->{program} => $_->{package} } @proxies);

my (@running, $node);
$SIG{INT} = $SIG{TERM} = sub { die "SIG$_[0]" };
END
{
	my $status = $?;

	$_->kill_kill(grace => $patience) foreach @running;
	$? = $status;
}

#
# Certificates
#
append_to_file("$dir/openssl.cnf", "[req]\ndistinguished_name = name\n[name]\n");

sub certify
{
	my ($name, $subject, @options) = @_;
	my $said;

	IPC::Run::run(
		[
			'openssl', 'req', '-config', "$dir/openssl.cnf", '-x509', '-nodes',
			'-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256',
			'-keyout', "$dir/$name.key", '-out', "$dir/$name.pem",
			'-utf8', '-subj', $subject, '-days', '2', @options
		],
		'>&', \$said) or die $said;
	return slurp_file("$dir/$name.pem");
}

# One whose base64 has all that is not the same in every encoding.
sub certify_client
{
	foreach (1 .. 100)
	{
		my $text = certify(@_) =~ s/-----[^-]*-----//gr;

		return if $text =~ /\+/ && $text =~ m{/} && $text =~ /=/;
	}
	die 'no certificate with "+", "/" and "="';
}

sub issued_by
{
	my ($name) = @_;

	return ('-CA', "$dir/$name.pem", '-CAkey', "$dir/$name.key");
}

my @authority = ('-addext', 'basicConstraints = critical, CA:TRUE');
certify('server', '/CN=localhost', '-addext', 'subjectAltName = DNS:localhost');
append_to_file("$dir/server_and_key.pem",
	slurp_file("$dir/server.pem") . slurp_file("$dir/server.key"));
certify('client_ca', '/CN=Root', @authority);
certify('intermediate', '/CN=Intermediate', @authority, issued_by('client_ca'));
certify('unknown_ca', '/CN=Unknown', @authority);

# What clients send beside their certificate.  The second one is long, has a chain,
# and a name of which every byte is special to somebody.
my %client = (
	plain => [],
	named => [ '-cert_chain', "$dir/intermediate.pem" ],
	self_signed => [],
	stranger => [],
	stranger_with_chain => [ '-cert_chain', "$dir/unknown_ca.pem" ]);
certify_client('plain', '/CN=client', issued_by('client_ca'));
certify_client(
	'named',
	q{/C=DE/O=Müller, "Söhne"; Cert=x/CN=a,b\\\\c%2B\+:<>#},
	issued_by('intermediate'),
	'-addext',
	'subjectAltName = '
	  . join(',', 'URI:spiffe://td.example/a;Cert=x', map { "DNS:host-$_.client.example" } 1 .. 80));
certify_client('self_signed', '/CN=client');
certify_client($_, '/CN=client', issued_by('unknown_ca')) foreach 'stranger', 'stranger_with_chain';

my %x5t;
foreach my $name (keys %client)
{
	my $digest;

	IPC::Run::run(
		[ 'openssl', 'x509', '-in', "$dir/$name.pem", '-outform', 'DER' ],
		'|', [ 'openssl', 'dgst', '-sha256', '-binary' ],
		'>', \$digest) or die "no thumbprint of $name";
	$x5t{$name} = encode_base64url($digest);
}

#
# Requests
#
my $application = IO::Socket::INET->new(LocalAddr => '127.0.0.1', Listen => 8)
  or die "cannot listen: $!";

# Answers a request that a proxy sent on, and gives its headers: [name, value].
sub answer
{
	my ($socket) = @_;
	my $head = '';

	until ($head =~ s/\r\n\r\n.*//s)
	{
		IO::Select->new($socket)->can_read($patience) or die 'a proxy does not go on';
		sysread($socket, $head, 65536, length $head) or die 'a proxy breaks off';
	}
	print $socket "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n";
	close $socket;

	# A line that begins with white space belongs to the one before it.
	my (undef, @lines) = split /\r?\n(?![ \t])/, $head;
	return [ map { [ /^([^:]*):[ \t]*(.*?)[ \t]*$/s ] } @lines ];
}

# A client's request through a proxy: the headers that the application gets, and
# what openssl says of the connection.
sub request
{
	my ($proxy, $path, $client, $headers, @options) = @_;
	my ($seen, $said);
	my $text = join "\r\n", "GET $path HTTP/1.1", 'Host: localhost', @$headers, '', '';

	unshift @options, '-cert', "$dir/$client.pem", '-key', "$dir/$client.key", @{ $client{$client} }
	  if defined $client;
	my $openssl = IPC::Run::start(
		[
			'openssl', 's_client', '-ign_eof', '-nocommands', '-connect', "127.0.0.1:$proxy->{port}",
			'-CAfile', "$dir/server.pem", '-verify_return_error', @options
		],
		'<', \$text,
		'>&', \$said,
		IPC::Run::timeout($patience));
	while (!$seen && $openssl->pumpable)
	{
		$openssl->pump_nb;
		$seen = answer(scalar $application->accept)
		  if IO::Select->new($application)->can_read(0.05);
	}
	$openssl->finish;
	die "no request came through $proxy->{program}:\n$said" unless $seen;
	return ($seen, $said);
}

# What the application gets of the proxy's header: its value, or undef.  CGI and its
# like know no difference between "-" and "_".
sub value
{
	my ($proxy, $headers) = @_;
	my ($name) = folded($proxy->{header});
	my @values = map { $_->[1] } grep { folded($_->[0]) eq $name } @$headers;

	die "$proxy->{program} sent $proxy->{header} more than once" if @values > 1;
	return $values[0];
}

sub folded
{
	return uc($_[0] =~ tr/-/_/r);
}

sub forward
{
	my ($proxy, $path, $client, @headers) = @_;
	my ($seen) = request($proxy, $path, $client, [ @headers, 'Connection: close' ]);

	return value($proxy, $seen);
}

# All that folds to the name.
sub twins
{
	my ($first, @parts) = split /-/, $_[0];
	my @names = ($first);

	foreach my $part (@parts)
	{
		@names = map { ("$_-$part", "${_}_$part") } @names;
	}
	return map { ($_, uc, lc) } @names;
}

sub literal
{
	return defined $_[0] ? "'" . ($_[0] =~ s/'/''/gr) . "'" : 'NULL';
}

# The thumbprint of what was forwarded, as the format says and as it is found out;
# of the certificate, too, where there is one.
sub thumbprints
{
	my ($value, $format) = @_;
	my $literal = literal($value);
	my $certificate = $format eq 'fingerprint' ? '' : qq{,
	sctoken.certificate_thumbprint(sctoken.certificate_from_header($literal, '$format')),
	sctoken.certificate_thumbprint(sctoken.certificate_from_header($literal))};

	return $node->safe_psql(
		'postgres', qq{
SELECT concat_ws(' ', sctoken.thumbprint_from_header($literal, '$format'),
	sctoken.thumbprint_from_header($literal)$certificate)});
}

#
# Proxies
#
sub start
{
	my ($proxy) = @_;
	my $program = program_file($proxy->{program});
	my $modules = dirname(dirname($program)) . '/lib/apache2/modules';
	my $log = "$dir/$proxy->{program}.out";
	my $port = $proxy->{port} = PostgreSQL::Test::Cluster::get_free_port();
	my $upstream = $application->sockport;
	my $configuration = slurp_file("$configurations/$proxy->{configuration}");

	$configuration =~ s/(listen|bind) :?443\b/$1 127.0.0.1:$port/gi;
	$configuration =~ s/:443\b/:$port/g;
	$configuration =~ s/:8080\b/:$upstream/g;
	$configuration =~ s/\bMODULES\b/$modules/g;
	append_to_file("$dir/$proxy->{configuration}", $configuration);

	local $ENV{LD_LIBRARY_PATH} = program_libraries($program);
	push @running,
	  IPC::Run::start([ $program, @{ $proxy->{arguments} } ], '<', '/dev/null', '>&', $log);

	my $end = time + $patience;
	until (IO::Socket::INET->new(PeerAddr => "127.0.0.1:$proxy->{port}"))
	{
		die "$proxy->{program} does not start:\n" . slurp_file($log)
		  unless $running[-1]->pumpable && time < $end;
	}
}

sub stop
{
	(pop @running)->kill_kill(grace => $patience);
}

$node = PostgreSQL::Test::Cluster->new('proxies');
$node->init;
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION sctoken');

foreach my $proxy (@proxies)
{
	my $program = $proxy->{program};

	start($proxy);
	foreach my $path (sort keys %{ $proxy->{forms} })
	{
		my ($format, $nothing) = @{ $proxy->{forms}{$path} };
		my $times = $format eq 'fingerprint' ? 2 : 4;
		my %value;

		foreach my $client ($path eq '/' ? sort keys %client : ('plain', 'named'))
		{
			$value{$client} = forward($proxy, $path, $client);
			is( thumbprints($value{$client}, $format),
				join(' ', ($x5t{$client}) x $times),
				"$program, $path: client $client");
		}
		is(forward($proxy, $path, undef), $nothing, "$program, $path: no certificate");
		is(thumbprints($nothing, $format), '', "$program, $path: that is null");

		# The certificate of somebody else, under every name.
		my $forged = $value{plain} =~ s/\s+/ /gr;
		my @forged = map { "$_: $forged" } twins($proxy->{header});
		is(forward($proxy, $path, undef, @forged),
			$nothing, "$program, $path: a forged header without a certificate");
		is(forward($proxy, $path, 'named', @forged),
			$value{named}, "$program, $path: a forged header beside a certificate");
	}

	foreach my $path (sort keys %{ $proxy->{refused} })
	{
		my $literal = literal(forward($proxy, $path, $proxy->{refused}{$path}));

		foreach my $function ('certificate_from_header', 'thumbprint_from_header')
		{
			my ($ret, $stdout, $stderr) = $node->psql('postgres',
				"\\set VERBOSITY sqlstate\nSELECT sctoken.$function($literal)");
			like($stderr, qr/ERROR:  22023/, "$program, $path: refused by $function");
		}
	}

	# Named in Connection, the header may get lost, which is no certificate, but it
	# never becomes another one.
	my $named = forward($proxy, '/', 'named');
	my $left = forward($proxy, '/', 'named', "Connection: $proxy->{header}");
	is($left // $named, $named, "$program: the header is named in Connection");

	# A resumed session has the certificate of the one that it resumes.
	foreach my $version ('-tls1_2', '-tls1_3')
	{
		my $session = "$dir/$program$version";

		request($proxy, '/', 'named', ['Connection: close'], $version, '-sess_out', $session);
		my ($seen, $said) =
		  request($proxy, '/', undef, ['Connection: close'], $version, '-sess_in', $session);
		like($said, qr/^Reused, /m, "$program, $version: a session is resumed");
		is(value($proxy, $seen), $named, "$program, $version: with its certificate");
	}
	stop();
}

done_testing();
