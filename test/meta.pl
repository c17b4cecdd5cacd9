#!/usr/bin/perl
# meta.pl: is META.json what PGXN takes (PGXN Meta Spec 1.0.0), and true?
#
# Prints what is wrong, and nothing else.  With --mistakes it puts one mistake after
# the other into META.json and prints which it does not find.
#
# usage: test/meta.pl [--mistakes]
use strict;
use warnings;
use JSON::PP;

my $semver = qr/(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)\.(?:0|[1-9]\d*)(?:-?[A-Za-z][0-9A-Za-z-]*)?/;
my $range = qr/(?:(?:[<>]=?|[=!]=) *)?(?:0|$semver)/;
my $term = qr{[^/\\\x00-\x1f\x7f]{2,}};
my $uri = qr{[a-z][a-z0-9+.-]*:\S+};
my %licenses = map { $_ => 1 } qw(agpl_3 apache_1_1 apache_2_0 artistic_1 artistic_2
  bsd freebsd gfdl_1_2 gfdl_1_3 gpl_1 gpl_2 gpl_3 lgpl_2_1 lgpl_3_0 mit mozilla_1_0
  mozilla_1_1 openssl perl_5 postgresql qpl_1_0 ssleay sun zlib open_source restricted
  unrestricted unknown);
my @wrong;

# matches(WHERE, VALUE, PATTERN): a string, all of which is of that form.
sub matches
{
	my ($where, $value, $pattern) = @_;

	push @wrong, $where if !defined $value || ref $value || $value !~ /\A$pattern\z/s;
}

# The members of a map, in order; none where it is no map.
sub members
{
	my ($where, $map, $known, $required) = @_;

	if (ref $map ne 'HASH')
	{
		push @wrong, "$where: not a map";
		return;
	}
	push @wrong, map { "$where: no $_" } grep { !exists $map->{$_} } @$required;
	push @wrong, map { "$where: unknown $_" }
	  grep { !/^x_/i && $known && !exists $known->{$_} } sort keys %$map;
	return sort keys %$map;
}

# Each of a list, or the one that stands in its place.
sub each_of
{
	my ($where, $value) = @_;

	return $value if ref $value ne 'ARRAY';
	push @wrong, "$where: empty" if !@$value;
	return @$value;
}

sub check_prereqs
{
	my ($prereqs) = @_;
	my %phases = map { $_ => 1 } qw(configure build test runtime develop);
	my %relations = map { $_ => 1 } qw(requires recommends suggests conflicts);

	foreach my $phase (members('prereqs', $prereqs, \%phases))
	{
		foreach my $relation (members("prereqs.$phase", $prereqs->{$phase}, \%relations))
		{
			my $where = "prereqs.$phase.$relation";
			my $needs = $prereqs->{$phase}{$relation};

			foreach my $name (members($where, $needs))
			{
				matches("$where: a name", $name, $term);
				matches("$where.$name", $needs->{$name}, qr/$range(?:, *$range)*/);
			}
		}
	}
}

sub check_resources
{
	my ($resources) = @_;
	my %known = (homepage => undef, bugtracker => [qw(web mailto)],
		repository => [qw(url web type)]);

	foreach my $name (members('resources', $resources, \%known))
	{
		my $value = $resources->{$name};

		next if $name =~ /^x_/i;
		if (!$known{$name})
		{
			matches("resources.$name", $value, $uri);
			next;
		}
		foreach my $part (
			members("resources.$name", $value, { map { $_ => 1 } @{ $known{$name} } }))
		{
			my $form = $part eq 'type' ? qr/[a-z]+/ : $part eq 'mailto' ? qr/\S+\@\S+/ : $uri;
			matches("resources.$name.$part", $value->{$part}, $form);
		}
	}
}

