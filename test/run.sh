#!/bin/bash
# run.sh: make test, make demo and others, on any Debian machine.
#
# Nothing of the machine is touched but for packages that it lacks.  What is
# built and run stands in a work folder that is gone at the end: a copy of the
# checkout (which others may not be able to read), a copy of the PostgreSQL
# installation (in which sctoken is installed) and a server of its own.  Where
# root runs this, all but the packages is done as an unprivileged user, since
# PostgreSQL refuses to run as root.
#
# usage: test/run.sh test|demo|bench|builds|analyze|fuzz|valgrind|campaign|campaign-controls|faults|test-ha
#
# Environment:
#	PG_CONFIG		pg_config of the PostgreSQL to use; default: the newest
#	SCTOKEN_VECTORS	folder of test vectors; default: ../shared/vectors
#	TMPDIR			where to make the work folder; default: /tmp
#	KEEP=1			keep the work folder, and say where it is
#	STEPS			which steps of make test to take; default: all of
#					"unit regress isolation tap interop examples gates server"
#	BROWSER=1		test the page of an example in Chromium, which is unpacked (98 MB)
#	ROTATIONS, KILLS, CLIENTS, SEED
#					of make campaign, see test/campaign/campaign.pl
#	FAULTS			which of test/faults make faults is to take; default: all
#	SECONDS_EACH	how long make fuzz runs a harness (60), or
#					make bench makes a measurement (1)
#	JOBS			how many harnesses make fuzz runs at a time; default: one for
#					each core
#	BENCH_RESULTS	where make bench leaves its files; default: results
#	BENCH_CONF		lines of postgresql.conf for its server; default: none
#	ONLY and more	of make bench: see test/bench/run.sh
set -eu -o pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(dirname "$here")
command=${1:-test}
work=
steps=

say()
{
	printf '%s\n' "$*" >&2
}

die()
{
	say "run.sh: $*"
	exit 1
}

# quietly COMMAND...: shows what the command says only where it fails.
quietly()
{
	local output

	output=$("$@" 2>&1) || die "$1 failed:" "$output"
}

# complete_pg_config PG_CONFIG: is all of the server it belongs to there, with
# headers, PGXS and the test drivers?
complete_pg_config()
{
	local bin lib

	bin=$("$1" --bindir 2>/dev/null) || return 1
	lib=$(dirname "$("$1" --pgxs)")/../..
	[ -x "$bin/postgres" ] && [ -x "$bin/initdb" ] &&
		[ -e "$("$1" --includedir-server)/postgres.h" ] &&
		[ -e "$lib/src/makefiles/pgxs.mk" ] &&
		[ -x "$lib/src/test/regress/pg_regress" ]
}

