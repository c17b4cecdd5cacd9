#!/bin/bash
# steps.sh: what run.sh does inside of its work folder, as its user.
#
# The current folder is a copy of the checkout, PG_CONFIG that of a copy of
# PostgreSQL, in which sctoken is installed here.  Each step writes a log in
# WORK/log, of which nothing is shown unless it fails.
#
# usage: test/steps.sh COMMAND WORK, the commands being those of run.sh
set -eu -o pipefail

command=$1
work=$2
log=$work/log
bin=$(dirname "$PG_CONFIG")
strict='-Wall -Wextra -Werror'
passed=0
failed=0
skipped=0

# Nothing of the caller's shell or make may lead to another server or compiler.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES
for name in "${!PG@}"; do
	[ "$name" = PG_CONFIG ] || unset "$name"
done
export PATH=$bin:$PATH LC_ALL=C.UTF-8 TMPDIR=$work/tmp
mkdir -p "$log" "$TMPDIR"

clean_up()
{
	trap '' INT TERM
	[ ! -e "$work/data/postmaster.pid" ] ||
		pg_ctl stop -D "$work/data" -m fast >/dev/null || true
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say()
{
	printf '%s\n' "$*"
}

# Prints how many cases passed, failed and were skipped, from a log in TAP, of
# pg_regress (to 15; later ones speak TAP) or of node --test.
count_cases()
{
	awk '
		/^not ok [0-9]+/ && !/# TODO/ { failed++ }
		/^ok [0-9]+/ { if (/# SKIP/) skipped++; else if (!/# TODO/) passed++ }
		/^1\.\.0 # SKIP/ { skipped++ }
		/(^|\.\. ?)skipped: / { skipped++ }
		/^(test|    ) .* \.\.\. ok  / { passed++ }
		/^(test|    ) .* \.\.\. FAILED/ { failed++ }
		/^ℹ pass / { passed += $3 }
		/^ℹ (fail|cancelled) / { failed += $3 }
		/^ℹ skipped / { skipped += $3 }
		END { print passed + 0, failed + 0, skipped + 0 }' "$1"
}

# show_failure LOG SINCE: why a step failed, which began when SINCE was touched.
show_failure()
{
	say "--- the end of $1"
	tail -n 40 "$1"
	find . -name regression.diffs -newer "$2" | while read -r diffs; do
		say "--- $diffs"
		head -n 300 "$diffs"
	done
}

# step NAME COMMAND...: runs the command and counts its cases.  One that fails,
# or has no case at all, is one failed case at least.
step()
{
	local name=$1 status=0 p f s start=$SECONDS

	shift
	touch "$log/start"
	"$@" >"$log/$name.log" 2>&1 || status=$?
	read -r p f s < <(count_cases "$log/$name.log")
	if [ $status != 0 ] || [ $((p + f + s)) = 0 ]; then
		[ "$f" -gt 0 ] || f=1
	fi
	passed=$((passed + p))
	failed=$((failed + f))
	skipped=$((skipped + s))

	printf '%-10s %5d passed, %d failed, %d skipped (%d s)\n' \
		"$name" "$p" "$f" "$s" $((SECONDS - start))
	grep -E '(^|\.\. ?)skipped: |# SKIP' "$log/$name.log" || true
	[ "$f" = 0 ] || show_failure "$log/$name.log" "$log/start"
}

# prepare NAME COMMAND...: what nothing else works without.  In a function that
# is tested for success no command ends it by failing, hence each "&&".
prepare()
{
	local name=$1

	shift
	if ! "$@" >"$log/$name.log" 2>&1; then
		touch "$log/start"
		show_failure "$log/$name.log" "$log/start"
		failed=$((failed + 1))
		summary
	fi
}

# summary: the last line, and the end.
summary()
{
	[ $failed = 0 ] || say 'KEEP=1 keeps all logs and results.'
	if [ $skipped = 0 ]; then
		say "$passed passed, $failed failed"
	else
		say "$passed passed, $failed failed, $skipped skipped"
	fi
	[ $failed = 0 ]
	exit
}

install_sctoken()
{
	# shellcheck disable=SC2086 # words
	make -j2 PG_CFLAGS="$strict" &&
		make install &&
		cc $strict -O2 -o "$PROVER" test/client/prover.c -lcrypto
}

# The clients of the campaign.
build_driver()
{
	# shellcheck disable=SC2086 # words
	cc $strict -O2 -o "$DRIVER" test/campaign/*.c \
		-I"$(pg_config --includedir)" -L"$(pg_config --libdir)" -lpq -lcrypto
}

# For make bench: PostgreSQL as it comes, but for what the caller says.
printf '%s\n' "${BENCH_CONF:-}" >"$work/bench.conf"

# start_server CONFIGURATION: for the user alone, and for nobody on the network.
start_server()
{
	mkdir -m 700 "$PGHOST" &&
		initdb --pgdata="$work/data" --username=postgres --auth=trust \
			--encoding=UTF8 --no-locale --no-sync &&
		cat "$1" - >>"$work/data/postgresql.conf" <<-CONF &&
			listen_addresses = ''
			unix_socket_directories = '$PGHOST'
			port = $PGPORT
		CONF
		pg_ctl start -w -D "$work/data" -l "$log/server.log"
}

# The server is still there, and none of its processes died of a signal.
server_unharmed()
{
	if pg_isready && ! grep -E 'PANIC|TRAP:|was terminated by signal' \
		"$log/server.log"; then
		echo 'ok 1 - the server ran without a crash'
	else
		echo 'not ok 1 - the server ran without a crash'
		tail -n 20 "$log/server.log"
	fi
}

# The steps of make test: name and command.
run_step()
{
	case $1 in
		unit) step unit make -C test/unit -j"$(nproc)" check PROVE_FLAGS="-v -j$(nproc)" ;;
		regress) step regress make installcheck ISOLATION= TAP_TESTS= ;;
		isolation) step isolation make installcheck REGRESS= TAP_TESTS= ;;
		tap) step tap make installcheck REGRESS= ISOLATION= PROVE_FLAGS="-v -j$(nproc)" ;;
		interop) step interop test/interop/run.sh ;;
		examples) step examples test/examples/run.sh ;;
		gates) step gates test/gates.sh sctoken.so ;;
		server) step server server_unharmed ;;
		*) step "$1" false ;;
	esac
}

# claim TEXT COMMAND...: a line of TAP after what the command says, in which
# nothing must look like another case.
claim()
{
	local text=$1 verdict=ok

	shift
	"$@" 2>&1 | sed 's/^/# /' || verdict='not ok'
	claims=$((claims + 1))
	say "$verdict $claims - $text"
}

# build_elsewhere FOLDER COMPILER [FLAG...]: outside of the source tree, in which
# nothing must be built then: make would take it from there.
build_elsewhere()
{
	local folder=$work/$1 compiler=$2

	shift 2
	mkdir "$folder" &&
		make -C "$folder" -f "$work/src/Makefile" -j2 CC="$compiler" \
			PG_CFLAGS="$strict $*" &&
		[ -s "$folder/src/core/json.o" ]
}

builds()
{
	local clang claims=0

	clang=$(compgen -c | grep -E '^clang(-[0-9]+)?$' | sort -V | head -n 1)
	claim 'gcc: no warning, in the source tree' test -s sctoken.so
	make -s clean
	claim 'gcc: no warning, in another folder' build_elsewhere gcc gcc
	# The flags are PostgreSQL's, which were chosen for gcc.
	claim 'clang: no warning, in another folder' build_elsewhere clang \
		"${clang:-clang}" -Wno-unknown-warning-option \
		-Wno-ignored-optimization-argument -Wno-ignored-attributes
	claim 'regression tests pass from another folder' make -C "$work/gcc" \
		-f "$work/src/Makefile" install installcheck ISOLATION= TAP_TESTS=
	claim "the core's tests pass under sanitizers" make -C test/unit \
		-j"$(nproc)" asan PROVE_FLAGS="-j$(nproc)"
}

# Most need sctoken installed in the copy of PostgreSQL, and its server running.
export PGHOST=$work/s PGPORT=5432 PGUSER=postgres PGDATABASE=postgres
export PROVER=$work/prover DRIVER=$work/driver
# Where a test unpacks Debian packages that it wants and the machine lacks.
export PACKAGES=$work/packages
case $command in
	analyze | fuzz | valgrind) ;;		# go by the sources
	*) prepare install install_sctoken ;;
esac
case $command in
	test | campaign*) prepare driver build_driver ;;
esac
case $command in
	analyze | fuzz | valgrind) ;;
	campaign* | test-ha) ;;			# have servers of their own
	bench) prepare start start_server "$work/bench.conf" ;;
	*) prepare start start_server test/sctoken.conf ;;
esac

case $command in
	test)
		for name in ${STEPS:-unit regress isolation tap interop examples gates server}; do
			run_step "$name"
		done
		summary
		;;
	builds)
		step builds builds
		summary
		;;
	analyze)
		step analyze test/analyze.sh "$work/analyze"
		summary
		;;
	valgrind)
		step valgrind make -C test/unit valgrind PROVE_FLAGS="-v -j$(nproc)"
		summary
		;;
	fuzz)
		step fuzz make -s -C test/fuzz -j"$(nproc)" fuzz BUILD="$work/fuzz" \
			SECONDS_EACH="${SECONDS_EACH:-60}" JOBS="${JOBS:-$(nproc)}"
		sed -n 's/^ok [0-9]* - /    /p' "$log/fuzz.log"
		summary
		;;
	demo) test/demo/demo.sh ;;
	bench) test/bench/run.sh ;;
	campaign) test/campaign/run.sh ;;
	campaign-controls) test/campaign/controls.sh ;;
	faults) test/faults/run.sh "$work" ;;
	test-ha)
		step ha test/ha/run.sh
		[ $failed != 0 ] || sed -n 's/^# /    /p' "$log/ha.log"
		summary
		;;
esac
