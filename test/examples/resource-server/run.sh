#!/bin/bash
# run.sh: the example of a resource server, as clients see it, and its page in
# Chromium.
#
# Works in a temporary copy of the example and in a database and with two roles of
# its own, on the server that PGHOST, PGPORT, PGUSER and PGDATABASE name, as a role
# that may create them.  Where the tests cannot run one line says why, and the
# status is 0; but with CI set what cannot be installed is a failure.
#
# Environment:
#	BROWSER=1	test the page too where there is no Chromium: unpacks Debian's into
#				PACKAGES, or else into the copy.  98 MB took from half a minute to
#				some, so that it is done only if asked for.
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

maintenance_db=${PGDATABASE:-postgres}
export PGDATABASE=sctoken_resource_server_$$
created=
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
	[ "$created" = '' ] || server "DROP DATABASE $PGDATABASE WITH (FORCE)" || true
	[ "$created" != roles ] || server 'DROP ROLE shop_login, shop_api' || true
	exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Prints the program of Chromium: installed, or unpacked into the folder.
find_chromium()
{
	command -v chromium-headless-shell || command -v chromium ||
		compgen -G "$1/usr/lib/chromium/chromium-headless-shell"
}

# Sets CHROMIUM, where there is one or one is wanted.
provide_chromium()
{
	local packages=${PACKAGES:-$dir/packages}

	CHROMIUM=$(find_chromium "$packages") && return
	[ -n "${BROWSER:-}" ] || return 0
	"$top/test/unpack_packages.sh" "$packages" chromium-headless-shell
	CHROMIUM=$(find_chromium "$packages")
}

cp -R "$top/examples/resource-server" "$dir/example"
rm -rf "$dir/example/node_modules"
cp "$here"/*.js "$dir"
cd "$dir/example"
if ! npm ci --no-audit --no-fund --loglevel=error; then
	[ -z "${CI:-}" ] || exit 1
	skip 'npm could not install the packages of package-lock.json'
fi

CHROMIUM=
provide_chromium
export CHROMIUM
if [ -z "$CHROMIUM" ]; then
	echo 'skipped: the page: no Chromium, and BROWSER=1 was not asked for (98 MB)'
	rm "$dir/page.test.js"
fi

server "CREATE DATABASE $PGDATABASE"
created=database
npm run --silent setup
created=roles
mv node_modules package.json ..
cd ..
node --test --test-reporter=spec ./*.test.js
