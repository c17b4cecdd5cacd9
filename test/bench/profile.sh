#!/bin/bash
# profile.sh: where a call's instructions go, by callgrind: no other program on the
# machine changes these figures.
#
# A server process without clients (postgres --single) of a data directory of its
# own runs the calls, so that sockets and the protocol are left out.
# shellcheck source=test/bench/report.sh
. "$(dirname "${BASH_SOURCE[0]}")/report.sh"

few=100
many=500
if ! command -v valgrind >/dev/null; then
	absent profile 'valgrind is not installed'
	exit
fi

# A data directory with the same things in it
data=$work/profile
initdb -D "$data" -U postgres -A trust --no-locale -E UTF8 --no-sync >/dev/null
mkdir -m 700 "$work/s"
evp proofs $((2 * many)) 1700000000 | sed "s/^/1700000000\t/" >"$work/presented"
pg_ctl start -w -s -D "$data" -l "$work/log" -o "-c listen_addresses='' -c unix_socket_directories='$work/s' -p 5432"
PGHOST=$work/s PGDATABASE=postgres sql -q -f "$here/setup.sql" -f "$here/rival_plpgsql.sql" \
	-f "$here/replay.sql" -f "$here/profile.sql" \
	-c "\\copy bench.presented (iat, proof) FROM '$work/presented'"
pg_ctl stop -s -D "$data"

# count KIND CALLS AUDIT: instructions of so many calls, and their profile
count()
{
	echo "CALL bench.calls('$1', $2)" |
		valgrind --tool=callgrind --callgrind-out-file="$samples/$1.$3.$2" --error-exitcode=9 \
			"$(command -v postgres)" --single -D "$data" -c sctoken.audit="$3" \
			-c synchronous_commit=off -c jit=off postgres >"$work/log" 2>&1
	! grep -E '(ERROR|FATAL):' "$work/log"
}

# instructions FILE [FUNCTION]: in all, or of a function and what it calls
instructions()
{
	callgrind_annotate --inclusive=yes --threshold=100 --show-percs=no "$samples/$1" |
		tr -d , | awk -v f="${2:-PROGRAM TOTALS}" '
			index($0, f == "PROGRAM TOTALS" ? f : ":" f " [") || $0 ~ ":" f "$" { print $1; found = 1; exit }
			END { if (!found) print 0 }'
}

# each NAME [FUNCTION]: instructions of one call, without what a session does once
each()
{
	echo $((($(instructions "$1.$many" "$2") - $(instructions "$1.$few" "$2")) / (many - few)))
}

# profile KIND AUDIT FUNCTION...: instructions of a call, and of functions in it
profile()
{
	local name=$1.$2 function all n

	count "$1" $few "$2"
	count "$1" $many "$2"
	all=$(each "$name" '')
	printf '\n%-44s %9d instructions a call\n' "$1, audit $2" "$all"
	for function in "${@:3}"; do
		n=$(each "$name" "$function")
		printf '    %-40s %9d %5.1f %%\n' "$function" "$n" \
			"$(awk -v n="$n" -v all="$all" 'BEGIN { print 100 * n / all }')"
	done
	printf '{"part": "profile", "what": "%s, audit %s", "unit": "instructions", "value": %s}\n' \
		"$1" "$2" "$all" >>"$work/rows"
}

profile nothing lifecycle
profile update lifecycle
profile rival lifecycle
set -- sctoken_rotate sct_query_begin sct_token_authenticate sct_policy_get sct_lock_family \
	sct_token_succeed sct_family_advance standard_ExecutorStart standard_ExecutorRun \
	heap_update sct_token_mint sct_audit_event sct_grant_success sct_query_end \
	CommitTransactionCommand
profile rotate lifecycle "$@"
profile rotate all "$@"
profile dpop_verify lifecycle sctoken_dpop_verify sct_dpop_call_verify sct_json_parse sct_jwk_parse \
	sct_crypto_key_import sct_crypto_verify EVP_PKEY_verify sct_dpop_result
profile dpop_check lifecycle sctoken_dpop_check sct_dpop_check_examine sct_replay_record \
	sct_lock_replay state_load sct_query_run sct_dpop_result CommitTransactionCommand
