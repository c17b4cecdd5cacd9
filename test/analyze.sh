#!/bin/bash
# analyze.sh: what static analysers find in the sources, which must be nothing.
#
# Runs in a copy of the checkout, and builds in FOLDER.  Prints TAP, and what was
# found.  What clang-tidy looks for stands in .clang-tidy.
#
# usage: test/analyze.sh FOLDER
set -u -o pipefail

folder=$1
pg_config=${PG_CONFIG:-pg_config}
count=0
failed=0

# claim TEXT COMMAND...: the command fails where something is found.
claim()
{
	local text=$1 verdict=ok

	shift
	if ! "$@" 2>&1 | sed 's/^/# /'; then
		verdict='not ok'
		failed=$((failed + 1))
	fi
	count=$((count + 1))
	printf '%s %d - %s\n' "$verdict" $count "$text"
}

# The newest program of that name, which may have a version behind it
newest()
{
	compgen -c | grep -E "^$1(-[0-9]+)?$" | sort -V | tail -n 1
}

# PostgreSQL's headers as the system's: this is not about them.
with_clang_tidy()
{
	printf '%s\0' src/*.c src/core/*.c |
		xargs -0 -P "$(nproc)" -I '{}' "$(newest clang-tidy)" --quiet '{}' -- \
			-std=gnu99 -D_GNU_SOURCE -DSCTOKEN_VERSION='"0"' \
			-isystem "$("$pg_config" --includedir-server)" \
			-isystem "$("$pg_config" --includedir)"
}

# The analyser of clang on its own has all of its default checks, across the
# functions of a file.
with_scan_build()
{
	mkdir -p "$folder" &&
		"$(newest scan-build)" --status-bugs -o "$folder/reports" \
			--use-cc="$(newest clang)" make -s -C "$folder" -f "$PWD/Makefile" \
			-j "$(nproc)" PG_CONFIG="$pg_config" PG_CFLAGS=-Wno-everything
}

# The tests' own C too.  Without the headers of others, which it does not need, it
# must be told what their macros are.
with_cppcheck()
{
	cppcheck --enable=warning,performance,portability --std=c99 --quiet -j "$(nproc)" \
		--error-exitcode=1 --inline-suppr \
		--template='{file}:{line}: {severity}: {message} [{id}]' \
		-DPG_VERSION_NUM=150000 -DOPENSSL_VERSION_NUMBER=0x30000000L \
		'-DSTACK_OF(type)=type' '-DCppAsString2(name)=#name' '-Dlengthof(array)=(sizeof(array)/sizeof((array)[0]))' \
		src test
}

claim 'cppcheck finds nothing' with_cppcheck
claim 'clang-tidy finds nothing' with_clang_tidy
claim 'scan-build finds nothing' with_scan_build
echo "1..$count"
[ $failed = 0 ]
