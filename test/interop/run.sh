#!/bin/sh
# run.sh: what npm's jose and dpop make is what sctoken verifies.
#
# Works in a temporary copy of this folder and in a database of its own on the
# server that PGHOST, PGPORT, PGUSER and PGDATABASE name, as a role that may
# create it.  Where the tests cannot run one line says why, and the status is 0;
# but with CI set a failed installation of the npm packages is a failure.
set -eu

here=$(cd "$(dirname "$0")" && pwd)

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

maintenance_db=${PGDATABASE:-postgres}
export PGDATABASE=sctoken_interop_$$
created=no
dir=$(mktemp -d)

server()
{
	psql -Xq -d "$maintenance_db" -v ON_ERROR_STOP=1 -c "$1"
}

cleanup()
{
	status=$?
	trap - EXIT
	cd /
	rm -rf "$dir"
	[ $created = no ] || server "DROP DATABASE $PGDATABASE WITH (FORCE)" || true
	exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

cp "$here"/*.js "$here"/package.json "$here"/package-lock.json \
	"$here"/.npmrc "$dir"
cd "$dir"
if ! npm ci --no-audit --no-fund --loglevel=error; then
	[ -z "${CI:-}" ] || exit 1
	skip 'npm could not install the packages of package-lock.json'
fi

server "CREATE DATABASE $PGDATABASE"
created=yes
psql -Xq -v ON_ERROR_STOP=1 -c 'CREATE EXTENSION sctoken'
node --test --test-reporter=spec ./*.test.js