# Prints the pg_config to use: the one PG_CONFIG names, or else the first
# complete one.  Debian's own pg_config answers for the newest headers, whose
# server need not be there; so each version is asked by itself.
find_pg_config()
{
	local candidate

	if [ "${PG_CONFIG:-pg_config}" != pg_config ]; then
		complete_pg_config "$PG_CONFIG" && command -v "$PG_CONFIG"
		return
	fi
	for candidate in $(command -v pg_config) \
		$(printf '%s\n' /usr/lib/postgresql/*/bin/pg_config | sort -rV); do
		if complete_pg_config "$candidate"; then
			printf '%s\n' "$candidate"
			return
		fi
	done
	return 1
}

# Prints the release's own version; 15 where apt does not know it yet.
default_version()
{
	local version

	version=$(apt-cache depends postgresql 2>/dev/null |
		sed -n 's/.*Depends: postgresql-\([0-9]*\)$/\1/p') || true
	printf '%s\n' "${version:-15}"
}

# Prints the packages to install, one a line.
missing_packages()
{
	local version

	if ! find_pg_config >/dev/null; then
		version=$(default_version)
		printf 'postgresql-%s\n' "$version"
		printf 'postgresql-server-dev-%s\n' "$version"
	fi
	command -v gcc >/dev/null || echo gcc
	command -v make >/dev/null || echo make
	[ -e /usr/include/stdlib.h ] || echo libc6-dev
	[ -e /usr/include/openssl/evp.h ] || echo libssl-dev
	command -v prove >/dev/null || echo perl
	perl -MIPC::Run -e 1 2>/dev/null || echo libipc-run-perl
	[ "$command" != test ] || command -v openssl >/dev/null || echo openssl
	case $command in
		test | bench | campaign*)
			[ -e /usr/include/postgresql/libpq-fe.h ] || echo libpq-dev
			;;
	esac
	case "$command ${STEPS:-tap} ${PROVE_TESTS:-plproxy}" in
		test*tap*plproxy* | bench*) missing_plproxy ;;
	esac
	[ "$command" != campaign-controls ] || command -v git >/dev/null || echo git
	[ "$command" != test-ha ] || [ -x /usr/bin/python3 ] || echo python3
	[ "$command" != faults ] || command -v patch >/dev/null || echo patch
	[ "$command" != valgrind ] || command -v valgrind >/dev/null ||
		printf '%s\n' valgrind libc6-dbg
	case $command in
		builds | analyze | fuzz) missing_clang ;;
	esac
}

# PL/Proxy, where PostgreSQL is Debian's or is to be.
missing_plproxy()
{
	local pg_config version

	if pg_config=$(find_pg_config); then
		[ ! -e "$("$pg_config" --pkglibdir)/plproxy.so" ] || return 0
		[[ $("$pg_config" --bindir) =~ ^/usr/lib/postgresql/([0-9]+)/bin$ ]] ||
			return 0
		version=${BASH_REMATCH[1]}
	else
		version=$(default_version)
	fi
	echo "postgresql-$version-plproxy"
}

# clang, and of it what the command needs, which only its packages recommend.
missing_clang()
{
	local version runtime

	command -v clang >/dev/null || echo clang
	case $command in
		analyze)
			command -v clang-tidy >/dev/null || echo clang-tidy
			command -v scan-build >/dev/null || echo clang-tools
			command -v cppcheck >/dev/null || echo cppcheck
			;;
		fuzz)
			runtime=$(clang --print-runtime-dir 2>/dev/null) || runtime=
			if ! compgen -G "$runtime/libclang_rt.fuzzer-*" >/dev/null; then
				version=$(apt-cache depends clang 2>/dev/null |
					sed -n 's/.*Depends: clang-\([0-9]*\)$/\1/p') || true
				echo "libclang-rt-${version:-14}-dev"
			fi
			;;
	esac
}

# Sets pg_config, after installing what is not there yet.
install_missing()
{
	local packages

	if [ "${PG_CONFIG:-pg_config}" != pg_config ]; then
		find_pg_config >/dev/null ||
			die "$PG_CONFIG belongs to no complete PostgreSQL"
	fi
	packages=$(missing_packages)
	# shellcheck disable=SC2086 # words
	[ -z "$packages" ] || install_packages $packages
	pg_config=$(find_pg_config) || die "found no complete PostgreSQL"
}

# Prints those that make bench compares with; it goes on without them.
missing_rivals()
{
	command -v npm >/dev/null || printf '%s\n' nodejs npm
	[ -e /usr/include/rhonabwy.h ] || echo librhonabwy-dev
	[ -e /usr/include/cjose/cjose.h ] || echo libcjose-dev
	command -v gnuplot >/dev/null || echo gnuplot-nox
}

install_rivals()
{
	local packages

	packages=$(missing_rivals)
	[ -n "$packages" ] || return 0
	# shellcheck disable=SC2086 # words
	(install_packages $packages) ||
		say 'Goes on without them; their rows will say so.'
}

install_packages()
{
	command -v apt-get >/dev/null ||
		die "needs what Debian has in these packages: $*"

	say "Installing $*"
	if [ "$(id -u)" = 0 ]; then
		quietly "$here/install_packages.sh" "$@"
	elif command -v sudo >/dev/null; then
		sudo -v || die "not allowed to install $*"
		quietly sudo "$here/install_packages.sh" "$@"
	else
		die "only root can install $*"
	fi
}

# Whom the steps run as: postgres comes with Debian's server package.
choose_user()
{
	user=$(id -un)
	if [ "$(id -u)" = 0 ]; then
		user=postgres
		id -u $user >/dev/null 2>&1 || user=nobody
	fi
}

# Runs a command as that user, in a process group of its own.
as_user()
{
	if [ "$(id -u)" = 0 ]; then
		exec setsid setpriv --reuid "$user" --regid "$(id -g "$user")" \
			--init-groups -- "$@"
	else
		exec setsid "$@"
	fi
}

# The first folder in which the user may make programs and run them, and whose
# name leaves room for those of sockets (107 bytes in all).
make_work()
{
	local parent

	for parent in "${TMPDIR:-/tmp}" /tmp /var/tmp; do
		[ ${#parent} -le 50 ] || continue
		work=$(mktemp -d "$parent/sctoken.XXXXXX" 2>/dev/null) || continue
		printf '#!/bin/sh\n' >"$work/probe"
		chmod 755 "$work/probe"
		chown -hR "$user:" "$work"
		if (as_user "$work/probe") 2>/dev/null; then
			rm "$work/probe"
			return
		fi
		rm -rf "$work"
	done
	work=
	die "found no folder to work in; TMPDIR can name one"
}

# PostgreSQL's programs find their files relative to themselves, so a copy
# under another root is an installation of its own, pg_config included.
copy_postgres()
{
	local what folder

	for what in bindir pkglibdir sharedir; do
		folder=$("$pg_config" --$what)
		mkdir -p "$work/pg$folder"
		cp -a "$folder/." "$work/pg$folder"
	done
	for what in libdir includedir pkgincludedir includedir-server; do
		folder=$("$pg_config" --$what)
		[ -e "$work/pg$folder" ] || mkdir -p "$work/pg${folder%/*}"
		[ -e "$work/pg$folder" ] || ln -s "$folder" "$work/pg$folder"
	done

	# An installed sctoken must not be mistaken for this one.
	rm -f "$work/pg$("$pg_config" --pkglibdir)/sctoken".* \
		"$work/pg$("$pg_config" --sharedir)/extension/sctoken"[.-]*
}

# The vectors stand beside the checkout, where the user may not be able to look.
# Where there are none, whoever wants them says so.
find_vectors()
{
	SCTOKEN_VECTORS=$(realpath -m "${SCTOKEN_VECTORS:-$top/../shared/vectors}")
	export SCTOKEN_VECTORS
	if [ -d "$SCTOKEN_VECTORS" ] &&
		! (as_user test -r "$SCTOKEN_VECTORS/README.md"); then
		cp -R "$SCTOKEN_VECTORS" "$work/vectors"
		SCTOKEN_VECTORS=$work/vectors
	fi
}

# What a bench writes, where its user may.
make_results()
{
	results=$(realpath -m "${BENCH_RESULTS:-$top/results}")
	export BENCH_RESULTS=$work/results BENCH_COMMIT
	BENCH_COMMIT=$(git -C "$top" describe --always --dirty 2>/dev/null) ||
		BENCH_COMMIT=unknown
	mkdir "$BENCH_RESULTS"
}

keep_results()
{
	if mkdir -p "$results" && cp "$BENCH_RESULTS"/* "$results"; then
		say "Results: $(cd "$results" && echo "$PWD"/*)"
	fi
}

run_steps()
{
	local status=0

	export HOME=$work/home PG_CONFIG
	PG_CONFIG=$work/pg$("$pg_config" --bindir)/pg_config
	mkdir "$HOME"
	chown -hR "$user:" "$work"
	cd "$work/src"

	# In the background, so that a signal is handled at once.
	as_user bash test/steps.sh "$command" "$work" </dev/null &
	steps=$!
	wait $steps || status=$?
	steps=
	if [ "$command" = campaign ] && [ $status != 0 ]; then
		KEEP=1
		say "What the campaign left stays in $work"
	fi
	return $status
}

clean_up()
{
	local pid_file

	trap '' INT TERM
	if [ -n "$steps" ]; then
		kill -TERM -- -"$steps" 2>/dev/null || true
		wait "$steps" || true
	fi
	[ -n "$work" ] || return 0

	# Servers whose starter was killed before it could stop them.
	while IFS= read -r pid_file; do
		kill -QUIT "$(head -n 1 "$pid_file")" 2>/dev/null || true
	done < <(find "$work" -name postmaster.pid)

	cd /
	[ "${KEEP:-0}" = 1 ] || rm -rf "$work"
}

case $command in
	test | demo | bench | builds | analyze | fuzz | valgrind | campaign | campaign-controls | faults | test-ha) ;;
	*) die "usage: test/run.sh test|demo|bench|builds|analyze|fuzz|valgrind|campaign|campaign-controls|faults|test-ha" ;;
esac
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
trap 'exit 129' HUP

install_missing
[ "$command" != bench ] || install_rivals
choose_user
make_work
[ "${KEEP:-0}" != 1 ] || say "Working in $work, which stays"
cd "$top"
test/copy_sources.sh "$work/src"
copy_postgres
find_vectors
if [ "$command" = bench ]; then
	make_results
	run_steps
	keep_results
else
	run_steps
fi
