# The client side of DPoP: test/client/prover.c, which is built where PROVER does
# not name it.

package Prover;

use strict;
use warnings;
use Exporter 'import';
use IPC::Run;
use PostgreSQL::Test::Utils;

our @EXPORT = qw(prover hold_proofs);

my $program = $ENV{PROVER};

sub prover_into
{
	my ($to, @arguments) = @_;

	if (!$program)
	{
		$program = PostgreSQL::Test::Utils::tempdir() . '/prover';
		system_or_bail('cc', '-o', $program, 'test/client/prover.c', '-lcrypto');
	}
	IPC::Run::run([ $program, @arguments ], '>', $to) or die "prover $arguments[0] failed";
	return;
}

# What prover says.
sub prover
{
	my $output = '';

	prover_into(\$output, @_);
	chomp $output;
	return $output;
}

# Puts what prover says into column proof of table held, line by line.
sub hold_proofs
{
	my ($node, @arguments) = @_;
	my $file = $node->basedir . '/proofs';

	prover_into($file, @arguments);
	$node->safe_psql('postgres', "\\copy held (proof) FROM '$file'");
	return;
}

1;
