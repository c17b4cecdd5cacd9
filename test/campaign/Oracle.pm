# What must be true of the answers that the clients of the campaign got, and of the
# tables that are left.  Nothing of sctoken is used here: the rules are those of the
# reference.
#
# A call that was answered after its commit happened between its two times.  One
# that was rolled back, or refused with an error, did not happen.  One whose commit
# was never answered may have happened, between the same two times: the connection
# breaks when the session is gone.  So for each moment there is a generation that a
# family must have reached, and one that it cannot have passed; and a moment from
# which on it may be revoked, and one from which on it must be.  Every answer, and
# every row, has to fit in between.

package Oracle;

use strict;
use warnings;
use Exporter 'import';
use List::Util qw(max min);

our @EXPORT_OK = qw(check_subject check_rows check_other verdicts found_committed);

# Rules: the invariants of the design and of the notes on reliability that they are
# of, and what they say.
my @rules = (
	[ step       => '1', 'I1', 'a token is rotated once, and one call made each generation' ],
	[ token      => '1', 'I4', 'a generation has one token, whoever is given it' ],
	[ live       => '1', 'I4', 'only the newest token works, its predecessor gives only it' ],
	[ contention => '1', '',   '40001 only at SERIALIZABLE, or beside a bulk revocation' ],
	[ revoked    => '2', 'I3', 'nothing works that began after a revocation was answered' ],
	[ reuse      => '3', 'I2', 'a used token is detected, and its family dead' ],
	[ cause      => '3', '',   'no alarm and no revocation without a cause; one alarm a family' ],
	[ refused    => '4', '',   'what was refused, failed or rolled back changed nothing' ],
	[ unused     => '4', '',   'a proof that was not accepted before is accepted' ],
	[ proof      => '5', 'I6', 'a proof is accepted once' ],
	[ durable    => '6', 'I5', 'what was answered after a commit is so' ],
	[ whole      => '6', '',   'a family and its events agree' ],
	[ sound      => '6', '',   'amcheck finds tables and indexes undamaged' ],
	[ size       => '8', '',   'a family is one row, and stored proofs are those of a few windows' ],
	[ words      => '',  'I7', 'no answer and no error but the documented ones' ]);

my $shown = 3;    # violations of each rule that are told
my %checked = map { $_->[0] => 0 } @rules;
my %violated = map { $_->[0] => 0 } @rules;
my %examples = map { $_->[0] => [] } @rules;

my $found_committed = 0;

# Given by check_rows
my (%policy, %setting, %row, %row_of_grant);

# Counts an observation; "why" and a call say what is wrong with it.
sub check
{
	my ($rule, $holds, $why, $call) = @_;

	$checked{$rule}++;
	return 1 if $holds;
	$violated{$rule}++;
	push @{ $examples{$rule} }, defined $call ? "$why: $call->{text}" : $why
	  if @{ $examples{$rule} } < $shown;
	return 0;
}

# Rotations that were done although nobody was told so.
sub found_committed
{
	return $found_committed;
}

# Rows of rule, invariants, text, observations, violations, examples.
sub verdicts
{
	return
	  map { [ @$_, $checked{ $_->[0] }, $violated{ $_->[0] }, $examples{ $_->[0] } ] }
	  @rules;
}

# Takes the tables that are left: hashes by client, by name and by family.
sub check_rows
{
	my ($policies, $settings, $families) = @_;

	%policy = %$policies;
	%setting = %$settings;
	%row = %$families;
	$row_of_grant{ $_->{grant_id} } = $_ foreach values %row;
	return;
}

# Rules about other things than calls.
sub check_other
{
	my ($damage, $proofs_of_late) = @_;

	check('sound', $damage->{$_} eq 'ok', "$_: $damage->{$_}") foreach sort keys %$damage;
	check('refused', $_->{asked_for}, "family $_->{id} was asked for by nobody")
	  foreach values %row;

	check('whole', $setting{stray_events} == 0,
		"$setting{stray_events} events are of no family");

	# one row each; with dead versions not more than a few more
	check('size', $setting{families} == keys %row, 'more rows than families');
	check('size', $setting{family_bytes} <= 1024 * 1024 + 2000 * $setting{families},
		"$setting{families} families take $setting{family_bytes} bytes");
	check('size', $setting{proofs} <= $proofs_of_late,
		"$setting{proofs} proofs are stored, $proofs_of_late came lately");
	return;
}