# check(META): fills @wrong.
sub check
{
	my ($meta) = @_;
	my %checks = (
		name => sub { matches('name', $_[0], $term) },
		version => sub { matches('version', $_[0], $semver) },
		abstract => sub { matches('abstract', $_[0], qr/.+/) },
		description => sub { matches('description', $_[0], qr/.+/) },
		generated_by => sub { matches('generated_by', $_[0], qr/.+/) },
		release_status =>
		  sub { matches('release_status', $_[0], qr/stable|testing|unstable/) },
		maintainer => sub {
			matches('maintainer', $_, qr/.+/) foreach each_of('maintainer', $_[0]);
		},
		license => sub {
			my ($license) = @_;

			if (ref $license eq 'HASH')
			{
				matches("license.$_", $license->{$_}, $uri)
				  foreach members('license', $license);
			}
			else
			{
				matches('license', $_, join '|', map { quotemeta } sort keys %licenses)
				  foreach each_of('license', $license);
			}
		},
		tags => sub {
			push @wrong, 'tags: not a list' if ref $_[0] ne 'ARRAY';
			matches('tags', $_, qr{[^/\\\x00-\x1f\x7f]{1,255}}) foreach each_of('tags', $_[0]);
		},
		'meta-spec' => sub {
			my ($spec) = @_;

			() = members('meta-spec', $spec, { version => 1, url => 1 }, ['version'])
			  or return;
			matches('meta-spec.version', $spec->{version}, qr/1\.0\.\d+/);
			matches('meta-spec.url', $spec->{url}, $uri) if exists $spec->{url};
		},
		provides => sub {
			my ($provides) = @_;
			my %known = map { $_ => 1 } qw(file version abstract docfile);

			my @names = members('provides', $provides) or push @wrong, 'provides: nothing';
			foreach my $name (@names)
			{
				my $extension = $provides->{$name};

				matches('provides: a name', $name, $term);
				() = members("provides.$name", $extension, \%known, [ 'file', 'version' ])
				  or next;
				matches("provides.$name.version", $extension->{version}, $semver);
				matches("provides.$name.abstract", $extension->{abstract}, qr/.+/)
				  if exists $extension->{abstract};
				foreach my $file (grep { exists $extension->{$_} } qw(file docfile))
				{
					matches("provides.$name.$file", $extension->{$file}, qr/.+/);
					push @wrong, "provides.$name.$file: not there"
					  if !-f ($extension->{$file} // '');
				}
			}
		},
		no_index => sub {
			members('no_index', $_[0], { file => 1, directory => 1 });
		},
		prereqs => \&check_prereqs,
		resources => \&check_resources);

	my @required = qw(name version abstract maintainer license provides meta-spec);
	@wrong = ();
	$checks{$_} && $checks{$_}->($meta->{$_})
	  foreach members('META.json', $meta, \%checks, \@required);
	return @wrong;
}

local $/;
open my $file, '<:raw', 'META.json' or die "META.json: $!\n";
my $text = <$file>;

if ("@ARGV" ne '--mistakes')
{
	print map { "META.json: $_\n" } check(decode_json($text));
	exit;
}

# What each does to the decoded file.
my %mistakes = (
	'no name' => sub { delete $_[0]{name} },
	'a name of one character' => sub { $_[0]{name} = 's' },
	'a version of two numbers' => sub { $_[0]{version} = '1.0' },
	'a version with a leading zero' => sub { $_[0]{version} = '1.00.0' },
	'an empty abstract' => sub { $_[0]{abstract} = '' },
	'no maintainer' => sub { $_[0]{maintainer} = [] },
	'a licence nobody knows' => sub { $_[0]{license} = 'PostgreSQL License' },
	'nothing provided' => sub { $_[0]{provides} = {} },
	'a script that is not there' => sub { $_[0]{provides}{sctoken}{file} = 'sctoken.sql' },
	'a script without a version' => sub { delete $_[0]{provides}{sctoken}{version} },
	'another version of the specification' => sub { $_[0]{'meta-spec'}{version} = '2.0.0' },
	'a status of its own' => sub { $_[0]{release_status} = 'beta' },
	'a tag with a slash' => sub { push @{ $_[0]{tags} }, 'a/b' },
	'tags that are no list' => sub { $_[0]{tags} = 'oauth' },
	'a phase that is none' => sub { $_[0]{prereqs}{install} = {} },
	'a relation that is none' => sub { $_[0]{prereqs}{runtime}{needs} = {} },
	'a version range that is none' =>
	  sub { $_[0]{prereqs}{runtime}{requires}{PostgreSQL} = 'fifteen' },
	'a member that is not known' => sub { $_[0]{homepage} = 'https://example.org' },
	'a homepage that is no URI' => sub { $_[0]{resources}{homepage} = 'example.org' },
	'a repository without its form' =>
	  sub { $_[0]{resources}{repository} = 'https://example.org' });

foreach my $name (sort keys %mistakes)
{
	my $meta = decode_json($text);

	$mistakes{$name}->($meta);
	print "not found: $name\n" if !check($meta);
}
