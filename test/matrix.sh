#!/bin/bash
# matrix.sh: make test-matrix: builds and tests sctoken on other versions of
# PostgreSQL and OpenSSL than this machine's.
#
# Each version stands in a chroot of its own, made of the packages of the Debian
# suite that has it and removed at the end.  test/run.sh runs in it as on any
# machine, in namespaces of its own: no process and no mount outlives it.  15 is
# this machine's, or else in a chroot as the others are.
#
# usage, as root: test/matrix.sh [chroots] [15|17|18|19]...		default: all
#
# With "chroots" they are made in CHROOTS, and nothing is tested.
#
# Environment:
#	STEPS			steps of make test to take there; default: below
#	PROVE_TESTS		TAP tests to take; default: all but those that unpack packages, and
#					those that want PL/Proxy where Debian does not have it
#	SCTOKEN_VECTORS	folder of test vectors; default: ../shared/vectors
#	SCTOKEN_DUMPS	folder of dumps, in which each version leaves one and restores those
#					of earlier ones; default: one that is gone at the end
#	TMPDIR			where to make the chroots, 0.5 GB each; default: /var/tmp
#	CHROOTS			folder of chroots that stay there, and are used as they are
#	CI				an archive that cannot be reached is a failure; without it the
#					version is skipped
set -u -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
. test/chroot.sh
steps=${STEPS:-unit regress isolation tap server}
vectors=$(realpath -m "${SCTOKEN_VECTORS:-../shared/vectors}")
passed=0
failed=0
skipped=0
work=
rows=()
declare -A maker=()

# Whether a failure there is one of ours: release candidates change under us.
declare -A suite=([15]=bookworm [17]=trixie [18]=forky [19]='sid experimental')
declare -A fatal=([15]=yes [17]=yes [18]=yes [19]=no)

# Whether the suite has PL/Proxy for it.
declare -A plproxy=([15]=yes [17]=yes [18]=yes [19]=no)

say()
{
	printf '%s\n' "$*"
}

die()
{
	say "matrix.sh: $*" >&2
	exit 1
}

clean_up()
{
	local version

	trap '' INT TERM HUP
	cd / || exit
	for version in "${!maker[@]}"; do
		kill -TERM -- -"${maker[$version]}" 2>/dev/null
		wait "${maker[$version]}"
	done
	[ -z "$work" ] || rm -rf --one-file-system "$work"
}

# make_version VERSION FOLDER: the server, its headers without the 600 MB of LLVM
# that they depend on for bitcode, and what test/run.sh would install.  The second
# suite, if any, is asked for PostgreSQL and OpenSSL alone.
make_version()
{
	local version=$1 folder=$2 from extra at headers more=()

	read -r from extra <<<"${suite[$version]}"
	at=${extra:+/$extra}
	headers=postgresql-server-dev-$version
	[ "${plproxy[$version]}" = no ] || more=("postgresql-$version-plproxy")
	# The quotes of what makes the chroot stand around this.
	chroot_make "$folder" "$from $extra" "cd /tmp
		apt-get -qq download $headers$at
		dpkg -x ${headers}_*.deb /
		rm ${headers}_*.deb" \
		postgresql-"$version$at" postgresql-client-"$version$at" libpq-dev"$at" \
		libpq5"$at" libssl-dev"$at" openssl"$at" gcc make libc6-dev perl \
		libipc-run-perl "${more[@]}"
}

# This machine's own server, where it is the one that is asked for.
is_here()
{
	[ "$1" = 15 ] && grep -qx 'VERSION_CODENAME=bookworm' /etc/os-release
}

# versions_of VERSION: what is tested, for people.
versions_of()
{
	local run=(env) program

	is_here "$1" || run=(chroot_run "$chroots/$1")
	program=/usr/lib/postgresql/$1/bin/postgres
	say "PostgreSQL $("${run[@]}" "$program" --version |
		sed 's/.*(PostgreSQL) \([^ ]*\).*/\1/'), OpenSSL $(
		"${run[@]}" openssl version | cut -d' ' -f2)"
}

# tests_of VERSION: those that unpack programs are left out, which know nothing of
# PostgreSQL's version.
tests_of()
{
	local unfit='use Packages|unpack_packages'

	[ "${plproxy[$1]}" = yes ] || unfit+='|use Proxy'
	say "${PROVE_TESTS:-$(cd "$sources" && grep -LE "$unfit" test/t/*.pl | tr '\n' ' ')}"
}