# The last index whose element is less than this, 0 if none.  The list ascends, its
# first element is a dummy.
sub last_below
{
	my ($list, $value) = @_;
	my ($low, $high) = (0, $#$list);

	while ($low < $high)
	{
		my $middle = int(($low + $high + 1) / 2);

		if ($list->[$middle] < $value) { $low = $middle }
		else                           { $high = $middle - 1 }
	}
	return $low;
}

# The generation that a family must have reached before a moment.
sub at_least
{
	my ($family, $time) = @_;

	return max(1, last_below($family->{seen}, $time));
}

# The generation that it cannot have passed before a moment.
sub at_most
{
	my ($family, $time) = @_;

	return max(1, last_below($family->{born}, $time));
}

# Is this the token of its generation?  Undefined where nothing tells.
sub is_genuine
{
	my ($family, $call) = @_;
	my $id = $family->{token}[ $call->{generation} ];

	return defined $id ? $id eq $call->{token}
	  : $call->{generation} > $family->{generation} ? 0
	  :                                               undef;
}

sub is_right
{
	my ($call) = @_;

	return $call->{with} eq 'right';
}

# Has policy a retry for the family at all?
sub has_retry
{
	my ($family) = @_;
	my $policy = $policy{ $family->{client} };

	return $policy->{max_retries} > 0
	  && ($policy->{retry_window} > 0
		|| ($policy->{retry_until_confirmed}
			&& ($family->{row}{bound} || $policy->{client_type} eq 'confidential')));
}

sub revokes_on_reuse
{
	my ($family) = @_;

	return $policy{ $family->{client} }{on_reuse} ne 'refuse';
}

# Somebody has learned that a token is that of its generation.
sub claim
{
	my ($family, $generation, $token, $call) = @_;
	my $known = $family->{token}[$generation];

	if (defined $known)
	{
		check('token', $known eq $token, "generation $generation is $known", $call);
	}
	else
	{
		$family->{token}[$generation] = $token;
		check('token', 1);
	}
	return;
}

# What the answers say of generations and their tokens.
sub learn_tokens
{
	my ($family) = @_;
	my $row = $family->{row};
	my @seen = (0);

	my $see = sub {
		my ($generation, $time) = @_;

		$seen[$generation] = $time
		  if !defined $seen[$generation] || $time < $seen[$generation];
	};

	$family->{generation} = defined $row ? $row->{generation} : 0;
	if (defined $row)
	{
		claim($family, $row->{generation}, $row->{token});
		claim($family, $row->{generation} - 1, $row->{previous})
		  if $row->{generation} > 1;
	}
	foreach my $call (grep { $_->{status} eq 'committed' } @{ $family->{calls} })
	{
		my $outcome = $call->{outcome};

		if ($call->{operation} eq 'issue' && $outcome eq 'issued')
		{
			claim($family, 1, $call->{new_token}, $call);
			$see->(1, $call->{end});
		}
		elsif ($call->{operation} eq 'rotate'
			&& ($outcome eq 'rotated' || $outcome eq 'replayed'))
		{
			claim($family, $call->{generation}, $call->{token}, $call);
			claim($family, $call->{generation} + 1, $call->{new_token}, $call);
			check('live', $call->{new_generation} == $call->{generation} + 1,
				'not the next generation', $call);
			$see->($call->{generation} + 1, $call->{end});
		}
		elsif ($call->{operation} eq 'introspect' && $outcome eq 'true')
		{
			claim($family, $call->{generation}, $call->{token}, $call);
			$see->($call->{generation}, $call->{end});
		}
		elsif ($call->{operation} eq 'confirm' && $outcome eq 't')
		{
			$see->($call->{generation}, $call->{end});
		}
	}

	# a generation was there when a later one was
	foreach my $generation (reverse 1 .. $#seen)
	{
		my $later = $seen[ $generation + 1 ];

		$seen[$generation] = $later
		  if defined $later
		  && (!defined $seen[$generation] || $later < $seen[$generation]);
	}
	$family->{seen} = \@seen;
	return;
}

# Which calls made the generations.
sub learn_steps
{
	my ($family) = @_;
	my @born = (0, $family->{issue}{begin});
	my (%won, %perhaps);

	foreach my $call (@{ $family->{calls} })
	{
		next unless $call->{operation} eq 'rotate' && is_right($call);
		push @{ $won{ $call->{generation} } }, $call
		  if $call->{status} eq 'committed' && $call->{outcome} eq 'rotated';
		push @{ $perhaps{ $call->{generation} } }, $call
		  if $call->{status} eq 'lost'
		  && ($call->{outcome} eq '-' || $call->{outcome} eq 'rotated')
		  && (is_genuine($family, $call) // 1);
	}

	foreach my $generation (1 .. $family->{generation} - 1)
	{
		my @won = @{ $won{$generation} // [] };
		my @perhaps = @{ $perhaps{$generation} // [] };

		check('step', @won == 1 || (@won == 0 && @perhaps > 0),
			@won . " calls rotated generation $generation of $family->{id}, "
			  . @perhaps . ' perhaps',
			$won[1]);
		$found_committed++ if @won == 0 && @perhaps > 0;
		push @born,
		  max($born[-1], @won ? $won[0]{begin} : min(map { $_->{begin} } @perhaps) // 0);
	}
	foreach my $generation (grep { $_ >= $family->{generation} } keys %won)
	{
		check('durable', 0, "the family is at generation $family->{generation}", $_)
		  foreach @{ $won{$generation} };
	}
	check('durable', $#{ $family->{seen} } <= $family->{generation},
		"generation $#{ $family->{seen} } of $family->{id} was seen, "
		  . "$family->{generation} is there");
	$family->{born} = \@born;
	return;
}

# Calls that revoked many families of a subject, or may have.
sub bulk_revocations
{
	my ($subject) = @_;
	my @bulk;

	foreach my $call (@{ $subject->{calls} })
	{
		push @bulk, { call => $call, client => undef }
		  if $call->{operation} eq 'revoke_subject'
		  && ($call->{status} eq 'committed' || $call->{status} eq 'lost');
	}
	foreach my $family (values %{ $subject->{families} })
	{
		next
		  unless $policy{ $family->{client} }{on_reuse} eq 'revoke_subject_client';
		push @bulk, map { { call => $_, client => $family->{client} } }
		  grep { may_be_reuse($family, $_) } @{ $family->{calls} };
	}
	return @bulk;
}

# Did this call find a used token, or may it have?
sub may_be_reuse
{
	my ($family, $call) = @_;

	return 0 unless $call->{operation} eq 'rotate' && is_right($call);
	return $call->{outcome} eq 'reuse_detected' if $call->{status} eq 'committed';
	return $call->{status} eq 'lost'
	  && ($call->{outcome} eq '-' || $call->{outcome} eq 'reuse_detected')
	  && $call->{generation} < at_most($family, $call->{end});
}

# From when on the family may be revoked, and from when on it must be.
sub learn_revocations
{
	my ($family, @bulk) = @_;
	my (@possible, @certain);

	foreach my $call (@{ $family->{calls} })
	{
		my $operation = $call->{operation};
		my $committed = $call->{status} eq 'committed';

		if ($operation eq 'revoke' || $operation eq 'revoke_family')
		{
			next unless is_right($call) && ($committed || $call->{status} eq 'lost');
			push @possible, $call->{begin};
			push @certain, $call->{end} if $committed && $call->{outcome} eq 't';
		}
		elsif ($operation eq 'rotate' && revokes_on_reuse($family) && may_be_reuse($family, $call))
		{
			push @possible, $call->{begin};
			push @certain, $call->{end} if $committed;
		}

		# it was seen to be so
		push @certain, $call->{end}
		  if $committed
		  && (($operation eq 'rotate' && $call->{outcome} eq 'revoked')
			|| ($operation eq 'family_active' && $call->{outcome} eq 'f'));
	}
	foreach my $bulk (@bulk)
	{
		my $call = $bulk->{call};

		next if defined $bulk->{client} && $bulk->{client} ne $family->{client};
		next if $call->{end} < $family->{issue}{begin};
		push @possible, $call->{begin};
		push @certain, $call->{end}
		  if $call->{status} eq 'committed' && $call->{begin} > $family->{issue}{end};
	}
	$family->{may_be_revoked} = min(@possible);
	$family->{must_be_revoked} = min(@certain);
	return;
}

sub may_be_revoked
{
	my ($family, $time) = @_;

	return defined $family->{may_be_revoked} && $family->{may_be_revoked} < $time;
}

sub must_be_revoked
{
	my ($family, $time) = @_;

	return defined $family->{must_be_revoked} && $family->{must_be_revoked} < $time;
}

# What is known of retries of each generation, and of their end.
sub learn_retries
{
	my ($family) = @_;

	foreach my $call (@{ $family->{calls} })
	{
		my $committed = $call->{status} eq 'committed';
		my $lost = $call->{status} eq 'lost';

		next unless is_right($call) && ($committed || $lost);
		if ($call->{operation} eq 'confirm')
		{
			push @{ $family->{confirms}{ $call->{generation} } }, $call
			  if $lost || $call->{outcome} eq 't';
		}
		elsif ($call->{operation} eq 'rotate')
		{
			push @{ $family->{retries}{ $call->{generation} } }, $call
			  if $committed ? $call->{outcome} eq 'replayed'
			  : (($call->{outcome} eq '-' || $call->{outcome} eq 'replayed')
				&& (is_genuine($family, $call) // 1));
		}
	}
	foreach my $calls (values %{ $family->{retries} // {} })
	{
		my @committed = grep { $_->{status} eq 'committed' } @$calls;

		check('reuse', @committed <= $policy{ $family->{client} }{max_retries},
			@committed . ' retries', $committed[-1]);
	}
	return;
}

# Calls of a list that certainly were before a moment; that perhaps were.
sub certainly_before
{
	my ($time, $calls) = @_;

	return grep { $_->{status} eq 'committed' && $_->{end} < $time } @{ $calls // [] };
}

sub perhaps_before
{
	my ($time, $calls) = @_;

	return grep { $_->{begin} < $time } @{ $calls // [] };
}

# Is a retry of this token certainly not allowed when the call begins?
sub retry_is_over
{
	my ($family, $call) = @_;
	my $generation = $call->{generation};

	return
	     !has_retry($family)
	  || certainly_before($call->{begin}, $family->{confirms}{ $generation + 1 }) > 0
	  || certainly_before($call->{begin}, $family->{retries}{$generation}) >=
	  $policy{ $family->{client} }{max_retries};
}

# A used token may be answered like this.
my %used_answer = map { $_ => 1 } qw(reuse_detected revoked busy proof_invalid);

sub check_alarm
{
	my ($family, $call) = @_;
	my $generation = $call->{generation};
	my $reached = at_least($family, $call->{begin});
	my $bound = at_most($family, $call->{end});
	my $reason = $call->{reason};
	my $holds;

	if ($reason eq 'older_generation')
	{
		$holds = $bound >= $generation + 2;
	}
	else
	{
		$holds = $reached <= $generation + 1 && $bound >= $generation + 1;
		$holds &&= !has_retry($family)
		  || perhaps_before($call->{end}, $family->{confirms}{ $generation + 1 })
		  if $reason eq 'no_retry';

		$holds &&= perhaps_before($call->{end}, $family->{retries}{$generation}) >=
		  $policy{ $family->{client} }{max_retries}
		  if $reason eq 'max_retries';
		$holds = 0 if $reason ne 'no_retry' && $reason ne 'max_retries';
	}
	check('cause', $holds, "generation $reached to $bound", $call);
	check('cause', !must_be_revoked($family, $call->{begin}),
		'the family was revoked already', $call)
	  if revokes_on_reuse($family);
	return;
}

# A use of the family's token by who may use it.
sub check_use
{
	my ($family, $call) = @_;
	my $outcome = $call->{outcome};
	my $generation = $call->{generation};
	my $genuine = is_genuine($family, $call);
	my $reached = at_least($family, $call->{begin});
	my $bound = at_most($family, $call->{end});

	# a used token
	if ($reached >= $generation + 2
		|| ($reached == $generation + 1 && $genuine && retry_is_over($family, $call)))
	{
		check('reuse', $used_answer{$outcome}, "generation $reached was there", $call);
	}

	if ($outcome eq 'rotated' || $outcome eq 'replayed')
	{
		check('revoked', !must_be_revoked($family, $call->{begin}),
			'the family was revoked', $call);
		my $expected = $outcome eq 'rotated' ? $generation : $generation + 1;
		check('live',
			($genuine // 1) && $reached <= $expected && $expected <= $bound,
			"generation $reached to $bound", $call);
	}
	elsif ($outcome eq 'reuse_detected')
	{
		check_alarm($family, $call);
	}
	elsif ($outcome eq 'revoked')
	{
		check('cause', may_be_revoked($family, $call->{end}),
			'nobody revoked the family', $call);
	}
	elsif ($outcome eq 'unknown_token')
	{
		check('durable', !$genuine, 'this token was answered', $call)
		  if defined $genuine;
		check('words',
			$call->{reason} eq 'ahead' ? $reached < $generation
			: $call->{reason} eq 'orphan'
			&& $reached <= $generation + 1 && $bound >= $generation,
			"generation $reached to $bound", $call);
	}
	else
	{
		check('words', $outcome eq 'busy' || $outcome eq 'proof_invalid',
			'not such an answer', $call);
	}
	return;
}

# What each way to be wrong must be answered.
my %wrong_answer = (
	stranger     => 'binding_mismatch',
	nothing      => 'binding_mismatch',
	other_client => 'client_mismatch',
	forged       => 'unknown_token');

# A call on a family that was answered.
sub check_answer
{
	my ($family, $call) = @_;
	my $operation = $call->{operation};
	my $outcome = $call->{outcome};

	if ($operation eq 'rotate')
	{
		return check_use($family, $call) if is_right($call);
		check('refused',
			$outcome eq $wrong_answer{ $call->{with} }
			  || $outcome eq 'busy'
			  || $outcome eq 'proof_invalid',
			'not refused as it must be', $call);
	}
	elsif ($operation eq 'revoke' && !is_right($call))
	{
		check('refused', $outcome eq 'f', 'another client revoked it', $call);
	}
	elsif ($operation eq 'revoke' || $operation eq 'revoke_family')
	{
		check('durable', $outcome eq 't', 'the family is there', $call);
	}
	elsif ($operation ne 'issue')
	{
		check_look($family, $call, $outcome eq 't' || $outcome eq 'true');
	}
	return;
}

# introspect, family_active and confirm: is the family alive, and at a generation?
sub check_look
{
	my ($family, $call, $yes) = @_;
	my $generation = $call->{generation};
	my $reached = at_least($family, $call->{begin});
	my $bound = at_most($family, $call->{end});
	my $any = $call->{operation} eq 'family_active';
	my $genuine = $call->{operation} eq 'introspect' ? is_genuine($family, $call) : 1;

	if ($yes)
	{
		check('revoked', !must_be_revoked($family, $call->{begin}),
			'the family was revoked', $call);
		check('live',
			$any
			  || (($genuine // 1) && $reached <= $generation && $generation <= $bound),
			"generation $reached to $bound", $call);
		return;
	}
	return unless $any || ($genuine && $reached == $generation && $bound == $generation);
	check('durable', may_be_revoked($family, $call->{end}),
		'nobody revoked the family', $call);
	return;
}

sub overlaps
{
	my ($call, $other) = @_;

	return $other->{begin} < $call->{end} && $other->{end} > $call->{begin};
}

# May a row that this call changes be that of a bulk revocation, or is it one?
sub meets_bulk
{
	my ($call, @bulk) = @_;
	my $client = $call->{client};

	return 1 if $call->{operation} eq 'revoke_subject';
	return 0 unless $call->{operation} =~ /^(rotate|revoke|revoke_family|confirm)$/;
	return 1 if $policy{$client}{on_reuse} eq 'revoke_subject_client';
	return scalar grep { overlaps($call, $_->{call}) } @bulk;
}

# A call that ended with an error, or without an answer.
sub check_error
{
	my ($call, @bulk) = @_;
	my $code = $call->{sqlstate};

	if ($call->{status} ne 'failed')
	{
		check('words', $code =~ /^(-|57P0[123])$/, 'not such an error', $call);
	}
	elsif ($code eq '40001')
	{
		check('contention',
			$call->{level} eq 'serializable'
			  || ($call->{level} eq 'repeatable' && meets_bulk($call, @bulk)),
			'no bulk revocation is beside it', $call);
	}
	elsif ($code eq '55P03')
	{
		check('words', $call->{operation} =~ /^(rotate|revoke|confirm)/, 'not such an error',
			$call);
		check_wait($call);
	}
	else
	{
		check('words', $code eq '57014', 'not such an error', $call);
	}
	return;
}

# A call that gives up because of a lock has waited.
sub check_wait
{
	my ($call) = @_;

	check('words', $call->{end} - $call->{begin} >= 0.9 * $setting{lock_timeout},
		'gave up early', $call);
	return;
}

# The row that is left of a family, and its events.
sub check_left
{
	my ($family, @bulk) = @_;
	my $row = $family->{row};
	my $generation = $row->{generation};
	my @calls = @{ $family->{calls} };
	my @alarms =
	  grep { $_->{status} eq 'committed' && $_->{outcome} eq 'reuse_detected' } @calls;

	# revoked or not, and by whom
	check('durable', $row->{revoked}, "$family->{id} is not revoked")
	  if defined $family->{must_be_revoked};
	if (revokes_on_reuse($family))
	{
		check('reuse', $row->{revoked}, 'the family lives', $_) foreach @alarms;
		check('cause', @alarms <= 1, 'more than one alarm', $alarms[1]);
	}
	check_reason($family, @bulk) if $row->{revoked};

	# the retry of the predecessor
	my $retries = $family->{retries}{ $generation - 1 };
	my @counted = grep { $_->{status} eq 'committed' } @{ $retries // [] };
	my $confirms = $family->{confirms}{$generation};
	my $place = "$family->{id}, generation $generation";

	check('durable', $row->{retries} >= @counted,
		"$place: $row->{retries} retries of " . @counted);
	check('refused', $row->{retries} <= @{ $retries // [] },
		"$place: $row->{retries} retries, only " . @{ $retries // [] } . ' asked for');
	if ($row->{salt})
	{
		check('durable', !grep({ $_->{status} eq 'committed' } @{ $confirms // [] }),
			"$place: confirmed, and can be retried");
		check('whole', $generation > 1 && has_retry($family), "$place has a salt");
	}
	elsif ($generation > 1 && has_retry($family))
	{
		check('refused', @{ $confirms // [] } > 0,
			"$place: nobody confirmed it, and it cannot be retried");
	}

	# events
	my $many = grep { !defined $_->{client} || $_->{client} eq $family->{client} } @bulk;
	my @replayed = map { @$_ } values %{ $family->{retries} // {} };

	check('whole',
		$row->{issued} == 1
		  && $row->{rotated} == $generation - 1
		  && $row->{generations} == $generation
		  && $row->{newest} == $generation,
		"$place: $row->{issued} issued, $row->{rotated} rotated, up to $row->{newest}");
	check('durable',
		$row->{replayed} >= grep({ $_->{status} eq 'committed' } @replayed),
		"$place: $row->{replayed} events of retries");
	check('refused', $row->{replayed} <= @replayed,
		"$place: $row->{replayed} events of retries");
	if (revokes_on_reuse($family))
	{
		my $ends = $row->{alarms} + $row->{revocations};

		check('whole',
			$row->{revoked}
			? $row->{alarms} <= 1 && $row->{revocations} <= 1 && $ends >= 1
			  && ($ends == 1 || $many > 0)
			: $ends == 0,
			"$place: $row->{alarms} alarms, $row->{revocations} revocations");
	}
	else
	{
		check('whole', $row->{revocations} == ($row->{revoked} ? 1 : 0),
			"$place: $row->{revocations} revocations");
	}
	return;
}

# Why a family is revoked: names of calls are the reasons that they gave.
sub check_reason
{
	my ($family, @bulk) = @_;
	my $reason = $family->{row}{reason};
	my @calls;

	if ($reason eq 'reuse_detected')
	{
		@calls = grep { may_be_reuse($family, $_) } @{ $family->{calls} };
		push @calls, grep { $_->{client} && $_->{client} eq $family->{client} } @bulk;
		check('cause', revokes_on_reuse($family) && @calls > 0,
			"$family->{id}: no reuse is known of");
		return;
	}
	@calls = grep { $_->{name} eq $reason } @{ $family->{calls} },
	  map { $_->{call} } @bulk;
	check('refused',
		@calls == 1
		  && $calls[0]{operation} =~ /^revoke/
		  && is_right($calls[0])
		  && ($calls[0]{status} eq 'committed' || $calls[0]{status} eq 'lost'),
		"$family->{id} was revoked by $reason", $calls[0]);
	return;
}

# Does the call use up its proof: certainly, perhaps, or not?
sub proof_use
{
	my ($call, @bulk) = @_;
	my $outcome = $call->{outcome};
	my $status = $call->{status};

	return 'no' if $status ne 'committed' && $status ne 'lost' && $status ne 'undone';
	if ($outcome eq '-')
	{
		return $status eq 'lost' && is_right($call) ? 'perhaps' : 'no';
	}
	if ($outcome eq 'revoked')
	{
		# a bulk revocation may have come after the proof was recorded
		return $status ne 'undone' && grep({ overlaps($call, $_->{call}) } @bulk)
		  ? 'perhaps' : 'no';
	}
	return 'no'
	  unless $outcome =~ /^(accepted|issued|rotated|replayed|reuse_detected)$/
	  || ($outcome eq 'unknown_token' && $call->{reason} =~ /^(ahead|orphan)$/);
	return $status eq 'committed' ? 'yes' : $status eq 'lost' ? 'perhaps' : 'undone';
}

# Answers of calls that are on no family that is known before.
my %answers = (
	issue          => qr/^(issued|busy|proof_invalid)$/,
	dpop_check     => qr/^(accepted|refused)$/,
	revoke_subject => qr/^\d+$/);

# The form of an answer.
sub check_form
{
	my ($call) = @_;
	my $answers = $answers{ $call->{operation} } // qr/^[a-z]/;

	check('words', $call->{outcome} =~ $answers, 'not such an answer', $call);
	check('words', $call->{jti} ne '-', 'there was no proof', $call)
	  if $call->{outcome} eq 'proof_invalid';
	check_wait($call) if $call->{outcome} eq 'busy';
	return;
}

# All calls that presented one proof.
sub check_proof
{
	my ($calls, @bulk) = @_;
	my %uses;
	my $window = $setting{dpop_max_age};

	push @{ $uses{ proof_use($_, @bulk) } }, $_ foreach @$calls;
	my @certain = @{ $uses{yes} // [] };
	my @possible = (@certain, @{ $uses{perhaps} // [] });

	check('proof', @certain <= 1, 'accepted ' . @certain . ' times', $certain[1]);
	foreach my $call (@certain, @{ $uses{undone} // [] })
	{
		check('proof', !grep({ $_ != $call && $_->{end} < $call->{begin} } @certain),
			'accepted before', $call);
		check('proof', $call->{begin} - $call->{made} <= $window + 1_000_000,
			'accepted long after it was made', $call);
	}
	foreach my $call (@$calls)
	{
		next unless $call->{outcome} eq 'refused' || $call->{outcome} eq 'proof_invalid';
		if ($call->{reason} eq 'replayed')
		{
			check('unused', scalar grep({ $_ != $call && $_->{begin} < $call->{end} } @possible),
				'nobody used it before', $call);
		}
		elsif ($call->{reason} eq 'busy')
		{
			check_wait($call);
		}
		elsif ($call->{reason} eq 'horizon')
		{
			# a crash empties the unlogged store
			check('unused', $setting{replay_store} eq 'unlogged', 'nothing was forgotten',
				$call);
		}
		else
		{
			# iat is in whole seconds
			check('unused',
				$call->{reason} eq 'iat_past'
				  && $call->{end} - $call->{made} >= $window - 1_000_000,
				'not for such a reason', $call);
		}
	}
	return;
}

# The families that the calls of a subject were on.
sub sort_families
{
	my ($subject) = @_;
	my %families;

	foreach my $call (@{ $subject->{calls} })
	{
		my $id = $call->{family};

		if ($call->{operation} eq 'issue')
		{
			my $row = $row_of_grant{ $call->{name} };
			my $known = $call->{status} eq 'committed' && $call->{outcome} eq 'issued';

			$row->{asked_for} = 1 if defined $row;
			check('durable', defined $row && $row->{id} eq $call->{new_family},
				'the family is not there', $call)
			  if $known;
			check('refused', !defined $row, 'there is a family', $call)
			  if $call->{status} ne 'lost' && !$known;
			next unless defined $row;
			$id = $row->{id};
			$families{$id}{issue} = $call;
		}
		next if $id eq '-';
		push @{ $families{$id}{calls} }, $call;
	}
	foreach my $id (keys %families)
	{
		my $family = $families{$id};

		$family->{id} = $id;
		$family->{row} = $row{$id};
		$family->{token} = [];
		next
		  if check('durable', defined $family->{issue} && defined $family->{row},
			"$id is not there", $family->{calls}[0]);
		delete $families{$id};
	}
	$_->{client} = $_->{row}{client_id} foreach values %families;
	$subject->{families} = \%families;
	return;
}

# All calls that have to do with one subject.
sub check_subject
{
	my (@calls) = @_;
	my %subject = (calls => \@calls);
	my %proofs;

	sort_families(\%subject);
	foreach my $family (values %{ $subject{families} })
	{
		learn_tokens($family);
		learn_steps($family);
		learn_retries($family);
	}
	my @bulk = bulk_revocations(\%subject);

	foreach my $family (values %{ $subject{families} })
	{
		learn_revocations($family, @bulk);
		foreach my $call (@{ $family->{calls} })
		{
			check_answer($family, $call)
			  if $call->{outcome} ne '-'
			  && ($call->{status} eq 'committed' || $call->{status} eq 'undone');
		}
		check_left($family, @bulk);
	}
	foreach my $call (@calls)
	{
		push @{ $proofs{ $call->{jti} } }, $call if $call->{jti} ne '-';
		if ($call->{status} eq 'committed' || $call->{status} eq 'undone')
		{
			check_form($call);
		}
		else
		{
			check_error($call, @bulk);
		}

		# the contrary of an observation, so that there is one
		check('contention', 1) if $call->{status} eq 'committed' && $call->{level} ne 'serializable';

		if ($call->{operation} eq 'revoke_subject' && $call->{status} eq 'committed')
		{
			my $revoked = grep { $_->{revoked} && $_->{reason} eq $call->{name} }
			  map { $_->{row} } values %{ $subject{families} };

			check('durable', $revoked == $call->{outcome}, "revoked $revoked families", $call);
		}
	}
	check_proof($_, @bulk) foreach values %proofs;
	return;
}

1;
