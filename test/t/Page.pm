# The fenced blocks of a page of Markdown, for the tests that run them.

package Page;

use strict;
use warnings;
use Exporter 'import';
use PostgreSQL::Test::Utils;

our @EXPORT = qw(page_blocks);

# In order, each with the line of its fence, the heading it stands under, the
# language and the name behind the fence, and its text, without the fence's
# indentation.  An "output" block belongs to the one right before it.
sub page_blocks
{
	my ($file) = @_;
	my (@blocks, $indentation, $block);
	my ($section, $prose, $line) = ('', '', 0);

	foreach (split /^/, slurp_file($file))
	{
		$line++;
		if ($block)
		{
			s/^ {0,$indentation}//;
			$block->{text} .= $_ unless /^```$/;
			next unless /^```$/;
			if ($block->{language} ne 'output')
			{
				push @blocks, $block;
			}
			elsif (!@blocks || $prose =~ /\S/)
			{
				die "$file:$block->{line}: the output of nothing\n";
			}
			else
			{
				$blocks[-1]{output} = $block->{text};
			}
			($block, $prose) = (undef, '');
		}
		elsif (/^( *)```(\S*) ?(.*)$/)
		{
			$indentation = length $1;
			$block = {
				line => $line, section => $section,
				language => $2, name => $3, text => '' };
		}
		else
		{
			$section = $1 if /^##+ (.*)$/;
			$prose .= $_;
		}
	}
	die "$file:$block->{line}: a block has no end\n" if $block;
	return @blocks;
}

1;
