#!/bin/bash
# run.sh: real clients log in and refresh at examples/oidc-provider.
#
# Works as test/examples/run.sh says.
set -eu -o pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
example=$here/../../../examples/oidc-provider

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
export PGDATABASE=sctoken_oidc_provider_$$
created=no
dir=$(mktemp -d)

server()
{
	psql -Xq -d "$maintenance_db" -v ON_ERROR_STOP=1 "$@"
}

clean_up()
{
	status=$?
	trap - EXIT
	cd /
	rm -rf "$dir"
	if [ $created = yes ]; then
		server -c "DROP DATABASE $PGDATABASE WITH (FORCE)" \
			-c 'DROP ROLE oidc_provider' || true
	fi
	exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

cp -R "$example/." "$here"/*.js "$dir"
cd "$dir"
if ! npm ci --no-audit --no-fund --loglevel=error; then
	[ -z "${CI:-}" ] || exit 1
	skip 'npm could not install the packages of package-lock.json'
fi

server -c 'CREATE ROLE oidc_provider LOGIN' -c "CREATE DATABASE $PGDATABASE"
created=yes
psql -Xq -v ON_ERROR_STOP=1 -f schema.sql >schema.out
node --test --test-reporter=spec ./*.test.js
