# A family may live long: after many rotations it occupies the pages it did after
# a thousand, its revocation touches as much, and its third token is still reuse.
#
# SCTOKEN_ROTATIONS says how many rotations.

use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $few = 1000;
my $many = $ENV{SCTOKEN_ROTATIONS} || 20000;

my $node = PostgreSQL::Test::Cluster->new('long');
$node->init;
$node->append_conf(
	'postgresql.conf', q{
synchronous_commit = off
autovacuum = off
log_statement = 'none'
});
$node->start;
$node->safe_psql(
	'postgres', q{
CREATE EXTENSION sctoken;
CREATE TABLE held (generation bigint, token text);
INSERT INTO held SELECT generation, refresh_token FROM sctoken.issue('app', 'alice');

-- Rotations, each in a transaction of its own, up to a generation.  The third
-- token is kept, and the last one.
CREATE PROCEDURE live(upto bigint) LANGUAGE plpgsql AS $$
DECLARE
	token text := h.token FROM held h ORDER BY generation DESC LIMIT 1;
	answer sctoken.grant_result;
BEGIN
	LOOP
		answer := sctoken.rotate(token, 'app');
		IF answer.outcome <> 'rotated' THEN
			RAISE 'outcome %, generation %', answer.outcome, answer.generation;
		END IF;
		IF answer.generation IN (3, upto) THEN
			INSERT INTO held VALUES (answer.generation, answer.refresh_token);
		END IF;
		token := answer.refresh_token;
		COMMIT;
		EXIT WHEN answer.generation = upto;
	END LOOP;
END $$;
});

# The family's row and every index of its table, in pages.
my $pages = q{
SELECT string_agg(c.relname || ' ' || pg_relation_size(c.oid) / 8192, ', ' ORDER BY c.relname)
FROM (SELECT 'sctoken.family'::regclass
	  UNION ALL SELECT indexrelid FROM pg_index WHERE indrelid = 'sctoken.family'::regclass) r(oid)
	 JOIN pg_class c USING (oid)};

sub use_token
{
	my ($generation) = @_;

	return $node->safe_psql('postgres',
		"SELECT outcome, reason FROM held, sctoken.rotate(token, 'app') WHERE held.generation = $generation"
	);
}

# What revoke_family costs, of 20 times that are rolled back: the least time in
# ms, and the least number of pages that it looks at.
sub revocation
{
	my $out = $node->safe_psql(
		'postgres', q{
SELECT sctoken.token_family_id(token) AS id FROM held LIMIT 1 \gset
} . q{
BEGIN;
EXPLAIN (ANALYZE, BUFFERS, COSTS off, SUMMARY off)
	SELECT sctoken.revoke_family(:'id', 'measured');
SELECT 'revoked ' || count(*) FROM sctoken.family WHERE revoke_reason = 'measured';
ROLLBACK;
} x 20);
	my (@times, @pages);

	while ($out =~
		/^Result \(actual time=[\d.]+\.\.([\d.]+) .*\n  Buffers: shared (.*)/mg)
	{
		my ($time, $buffers) = ($1, $2);
		my $pages = 0;

		$pages += $_ foreach $buffers =~ /(?:hit|read)=(\d+)/g;
		push @times, $time;
		push @pages, $pages;
	}
	is(scalar(() = $out =~ /^revoked 1$/mg), 20, 'each time it was revoked');
	is(scalar(@pages), 20, 'each time it was measured');
	return ((sort { $a <=> $b } @times)[0], (sort { $a <=> $b } @pages)[0]);
}

$node->safe_psql('postgres', "CALL live($few)");
my $before = $node->safe_psql('postgres', $pages);
my ($time_before, $touched_before) = revocation();

$node->safe_psql('postgres', "CALL live($many)");
my $after = $node->safe_psql('postgres', $pages);
my ($time_after, $touched_after) = revocation();

note "pages after $few rotations: $before";
note "pages after $many rotations: $after";
note "revoke_family after $few: $time_before ms, $touched_before pages";
note "revoke_family after $many: $time_after ms, $touched_after pages";

is($after, $before, "the pages after $many rotations are those after $few");
cmp_ok($touched_after, '<=', 1.1 * $touched_before,
	'revoke_family touches no more pages');
is( $node->safe_psql(
		'postgres', q{
SELECT pg_stat_force_next_flush();
SELECT n_tup_upd = n_tup_hot_upd FROM pg_stat_user_tables WHERE relid = 'sctoken.family'::regclass}
	) =~ s/^\n//r,
	't',
	'every rotation was a HOT update');

is(use_token(3), 'reuse_detected|older_generation', 'generation 3 is reuse');
is(use_token($many), 'revoked|family', 'and the family is dead of it');

$node->stop;
done_testing();