# run_tests VERSION: as on any machine.
run_tests()
{
	local settings

	settings=(STEPS="$steps" PROVE_TESTS="$(tests_of "$1")")
	if is_here "$1"; then
		env "${settings[@]}" SCTOKEN_DUMPS="$dumps" test/run.sh test
	else
		chroot_run "$chroots/$1" "${settings[@]}" SCTOKEN_DUMPS=/shared/dumps \
			PG_CONFIG=/usr/lib/postgresql/"$1"/bin/pg_config \
			SCTOKEN_VECTORS=/shared/vectors /src/test/run.sh test
	fi
}

# count VERSION PASSED FAILED SKIPPED WHAT: what fails where nothing is promised
# is said, and no failure.
count()
{
	local version=$1 p=$2 f=$3 s=$4 what=$5

	if [ "${fatal[$version]}" = no ] && [ "$f" != 0 ]; then
		what+=" (nothing is promised: counted as skipped)"
		s=$((s + f)) f=0
	fi
	passed=$((passed + p))
	failed=$((failed + f))
	skipped=$((skipped + s))
	rows+=("$what")
}

# test_version VERSION: waits for its chroot, and shows what its tests say.
test_version()
{
	local version=$1 status=0 start=$SECONDS p=0 f=0 s=0 named restored=
	local line='^([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?$'

	say "== PostgreSQL $version (Debian ${suite[$version]% *})"
	if ! is_here "$version" && ! wait "${maker[$version]}"; then
		tail -n 15 "$work/$version.log"
		if [ -z "${CI:-}" ]; then
			count "$version" 0 0 1 \
				"PostgreSQL $version: SKIPPED, its packages cannot be had from $chroot_archive"
		else
			count "$version" 0 1 0 \
				"PostgreSQL $version: NOT TESTED, its packages cannot be had from $chroot_archive"
		fi
		return
	fi
	named=$(versions_of "$version")
	run_tests "$version" 2>&1 | tee "$work/$version.out" || status=$?
	if [[ $(tail -n 1 "$work/$version.out") =~ $line ]]; then
		p=${BASH_REMATCH[1]} f=${BASH_REMATCH[2]} s=${BASH_REMATCH[4]:-0}
	fi
	# What did not end as it should has failed.
	[ $((p + f)) -gt 0 ] || status=1
	[ $status = 0 ] || [ "$f" -gt 0 ] || f=1
	# test/t/005_dump.pl says what it has restored.
	[ ! -s "$dumps/$version.restored" ] ||
		restored=", dumps restored of: $(cat "$dumps/$version.restored")"
	count "$version" "$p" "$f" "$s" \
		"$named: $p passed, $f failed, $s skipped ($((SECONDS - start)) s)$restored"
	[ -n "${CHROOTS:-}" ] || is_here "$version" ||
		rm -rf --one-file-system "${chroots:?}/$version"
}

chroots_only=no
if [ "${1:-}" = chroots ]; then
	chroots_only=yes
	shift
	[ -n "${CHROOTS:-}" ] || die 'CHROOTS has to say where'
fi
versions=("$@")
[ $# != 0 ] || versions=(15 17 18 19)
for version in "${versions[@]}"; do
	[ -n "${suite[$version]:-}" ] || die "knows ${!suite[*]}, and no $version"
done
chroot_prepare || exit 1

trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
work=$(mktemp -d "${TMPDIR:-/var/tmp}/matrix.XXXXXX") || exit 1
chmod 755 "$work"
chroots=$(realpath -m "${CHROOTS:-$work}")
sources=$work/src
test/copy_sources.sh "$sources" || exit 1
chroot_shared[/shared/vectors]=$vectors
dumps=$(realpath -m "${SCTOKEN_DUMPS:-$work/dumps}")
mkdir -p "$chroots" "$dumps" && chmod 1777 "$dumps" || exit 1
chroot_shared[/shared/dumps]=$dumps

# One chroot is made while another version is tested, each by a process group that
# can be ended.
set -m
previous=
for version in "${versions[@]}"; do
	is_here "$version" && continue
	(
		trap - EXIT
		[ -z "$previous" ] || tail --pid="$previous" -f /dev/null
		[ -d "$chroots/$version" ] || make_version "$version" "$chroots/$version"
	) >"$work/$version.log" 2>&1 &
	maker[$version]=$!
	previous=$!
done
set +m
if [ $chroots_only = yes ]; then
	status=0
	for version in "${!maker[@]}"; do
		wait "${maker[$version]}" && continue
		tail -n 15 "$work/$version.log"
		status=1
	done
	exit $status
fi
for version in "${versions[@]}"; do
	test_version "$version"
done

printf '%s\n' '' "${rows[@]}"
if [ $skipped = 0 ]; then
	say "$passed passed, $failed failed"
else
	say "$passed passed, $failed failed, $skipped skipped"
fi
[ $failed = 0 ]
