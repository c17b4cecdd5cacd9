#!/bin/bash
# matrix.sh: make test-matrix: builds and tests sctoken on other versions of
# PostgreSQL and OpenSSL than this machine's.
#
# Each version stands in a chroot of its own, made of the packages of the Debian
# suite that has it and removed at the end.  test/run.sh runs in it as on any
# machine, in namespaces of its own: no process and no mount outlives it.  15 is
# this machine's, or else in a chroot as the others are.
#
# usage, as root: test/matrix.sh [15|17|18|19]...		default: all
#
# Environment:
#	STEPS			steps of make test to take there; default: below
#	PROVE_TESTS		TAP tests to take; default: all but those that unpack packages
#	SCTOKEN_VECTORS	folder of test vectors; default: ../shared/vectors
#	TMPDIR			where to make the chroots, 0.5 GB each; default: /var/tmp
#	CHROOTS			folder of chroots that stay there, and are used as they are
#	CI				an archive that cannot be reached is a failure; without it the
#					version is skipped
set -u -o pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
steps=${STEPS:-unit regress isolation tap server}
vectors=$(realpath -m "${SCTOKEN_VECTORS:-../shared/vectors}")
passed=0
failed=0
skipped=0
work=
rows=()

# Whether a failure there is one of ours: release candidates change under us.
declare -A suite=([15]=bookworm [17]=trixie [18]=forky [19]='sid experimental')
declare -A fatal=([15]=yes [17]=yes [18]=yes [19]=no)

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
	trap '' INT TERM HUP
	cd / || exit
	[ -z "$work" ] || rm -rf --one-file-system "$work"
}

# The archive that this machine's own packages come from, proxy and all.
mirror()
{
	apt-get indextargets --format '$(SITE) $(ORIGIN) $(RELEASE)' \
		'Created-By: Packages' |
		awk '$2 == "Debian" && $3 !~ /-/ { print $1; exit }'
}

# make_chroot VERSION FOLDER: the server, its headers without the 600 MB of LLVM
# that they depend on for bitcode, and what test/run.sh would install.  The
# second suite, if any, is asked for PostgreSQL and OpenSSL alone.
make_chroot()
{
	local version=$1 folder=$2 from extra at package packages sources=

	read -r from extra <<<"${suite[$version]}"
	at=${extra:+/$extra}
	for package in $from $extra; do
		sources+="deb [signed-by=$keyring] $archive $package main"$'\n'
	done
	packages=(postgresql-"$version$at" postgresql-client-"$version$at"
		libpq-dev"$at" libpq5"$at" libssl-dev"$at" openssl"$at" gcc make libc6-dev
		perl libipc-run-perl)
	rm -rf --one-file-system "$folder"
	# What is cut off leaves nothing that looks complete.
	printf '%s' "$sources" |
		mmdebstrap --quiet --mode=root --variant=apt --keyring=$keyring \
			--include="$(IFS=,; echo "${packages[*]}")" \
			--aptopt='APT::Install-Recommends "false"' \
			--aptopt='Acquire::Check-Valid-Until "false"' \
			--aptopt='Acquire::Languages "none"' \
			--aptopt='Acquire::Retries "3"' \
			--dpkgopt='path-exclude=/usr/share/doc/*' \
			--dpkgopt='path-exclude=/usr/share/man/*' \
			--dpkgopt='path-exclude=/usr/share/locale/*' \
			--dpkgopt='force-unsafe-io' \
			--setup-hook='mkdir -p "$1/etc/postgresql-common" "$1/usr/sbin"' \
			--setup-hook='echo "create_main_cluster = false" >"$1/etc/postgresql-common/createcluster.conf"' \
			--setup-hook='printf "#!/bin/sh\nexit 101\n" >"$1/usr/sbin/policy-rc.d"' \
			--setup-hook='chmod 755 "$1/usr/sbin/policy-rc.d"' \
			--customize-hook="chroot \"\$1\" sh -ec 'cd /tmp
				apt-get -qq download postgresql-server-dev-$version$at
				dpkg -x postgresql-server-dev-*.deb /
				rm postgresql-server-dev-*.deb'" \
			"$from" "$folder.partial" - &&
		mv "$folder.partial" "$folder"
}

