#!/bin/sh
# proof.sh: what a client does in DPoP (RFC 9449), with openssl and an Ed25519 key.
#
# Prints a proof for one request.  The key is made where there is none yet.
#
# usage: proof.sh KEY_FILE METHOD URI [ACCESS_TOKEN [NONCE]]
set -eu

base64url()
{
	openssl base64 -A | tr '+/' '-_' | tr -d '='
}

key=$1
umask 077
[ -e "$key" ] || openssl genpkey -algorithm ed25519 -out "$key"
x=$(openssl pkey -in "$key" -pubout -outform DER | tail -c 32 | base64url)

claims=$(printf '"jti":"%s","htm":"%s","htu":"%s","iat":%s' \
	"$(openssl rand -hex 16)" "$2" "$3" "$(date +%s)")
if [ -n "${4:-}" ]; then
	ath=$(printf %s "$4" | openssl dgst -sha256 -binary | base64url)
	claims="$claims,\"ath\":\"$ath\""
fi
[ -z "${5:-}" ] || claims="$claims,\"nonce\":\"$5\""

header='{"typ":"dpop+jwt","alg":"EdDSA","jwk":{"kty":"OKP","crv":"Ed25519","x":"'$x'"}}'
message=$(mktemp)
trap 'rm -f "$message"' EXIT
printf '%s.%s' "$(printf %s "$header" | base64url)" \
	"$(printf '{%s}' "$claims" | base64url)" >"$message"
printf '%s.%s\n' "$(cat "$message")" \
	"$(openssl pkeyutl -sign -rawin -inkey "$key" -in "$message" | base64url)"
