#!/bin/bash
# gates.sh: rules of the house that a text search can judge (make lint).
#
# Needs no server and no PostgreSQL.  Prints TAP, and what breaks a rule.
#
# usage: test/gates.sh [SHARED_LIBRARY]
set -u -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
library=${1:-sctoken.so}
script=sql/sctoken--$(sed -n "s/^default_version *= *'\(.*\)'/\1/p" \
	sctoken.control).sql
count=0
failed=0

# gate RULE COMMAND...: the command prints what breaks the rule, and nothing
# else; it fails where it cannot judge.
gate()
{
	local rule=$1 status=0 output verdict=ok

	shift
	output=$("$@" 2>&1) || status=$?
	if [ $status != 0 ] || [ -n "$output" ]; then
		verdict='not ok'
		failed=$((failed + 1))
		sed 's/^/# /' <<<"${output:-$* gave status $status}"
	fi
	count=$((count + 1))
	printf '%s %d - %s\n' "$verdict" $count "$rule"
}

# skip RULE REASON
skip()
{
	count=$((count + 1))
	printf 'ok %d - %s # SKIP %s\n' $count "$1" "$2"
}

# matches PATTERN FILE...: grep, but to find nothing is no failure.
matches()
{
	local status=0

	grep -nHE -- "$@" || status=$?
	[ $status -le 1 ]
}

# different LIST LIST WORDS WORDS: what only one of two sorted lists has, and
# the words for that.
different()
{
	comm -23 <(printf '%s\n' "$1") <(printf '%s\n' "$2") | tell "$3"
	comm -13 <(printf '%s\n' "$1") <(printf '%s\n' "$2") | tell "$4"
}

# Puts the words after each line that is not empty.
tell()
{
	local name

	while read -r name; do
		[ -z "$name" ] || printf '%s: %s\n' "$name" "$1"
	done
}

# listed VARIABLE: the words of one of the Makefile's lists, sorted.
listed()
{
	make -s --no-print-directory "print-$1" | tr ' ' '\n' | sed '/^$/d' | sort
}

# stems FOLDER SUFFIX: names of the files, without folder and suffix, sorted.
stems()
{
	find "$1" -maxdepth 1 -name "*$2" -printf '%f\n' | sed "s/$2\$//" | sort
}

# without_comments FILE...: C, each line behind the name of its file.
without_comments()
{
	local file

	for file; do
		gcc -fpreprocessed -dD -E -P -x c "$file" | sed "s|^|$file: |" || return
	done
}

core_is_pure()
{
	without_comments src/core/*.[ch] >"$code" || return
	grep -E '\<(ereport|elog|palloc[a-z0-9_]*|SPI_[a-z_]+)\>' "$code"
	grep -E '# *include "(\.\./|fmgr|funcapi|miscadmin|(access|catalog|commands|executor|nodes|storage|tcop|utils)/)' \
		"$code" | grep -v '"../compat.h"'
	return 0
}

openssl_is_kept_in()
{
	local status

	matches '# *include *<openssl/' src/*.[ch] src/core/*.[ch] >"$code"
	status=$?
	grep -vE '^src/core/(crypto|x509[a-z_]*)\.c:' "$code"
	return $status
}

only_one_knows_versions()
{
	local status

	matches 'PG_VERSION_NUM' src/*.[ch] src/core/*.[ch] >"$code"
	status=$?
	grep -v '^src/compat\.h:' "$code"
	return $status
}

sources_are_built()
{
	different "$(find src -name '*.c' | sed 's/c$/o/' | sort)" \
		"$(listed OBJS)" 'not in OBJS' 'in OBJS, without a source'
}

tests_are_listed()
{
	different "$(stems test/sql .sql)" "$(listed REGRESS)" \
		'in test/sql, not in REGRESS' \
		'in REGRESS, not in test/sql'
	different "$(stems test/specs .spec)" "$(listed ISOLATION)" \
		'in test/specs, not in ISOLATION' \
		'in ISOLATION, not in test/specs'
}

tests_have_outputs()
{
	different \
		"$({ stems test/sql .sql; stems test/specs .spec; } | sort)" \
		"$(stems expected .out)" \
		'a test, without expected output' \
		'in expected/, without a test'
	# pg_regress would take such a file for the test's input.
	comm -12 <(stems sql .sql) <(stems test/sql .sql)
}

# Names of what the script makes with a public name, once for each signature.
objects()
{
	sed -nE "s/^$1 (UNLOGGED )?(FUNCTION|PROCEDURE|TABLE|TYPE|VIEW|SCHEMA) ([a-z0-9_.]+).*/\2 \3/p" \
		"$script" | sort
}

