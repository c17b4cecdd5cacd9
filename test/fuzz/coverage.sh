#!/bin/bash
# coverage.sh: which lines and branches of src/core the seeds and corpora reach.
#
# usage: coverage.sh BUILD BUILD_FOR_COVERAGE HARNESS...
set -eu -o pipefail

build=$1
coverage=$2
shift 2
suffix=$("${CLANG:-clang}" --version | sed -nE '1s/.*version ([0-9]+).*/-\1/p')
objects=()
export UNIT_DATA=$build

rm -rf "$coverage/profile"
mkdir "$coverage/profile"
for name; do
	mkdir -p "$build/corpus/$name"
	LLVM_PROFILE_FILE=$coverage/profile/$name.raw "$coverage/$name" -runs=0 \
		"$build/corpus/$name" "$build/seeds/$name" >/dev/null 2>&1
	objects+=(-object "$coverage/$name")
done
"llvm-profdata$suffix" merge -o "$coverage/profile/all" "$coverage"/profile/*.raw
"llvm-cov$suffix" report -instr-profile="$coverage/profile/all" \
	"${objects[@]}" -ignore-filename-regex='/test/|/usr/'
