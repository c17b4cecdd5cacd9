#!/bin/sh
# demo.sh: the life of one token family, told step by step (make demo).
#
# Runs in a database of its own on the server that PGHOST, PGPORT, PGUSER and
# PGDATABASE name, as a role that may create it.  Each answer comes from the
# database; one that is not the answer told ends the demo with status 1.
# PROVER names a DPoP client that is built already (test/client/prover.c).
set -eu

here=$(cd "$(dirname "$0")" && pwd)
db=sctoken_demo_$$
token_url=https://as.example/token
dir=$(mktemp -d)
created=no
steps=0

cleanup()
{
	status=$?
	trap - EXIT
	rm -rf "$dir"
	[ $created = no ] || server "DROP DATABASE $db WITH (FORCE)" || true
	exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# server SQL: a statement outside of the demo's own database.
server()
{
	psql -Xq -d "${PGDATABASE:-postgres}" -v ON_ERROR_STOP=1 -c "$1"
}

# ask SQL [NAME=VALUE ...]: prints the answer to one statement, which is a
# transaction of its own.  :'NAME' in it is the value, handed over on standard
# input: tokens and proofs never stand in a list of processes.
ask()
{
	sql=$1
	shift
	{
		for pair; do
			printf "\\\\set %s '%s'\n" "${pair%%=*}" "${pair#*=}"
		done
		printf '%s;\n' "$sql"
	} | psql -XAtq -d "$db" -v ON_ERROR_STOP=1
}

step()
{
	steps=$((steps + 1))
	printf '%2d. %s\n' "$steps" "$1"
}

answered()
{
	printf '      -> %s\n' "$1"
}

# expect WHAT EXPECTED CAME
expect()
{
	if [ "$2" != "$3" ]; then
		printf '      UNEXPECTED %s: expected "%s", came "%s"\n' "$1" "$2" "$3"
		exit 1
	fi
}

# A token as the demo shows it.
short()
{
	printf '%s...%s' "$(printf %s "$1" | cut -c1-10)" \
		"$(printf %s "$1" | tail -c 4)"
}

# verify PROOF HTU: sets valid, error, reason and jkt.
verify()
{
	row=$(ask "SELECT valid, error, reason, jkt
		FROM sctoken.dpop_verify(:'proof', 'POST', :'htu')" \
		proof="$1" htu="$2")
	IFS='|' read -r valid error reason jkt <<-ROW
		$row
	ROW
}

# prove KEY: the holder of a key makes a fresh proof, the AS verifies it.
prove()
{
	verify "$("$prover" proof "$1" POST $token_url)" $token_url
	expect 'verdict on a good proof' t "$valid"
}

# granted ROW: sets outcome, error, token and generation.
granted()
{
	IFS='|' read -r outcome error token generation <<-ROW
		$1
	ROW
}

# refresh TOKEN [KEY]: the AS verifies the proof made with KEY and rotates.
refresh()
{
	if [ $# -eq 2 ]; then
		prove "$2"
		cnf="jsonb_build_object('jkt', :'jkt')"
	else
		jkt=
		cnf=NULL
	fi
	granted "$(ask "SELECT outcome, error, refresh_token, generation
		FROM sctoken.rotate(:'token', 'photo-app', cnf => $cnf)" \
		token="$1" jkt="$jkt")"
}

# refused OUTCOME: the last refresh gave no token, and the client learns nothing.
refused()
{
	expect outcome "$1" "$outcome"
	expect error invalid_grant "$error"
	expect token none "$([ -z "$token" ] && echo none || echo 'a token')"
}

active()
{
	ask "SELECT sctoken.introspect(:'token') ->> 'active'" token="$1"
}

prover=${PROVER:-$dir/prover}
[ -n "${PROVER:-}" ] ||
	"${CC:-cc}" -o "$prover" "$here/../client/prover.c" -lcrypto
server "CREATE DATABASE $db"
created=yes
ask 'CREATE EXTENSION sctoken'
echo 'sctoken: the life of one refresh token family'
echo

step "Alice's phone makes a P-256 key, which never leaves it."
"$prover" key "$dir/phone"
jkt=$("$prover" jkt "$dir/phone")
answered "thumbprint $jkt"

step 'Alice logs in. The AS has the proof verified and a token issued.'
phone_jkt=$jkt
prove "$dir/phone"
expect 'thumbprint in the proof' "$phone_jkt" "$jkt"
granted "$(ask "SELECT outcome, error, refresh_token, generation
	FROM sctoken.issue('photo-app', 'alice', 'photos',
		cnf => jsonb_build_object('jkt', :'jkt'))" jkt="$jkt")"
expect outcome issued "$outcome"
expect generation 1 "$generation"
token1=$token
answered "$outcome: generation $generation, $(short "$token1"), bound to the key"

step 'The phone refreshes with a fresh proof: one token out, one in.'
refresh "$token1" "$dir/phone"
expect outcome rotated "$outcome"
expect generation 2 "$generation"
token2=$token
answered "$outcome: generation $generation, $(short "$token2")"

step 'The response is lost in a tunnel; the phone tries again with the old one.'
refresh "$token1" "$dir/phone"
expect outcome replayed "$outcome"
expect generation 2 "$generation"
expect successor 'the same' \
	"$([ "$token" = "$token2" ] && echo 'the same' || echo 'another one')"
answered "$outcome: generation $generation, $(short "$token"), the very same token"

step 'A thief has a copy of the token, and a key of his own.'
"$prover" key "$dir/thief"
refresh "$token2" "$dir/thief"
refused binding_mismatch
answered "$outcome, for the client $error"

step 'The thief tries without any key.'
refresh "$token2"
refused binding_mismatch
expect 'active after the theft' true "$(active "$token2")"
answered "$outcome, for the client $error; the family is still active"

step 'Alice noticed nothing: her phone refreshes again.'
refresh "$token2" "$dir/phone"
expect outcome rotated "$outcome"
expect generation 3 "$generation"
token3=$token
answered "$outcome: generation $generation, $(short "$token3")"

step "Malware on the phone stole token 1 and signs with the phone's own key."
refresh "$token1" "$dir/phone"
refused reuse_detected
answered "$outcome, for the client $error: the family is revoked"

step "So the phone's newest token is dead too, and Alice logs in anew."
refresh "$token3" "$dir/phone"
refused revoked
answered "$outcome, for the client $error"
info=$(ask "SELECT sctoken.introspect(:'token')" token="$token3")
expect introspection '{"active": false}' "$info"
answered "introspect: $info"

step 'A proof captured on its way to /token is sent to another URL.'
verify "$("$prover" proof "$dir/phone" POST $token_url)" \
	https://as.example/admin
expect verdict f "$valid"
expect error invalid_dpop_proof "$error"
expect reason htu "$reason"
answered "$error, reason $reason"

step 'All of it stands in table sctoken.event:'
timeline=$(ask "SELECT to_char(at, 'HH24:MI:SS.MS') || '  ' || rpad(kind, 16) ||
		'generation ' || generation || coalesce(': ' || reason, '')
	FROM sctoken.event ORDER BY at")
printf '%s\n' "$timeline" | sed 's/^/      /'
expect events \
	'issued rotated replayed refused refused rotated reuse_detected ' \
	"$(printf '%s\n' "$timeline" | awk '{ printf "%s ", $2 }')"
