# Programs of Debian packages that a test runs: those that are installed, or else
# unpacked by unpack_packages.sh.

package Packages;

use strict;
use warnings;
use Exporter 'import';
use FindBin;
use IPC::Run;
use Test::More;

our @EXPORT = qw(find_programs program_file program_libraries);

my $unpacked = $ENV{PACKAGES} // '';

# The file of a program; undef where there is none.
sub program_file
{
	my ($name) = @_;
	my @folders =
	  (split(/:/, $ENV{PATH}), '/usr/local/sbin', '/usr/sbin', "$unpacked/usr/sbin", "$unpacked/usr/bin");

	return (grep { -x } map { "$_/$name" } @folders)[0];
}

# LD_LIBRARY_PATH for a program.
sub program_libraries
{
	my ($file) = @_;

	return $ENV{LD_LIBRARY_PATH} // '' unless $unpacked && $file =~ /^\Q$unpacked\E/;
	return join(':', glob("$unpacked/lib/*-linux-* $unpacked/usr/lib/*-linux-*"), $ENV{LD_LIBRARY_PATH} // ());
}

# Sees to it that the programs (name => package) are there, or ends the test.
sub find_programs
{
	my %package = @_;
	my $not_found = sub { return grep { !defined program_file($_) } sort keys %package };
	my $output = '';

	IPC::Run::run(
		[
			"$FindBin::RealBin/../unpack_packages.sh", $unpacked,
			map { $package{$_} } $not_found->()
		],
		'<', '/dev/null',
		'>&', \$output) if $unpacked && $not_found->();
	if (my @missing = $not_found->())
	{
		diag $output;
		die "not found: @missing" if $ENV{CI};
		plan skip_all => "not found: @missing";
	}
}

1;