# in_chroot FOLDER COMMAND...: as root there, with the checkout in /src, and the
# vectors beside it.
in_chroot()
{
	local folder=$1

	shift
	mkdir -p "$folder/src" "$folder/shared/vectors"
	# shellcheck disable=SC2016 # expanded there
	unshare --mount --pid --ipc --fork --kill-child bash -c '
		set -eu
		folder=$1 sources=$2 vectors=$3
		shift 3
		mount -t proc proc "$folder/proc"
		mount -t tmpfs -o mode=1777 tmpfs "$folder/dev/shm"
		mount --bind -o ro "$sources" "$folder/src"
		[ ! -d "$vectors" ] || mount --bind -o ro "$vectors" "$folder/shared/vectors"
		exec chroot "$folder" env -i HOME=/root LC_ALL=C.UTF-8 \
			PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
			"$@"
	' bash "$folder" "$sources" "$vectors" "$@" </dev/null
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

	is_here "$1" || run=(in_chroot "$chroots/$1")
	program=/usr/lib/postgresql/$1/bin/postgres
	say "PostgreSQL $("${run[@]}" "$program" --version |
		sed 's/.*(PostgreSQL) \([^ ]*\).*/\1/'), OpenSSL $(
		"${run[@]}" openssl version | cut -d' ' -f2)"
}

# run_tests VERSION: as on any machine.
run_tests()
{
	local settings=(STEPS="$steps" PROVE_TESTS="$tests")

	if is_here "$1"; then
		env "${settings[@]}" test/run.sh test
	else
		in_chroot "$chroots/$1" "${settings[@]}" \
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
	local version=$1 status=0 start=$SECONDS p=0 f=0 s=0 named
	local line='^([0-9]+) passed, ([0-9]+) failed(, ([0-9]+) skipped)?$'

	say "== PostgreSQL $version (Debian ${suite[$version]% *})"
	if ! is_here "$version" && ! wait "${maker[$version]}"; then
		tail -n 15 "$work/$version.log"
		if [ -z "${CI:-}" ]; then
			count "$version" 0 0 1 \
				"PostgreSQL $version: SKIPPED, its packages cannot be had from $archive"
		else
			count "$version" 0 1 0 \
				"PostgreSQL $version: NOT TESTED, its packages cannot be had from $archive"
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
	count "$version" "$p" "$f" "$s" \
		"$named: $p passed, $f failed, $s skipped ($((SECONDS - start)) s)"
	[ -n "${CHROOTS:-}" ] || is_here "$version" ||
		rm -rf --one-file-system "${chroots:?}/$version"
}

versions=("$@")
[ $# != 0 ] || versions=(15 17 18 19)
for version in "${versions[@]}"; do
	[ -n "${suite[$version]:-}" ] || die "knows ${!suite[*]}, and no $version"
done
[ "$(id -u)" = 0 ] || die 'needs root, for chroots'
command -v apt-get >/dev/null || die 'needs Debian'

trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP
work=$(mktemp -d "${TMPDIR:-/var/tmp}/matrix.XXXXXX") || exit 1
chmod 755 "$work"
chroots=$(realpath -m "${CHROOTS:-$work}")
sources=$work/src
test/copy_sources.sh "$sources" || exit 1
if [ -z "${PROVE_TESTS:-}" ]; then
	# Those two unpack proxies, which know nothing of PostgreSQL's version.
	tests=$(cd "$sources" && printf '%s\n' test/t/*.pl |
		grep -vE '/03[01]_' | tr '\n' ' ')
else
	tests=$PROVE_TESTS
fi
if ! command -v mmdebstrap >/dev/null; then
	say 'Installing mmdebstrap'
	test/install_packages.sh mmdebstrap >"$work/install.log" 2>&1 ||
		cat "$work/install.log"
fi
archive=$(mirror)
[ -n "$archive" ] || die "this machine's apt knows no archive of Debian"

# One chroot is made while another version is tested.
declare -A maker
previous=
for version in "${versions[@]}"; do
	is_here "$version" && continue
	(
		trap - EXIT
		[ -z "$previous" ] || tail --pid="$previous" -f /dev/null
		[ -d "$chroots/$version" ] || make_chroot "$version" "$chroots/$version"
	) >"$work/$version.log" 2>&1 &
	maker[$version]=$!
	previous=$!
done
for version in "${versions[@]}"; do
	test_version "$version"
done

say
say "${rows[@]/#/$'\n'}"
if [ $skipped = 0 ]; then
	say "$passed passed, $failed failed"
else
	say "$passed passed, $failed failed, $skipped skipped"
fi
[ $failed = 0 ]
