#!/bin/bash
# run.sh: one refresh in several languages, while connections break.
#
# Works in a temporary copy of the examples and in a database of its own on the
# server that PGHOST (a folder of sockets), PGPORT, PGUSER and PGDATABASE name, as a
# role that may create it and is superuser.  Where the tests cannot run one line says
# why, and the status is 0; but with CI set what cannot be installed is a failure.
set -eu -o pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(cd "$here/../../.." && pwd)

skip()
{
	echo "skipped: $1"
	exit 0
}

command -v npm >/dev/null || skip 'npm not found'
command -v node >/dev/null || skip 'node not found'
node -e 'const [major, minor] = process.versions.node.split(".");
	process.exit(major > 18 || major == 18 && minor >= 15 ? 0 : 1)' ||
	skip "node too old: $(node --version), 18.15 or newer is needed"
case ${PGHOST:-} in
	/*) ;;
	*) skip 'PGHOST names no folder of sockets' ;;
esac

maintenance_db=${PGDATABASE:-postgres}
export PGDATABASE=sctoken_languages_$$
created=no
dir=$(mktemp -d)

server()
{
	psql -Xq -d "$maintenance_db" -v ON_ERROR_STOP=1 -c "$1"
}

cleanup()
{
	local status=$?

	trap - EXIT
	cd /
	rm -rf "$dir"
	[ $created = no ] || server "DROP DATABASE $PGDATABASE WITH (FORCE)" || true
	exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Sets PYTHON and PYTHON_PATH where Debian's Python has psycopg, installed or
# unpacked.
provide_python()
{
	local packages=${PACKAGES:-$dir/packages}
	local modules=$packages/usr/lib/python3/dist-packages

	command -v /usr/bin/python3 >/dev/null || return
	if ! /usr/bin/python3 -c 'import psycopg' 2>/dev/null; then
		[ -e "$modules/psycopg" ] ||
			"$top/test/unpack_packages.sh" "$packages" python3-psycopg || return
		PYTHONPATH=$modules \
			/usr/bin/python3 -c 'import psycopg' || return
		PYTHON_PATH=$modules
	fi
	PYTHON=/usr/bin/python3
}

cp -R "$top/examples/languages" "$dir/example"
rm -rf "$dir/example/node_modules"
cp "$here"/*.js "$dir"
cd "$dir/example"
if ! npm ci --no-audit --no-fund --loglevel=error; then
	[ -z "${CI:-}" ] || exit 1
	skip 'npm could not install the packages of package-lock.json'
fi
cp package.json ..
mv node_modules ..
cd ..

PYTHON=
PYTHON_PATH=
provide_python || {
	[ -z "${CI:-}" ] || exit 1
	echo 'skipped: Python: no psycopg'
}
export PYTHON PYTHON_PATH

server "CREATE DATABASE $PGDATABASE"
created=yes
psql -Xq -v ON_ERROR_STOP=1 -c 'CREATE EXTENSION sctoken'
node --test --test-reporter=spec ./*.test.js