objects_have_comments()
{
	different "$(objects CREATE)" "$(objects 'COMMENT ON')" \
		'no COMMENT ON' 'COMMENT ON, without CREATE'
}

# The script without its comments.
plain_sql()
{
	sed 's/--.*//' "$script"
}

script_makes_only_what_is_new()
{
	plain_sql | grep -niE 'OR +REPLACE|IF +NOT +EXISTS'
	[ -s "$script" ]
}

# A caller's search_path must not decide what is called, compared or read.
names_are_qualified()
{
	test/qualified_names.pl sql/*.sql src/*.c
}

names_that_are_not_are_found()
{
	test/qualified_names.pl --mistakes "$script" src/*.c
}

# Tables can be spread over many servers.
tables_are_reached_by_sql()
{
	test/distributable.pl src/*.c src/core/*.c sql/*.sql
}

access_past_sql_is_found()
{
	test/distributable.pl --mistakes src/*.c "$script"
}

versions_agree()
{
	local version

	version=$(basename "$script" .sql)
	version=${version#sctoken--}
	[ -e "$script" ] || echo "sctoken.control: no $script"
	[ "$(listed DATA | grep -cx "$script")" = 1 ] ||
		echo "Makefile: $script is not in DATA"
	perl -MJSON::PP -0777 -ne '
		my $meta = decode_json($_);
		my $provided = $meta->{provides}{sctoken};
		print "META.json: version\n"
			if grep { $_ ne $ARGV[0] } $meta->{version}, $provided->{version};
		print "META.json: file\n" if $provided->{file} ne $ARGV[1];
		exit' META.json "$version" "$script"
	find sql -type f ! -name 'sctoken--*.sql' ! -name released.sha256
}

# A clone in which version 1.0.0 is released, then each thing that must not be.
released_scripts_that_are_not_are_found()
{
	local folder
	local git=(git -c user.name=x -c user.email=x -c init.defaultBranch=x -C)
	local script=sql/sctoken--1.0.0.sql list=sql/released.sha256

	folder=$(mktemp -d) || return
	git+=("$folder")
	mkdir "$folder/sql"
	echo 'SELECT 1;' >"$folder/$script"
	(cd "$folder" && sha256sum $script) >"$folder/$list"
	"${git[@]}" init -q
	"${git[@]}" add -A
	"${git[@]}" commit -qm x
	"${git[@]}" tag v1.0.0
	test/released.sh "$folder"

	echo '-- more' >>"$folder/$script"
	[ -n "$(test/released.sh "$folder")" ] || echo 'not found: a script that changed'
	(cd "$folder" && sha256sum $script) >"$folder/$list"
	[ -n "$(test/released.sh "$folder")" ] ||
		echo 'not found: a script that changed, with its checksum'
	"${git[@]}" checkout -q -f HEAD
	: >"$folder/$list"
	[ -n "$(test/released.sh "$folder")" ] ||
		echo 'not found: a tag whose script is not in the list'
	"${git[@]}" checkout -q -f HEAD
	rm "$folder/$script"
	[ -n "$(test/released.sh "$folder")" ] || echo 'not found: a script that is gone'
	rm -rf "$folder"
}

# What pg_buildext makes of debian/control.in for Debian 12.
debian_agrees()
{
	local version

	diff -u <(sed '/^Package: /,$s/PGVERSION/15/g' debian/control.in) debian/control
	version=$(sed -n '1s/^sctoken (\([^)]*\)-[^-)]*).*/\1/p' debian/changelog)
	[ "sql/sctoken--$version.sql" = "$script" ] ||
		echo "debian/changelog: version $version"
	different "$(grep -v '^#' debian/pgversions | sort)" \
		"$(sed -n 's/^declare -A suite=(\(.*\))$/\1/p' test/matrix.sh |
			grep -oE '\[[0-9]+\]' | tr -d '[]' | sort)" \
		'in debian/pgversions, not tested' 'tested, not in debian/pgversions'
}

