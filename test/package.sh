#!/bin/bash
# package.sh: make test-package: builds the Debian package as Debian would, and
# installs and tests it where nothing else is.
#
# Two chroots of the suite are made, and removed at the end.  In the first the
# package is built, after what debian/control says it needs was installed.  In the
# second nothing but the package is installed, with what it asks for: an extension is
# made of it and used, and debian/tests are run on it, with the server's development
# files unpacked for them.
#
# usage, as root: test/package.sh [15|17|18]		default: 15
#
# Environment:
#	TMPDIR	where to make the chroots, 2 GB; default: /var/tmp
#	KEEP	a folder that gets the packages; default: they are removed too
set -u -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
. test/chroot.sh
version=${1:-15}
declare -A suite=([15]=bookworm [17]=trixie [18]=forky)
name=postgresql-$version-sctoken
passed=0
failed=0
work=

clean_up()
{
	trap '' INT TERM HUP
	cd / || exit
	[ -z "$work" ] || rm -rf --one-file-system "$work"
}

# claim TEXT COMMAND...: one case; what the command says is shown where it fails.
claim()
{
	local text=$1 verdict=ok

	shift
	"$@" >"$work/claim.log" 2>&1 || verdict='not ok'
	if [ "$verdict" = ok ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		tail -n 60 "$work/claim.log" | sed 's/^/# /'
	fi
	printf '%s %d - %s (%d s)\n' "$verdict" $((passed + failed)) "$text" $SECONDS
	[ "$verdict" = ok ]
}

summary()
{
	printf '%d passed, %d failed\n' $passed $failed
	[ $failed = 0 ]
	exit
}

# must TEXT COMMAND...: a case without which there are no others.
must()
{
	claim "$@" || summary
}

make_chroots()
{
	chroot_make "$work/clean" "${suite[$version]}" : make &&
		cp -a "$work/clean" "$work/build"
}

# pg_buildext writes debian/control for the versions that the suite has; Debian 12
# must find it as it is here.
build()
{
	# shellcheck disable=SC2016 # expanded there
	chroot_run "$work/build" sh -ec '
		cp -a /src /build && cd /build
		export DEBIAN_FRONTEND=noninteractive
		[ "$1" = 15 ] || sed -i "/^Package: /,\$s/15/$1/g" debian/control
		apt-get -qq update
		apt-get -q --yes --no-install-recommends install build-essential fakeroot
		apt-get -q --yes --no-install-recommends build-dep ./
		dpkg-buildpackage --no-sign --build=binary
		cp /*.deb /packages' sh "$version"
}

contents_are_right()
{
	local files file

	files=$(dpkg-deb --fsys-tarfile "$work/packages/$name"_*.deb | tar -t) || return
	for file in "usr/lib/postgresql/$version/lib/sctoken.so" \
		"usr/share/postgresql/$version/extension/sctoken.control" \
		"usr/share/postgresql/$version/extension/sctoken--1.0.0.sql" \
		"usr/share/doc/$name/README.md" "usr/share/doc/$name/doc/operations.md" \
		"usr/share/doc/$name/copyright" "usr/share/doc/$name/changelog.gz"; do
		grep -q "^./$file\(\.gz\)\?$" <<<"$files" || { echo "lacks $file"; return 1; }
	done
	# and nothing that belongs nowhere
	! grep -vE "^\./($|usr/($|lib/($|postgresql/)|share/($|postgresql/|doc/($|$name/))))" \
		<<<"$files"
}

install_it()
{
	# shellcheck disable=SC2016 # expanded there
	chroot_run "$work/clean" sh -ec '
		export DEBIAN_FRONTEND=noninteractive
		apt-get -qq update
		apt-get -q --yes --no-install-recommends install /packages/"$1"_*.deb' \
		sh "$name"
}

# As the README does it.
use_it()
{
	chroot_run "$work/clean" pg_virtualenv -v "$version" sh -ec "
		psql -Xqc 'CREATE EXTENSION sctoken'
		psql -XAtqc \"SELECT r.outcome FROM sctoken.issue('app', 'alice') AS i,
			LATERAL sctoken.rotate(i.refresh_token, 'app') AS r\" | grep -qx rotated" 2>&1
}

# What debian/tests/control asks for, but unpacked, without the 600 MB of LLVM that
# the headers depend on.
run_its_tests()
{
	# shellcheck disable=SC2016 # expanded there
	chroot_run "$work/clean" sh -ec '
		mkdir -p /tmp/headers && cd /tmp/headers
		apt-get -qq download "postgresql-server-dev-$1" postgresql-server-dev-all
		for package in *.deb; do dpkg -x "$package" /; done
		cp -a /src /tests && cd /tests
		chown -R postgres: .
		setpriv --reuid postgres --regid postgres --init-groups \
			env HOME=/tmp debian/tests/installcheck' sh "$version"
}

remove_it()
{
	# shellcheck disable=SC2016 # expanded there
	chroot_run "$work/clean" sh -ec '
		apt-get -qq --yes purge "$1"
		! find / -xdev -path /tests -prune -o -path /packages -prune -o \
			-path /src -prune -o -path /tmp -prune -o -name "*sctoken*" -print |
			grep -v /var/lib/dpkg/' sh "$name"
}

[ -n "${suite[$version]:-}" ] || { echo "knows ${!suite[*]}" >&2; exit 1; }
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
chroot_prepare || exit 1
work=$(mktemp -d "${TMPDIR:-/var/tmp}/package.XXXXXX") || exit 1
chmod 755 "$work"
sources=$work/src
test/copy_sources.sh "$sources" || exit 1
mkdir "$work/packages"
chroot_shared[/packages]=$work/packages

must "two chroots of ${suite[$version]} are made" make_chroots
must 'the package is built' build
claim 'its files are where they belong' contents_are_right
must 'it is installed where nothing else is' install_it
claim 'an extension is made of it, and used' use_it
claim 'its own tests pass on it' run_its_tests
claim 'nothing of it is left once it is removed' remove_it
[ -z "${KEEP:-}" ] || cp "$work/packages"/*.deb "$KEEP"
summary
