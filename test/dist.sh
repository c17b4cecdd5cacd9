#!/bin/bash
# dist.sh: make dist: the distribution for PGXN, of what is committed.
#
# Makes NAME-VERSION.zip, unpacks it again, and looks whether it is what PGXN takes.
#
# usage: test/dist.sh [FOLDER]		where the file is to go; default: the checkout
set -eu -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
folder=$(realpath "${1:-.}")
version=$(sed -n "s/^default_version *= *'\(.*\)'/\1/p" sctoken.control)
name=sctoken-$version
unpacked=$(mktemp -d)
trap 'rm -rf "$unpacked"' EXIT

die()
{
	echo "dist.sh: $*" >&2
	exit 1
}

[ -e .git ] || die 'needs the repository, of which it takes what is committed'
[ -z "$(git status --porcelain)" ] || die 'something is not committed'
command -v unzip >/dev/null || test/install_packages.sh unzip >/dev/null ||
	die 'needs unzip'

git archive --format=zip --prefix="$name/" -o "$folder/$name.zip" HEAD
unzip -q "$folder/$name.zip" -d "$unpacked"
[ "$(ls "$unpacked")" = "$name" ] || die 'not one folder of that name'
wrong=$("$unpacked/$name/test/meta.pl")
[ -z "$wrong" ] || die "$wrong"
cmp -s META.json "$unpacked/$name/META.json" || die 'META.json is another'
grep -q "\"version\": \"$version\"" META.json || die 'META.json has another version'
[ -L "$unpacked/$name/test/expected" ] || die 'a symbolic link was lost'
echo "$folder/$name.zip"