# What they name is there, and reaches the build.
container_files_agree()
{
	local source

	for source in $(sed -nE '/--from/d; s/^COPY (.*) [^ ]+$/\1/p' Dockerfile); do
		[ -e "$source" ] || echo "Dockerfile: no $source"
		grep -qx "!$source" .dockerignore || echo ".dockerignore: keeps $source out"
	done
	perl -MCPAN::Meta::YAML -e '
		my $compose = CPAN::Meta::YAML->read("compose.yaml")->[0];
		foreach my $name (sort keys %{ $compose->{services} })
		{
			my $service = $compose->{services}{$name};

			foreach my $secret (@{ $service->{secrets} })
			{
				print "compose.yaml: no secret $secret\n"
					if !$compose->{secrets}{$secret}{file};
			}
			foreach my $volume (map { s/:.*//r } @{ $service->{volumes} })
			{
				print "compose.yaml: no volume $volume\n"
					if !exists $compose->{volumes}{$volume};
			}
			print "compose.yaml: a port for everybody\n"
				if grep { !/^127\.0\.0\.1:/ } @{ $service->{ports} };
		}'
}

# On PostgreSQL 15 a library's symbols are seen by every other library.
symbols_are_ours()
{
	nm -D --defined-only "$library" | awk '{ print $NF }' |
		grep -vE '^(_PG_init|Pg_magic_func|pg_finfo_sctoken_.*|sctoken_.*|sct_.*|_init|_fini)$'
	[ "${PIPESTATUS[0]}" = 0 ]
}

# How long a comparison takes must not tell how much of a secret was right.  No
# test can see that; so what is named as a secret is held only by the function for
# it, in C and in SQL, and two functions that give no names use what they must.
secrets_are_compared_in_constant_time()
{
	without_comments src/*.c src/core/*.c >"$code" || return
	perl -e '
		my $secret = qr/\b(?:\w+_)?(?:secret|hash|mac|salt)\b|\b(?:mac|successor|nonce)_key\b/;
		my $operator = qr/\s+OPERATOR\(pg_catalog\.[<>=]+\)/;
		my %must = (sctoken_hash_equal => "sct_crypto_equal",
			sct_crypto_equal => "CRYPTO_memcmp");
		my (%text, %body);
		/^(\S+): (.*)/s && ($text{$1} .= $2) while <>;
		foreach my $file (sort keys %text)
		{
			local $_ = $text{$file};
			while (/\b((?:mem|b|str|strn)cmp)\s*(\((?:[^()]++|(?2))*\))/g)
			{
				my ($call, $arguments) = ($1, $2);

				print "$file: ", "$call$arguments" =~ s/\s+/ /gr, "\n"
					if $arguments =~ $secret;
			}
			print "$file: $1\n" while /($secret$operator)/g;
			$body{$1} = $2 while /^(\w+)\([^;]*?\)\n(\{\n.*?^\})/gms;
		}
		foreach my $function (sort keys %must)
		{
			print "$function: does not call $must{$function}\n"
				if ($body{$function} // "") !~ /\b$must{$function}\b/;
		}' "$code"
}

# What a patch of test/faults can name as its test, one a line.
tests_for_faults()
{
	stems test/unit .c | sed -n 's/^test_/unit:&/p'
	listed REGRESS | sed 's/^/regress:/'
	listed ISOLATION | sed 's/^/isolation:/'
	find test/t -name '*.pl' -printf 'tap:%p\n'
	sed -n "s/^gate '\([^']*\)'.*/gates:\1/p" test/gates.sh
}

faults_are_ready()
{
	local patch

	for patch in test/faults/*.patch; do
		if command -v patch >/dev/null; then
			patch -p1 -F0 --dry-run --force --silent <"$patch" >/dev/null 2>&1
		else
			git apply --check "$patch" 2>/dev/null
		fi || echo "$patch: does not apply"
	done
	tests_for_faults | awk '
		FILENAME == "-" { known[$0]; next }
		FNR == 1 {
			number = substr(FILENAME, length("test/faults/") + 1, 3)
			if (number !~ /^[0-9][0-9]-$/ || number in seen)
				print FILENAME ": no number of its own"
			seen[number]
			silent[FILENAME]
		}
		/^killed-by: / {
			delete silent[FILENAME]
			test = substr($0, length("killed-by: ") + 1)
			if (!(test in known))
				print FILENAME ": no such test: " test
		}
		/^\+\+\+ / && !/^\+\+\+ b\/(src|sql)\// {
			print FILENAME ": changes " $2
		}
		END { for (name in silent) print name ": names no test" }
	' - test/faults/*.patch
}

# What the guide shows of a proxy's settings is what the tests run.
shown_settings_are_tested()
{
	perl -0777 -e '
		my %file = (nginx => "nginx.conf", haproxy => "haproxy.cfg",
			apache => "apache.conf");
		@ARGV = ("doc/choosing.md", map { "test/proxies/$_" } @file{sort keys %file});
		my ($guide, @settings) = map { s/^[ \t]+//gmr } <>;
		foreach my $proxy (sort keys %file)
		{
			my $tested = shift @settings;
			my @shown = $guide =~ /^```$proxy\n(.*?)^```$/gms;
			print "doc/choosing.md: no settings of $proxy\n" if !@shown;
			print "doc/choosing.md: not in $file{$proxy}:\n$_"
				foreach grep { index($tested, $_) < 0 } @shown;
		}'
}

# make pictures writes what it has drawn a picture from into it.
pictures_are_drawn()
{
	local source

	(
		cd doc/picture || exit
		for source in *.dot; do
			[ "$(tail -n 1 "${source%.dot}.svg")" = "<!-- $(sha256sum "$source") -->" ] ||
				echo "${source%.dot}.svg: not drawn from $source as it is"
		done
		different "$(stems . .dot)" "$(stems . .svg)" 'has no picture' 'has no source'
	)
}

shell_scripts()
{
	find test .ci doc examples debian -name '*.sh' ! -path '*/node_modules/*' \
		-o -path .ci/run -o -path debian/tests/installcheck
}

shell_scripts_parse()
{
	local file

	while read -r file; do
		bash -n "$file"
		[ -x "$file" ] || echo "$file: not executable"
		[ "$(head -c 2 "$file")" = '#!' ] || echo "$file: no interpreter"
	done < <(shell_scripts)
}

shell_scripts_pass_shellcheck()
{
	shell_scripts | xargs shellcheck --severity=warning --external-sources
}

controls_apply()
{
	local patch

	for patch in test/campaign/controls/*.patch; do
		git apply --check "$patch" || echo "$patch: does not apply"
		grep -q '^Campaign: ' "$patch" || echo "$patch: no line \"Campaign: \""
	done
}

# What amcheck would find cannot be made by a change of these sources.
rules_have_controls()
{
	different \
		"$(sed -nE 's/^\t\[ ([a-z]+) +=> .*/\1/p' test/campaign/Oracle.pm | sort)" \
		"$({
			echo sound
			sed -n 's/^Rule: //p' test/campaign/controls/*.patch
		} | sort -u)" \
		'a rule without a control' 'a control of no rule'
}

lines_end_cleanly()
{
	local files

	mapfile -t files < <(find Makefile Dockerfile compose.yaml debian \
		sctoken.control META.json .ci examples \
		sql src test -type f ! -path 'test/vectors/*' ! -path '*/node_modules/*' \
		! -name '*.[oa]' ! -name '*.so' ! -name '*.patch' \
		-exec grep -lI . {} +)
	matches '[[:blank:]]+$' "${files[@]}"
}

code=$(mktemp)
trap 'rm -f "$code"' EXIT

gate 'src/core neither throws nor allocates nor knows of the server' \
	core_is_pure
gate 'only crypto.c and x509*.c of src/core include OpenSSL' openssl_is_kept_in
gate 'only src/compat.h knows versions of PostgreSQL' only_one_knows_versions
gate 'secrets are compared in constant time' \
	secrets_are_compared_in_constant_time
gate 'every source is built' sources_are_built
gate 'every test is run' tests_are_listed
gate 'every test has an expected output, and the reverse' tests_have_outputs
gate 'every object of the script has a comment' objects_have_comments
gate 'the script makes only what is not there yet' script_makes_only_what_is_new
gate 'no search_path decides what a name in SQL means' names_are_qualified
gate 'and a name of which it would is found, wherever it is' \
	names_that_are_not_are_found
gate 'tables are reached by SQL alone, and updates may arrive twice' \
	tables_are_reached_by_sql
gate 'and what else reaches them, or may not, is found' access_past_sql_is_found
gate 'control file, script, Makefile and META.json agree' versions_agree
gate 'META.json is what PGXN takes' test/meta.pl
gate 'and what it would not take is found' test/meta.pl --mistakes
gate "Debian's files agree with all that" debian_agrees
gate 'Dockerfile and compose.yaml name what is there' container_files_agree
gate 'every released script is as it was' test/released.sh
if command -v git >/dev/null; then
	gate 'and one that is not is found' released_scripts_that_are_not_are_found
else
	skip 'and one that is not is found' 'no git'
fi
if [ -e "$library" ]; then
	gate 'every symbol of the library is ours' symbols_are_ours
else
	skip 'every symbol of the library is ours' "no $library"
fi
gate 'every seeded fault applies, and names tests that are there' \
	faults_are_ready
gate 'the proxy settings of the guide are those of the tests' \
	shown_settings_are_tested
gate 'every picture is drawn from its source as it is' pictures_are_drawn
gate 'every shell script parses and can be run' shell_scripts_parse
if command -v shellcheck >/dev/null; then
	gate 'every shell script passes shellcheck' shell_scripts_pass_shellcheck
else
	skip 'every shell script passes shellcheck' 'no shellcheck'
fi
if command -v git >/dev/null; then
	gate 'every control of the campaign applies' controls_apply
else
	skip 'every control of the campaign applies' 'no git'
fi
gate 'every rule of the campaign has a control' rules_have_controls
gate 'no line ends with a blank' lines_end_cleanly
printf '1..%d\n' $count
[ $failed = 0 ]
