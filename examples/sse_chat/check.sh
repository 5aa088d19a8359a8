#!/bin/sh
# check.sh PROGRAM: what one says the other hears, also who comes back.
# shellcheck disable=SC1091,SC2154 # what serve.sh sets
set -eu
. "$(dirname "$0")/../serve.sh"

# until_it COMMAND...: for at most 20 s.
until_it() {
  for _ in $(seq 200); do
    ! "$@" || return 0
    sleep 0.1
  done
  fail "it never became true: $*"
}

say() {
  expect "$1" "$(curl -s -o "$work/answer" -w '%{http_code}' -H 'Content-Type: application/json' -d "$2" "$url/lines")"
}

start --port 0
url=$(url)
curl -s "$url/" | grep -q EventSource || fail 'no page'
say 204 '{"name":"Ann","text":"Hello?"}'
curl -sN --max-time 60 -H 'Last-Event-ID: 0-0' "$url/lines" >"$work/heard" &
listener=$!
until_it grep -q '^data: {"name":"Ann","text":"Hello?"}$' "$work/heard"
say 204 '{"name":"Bob","text":"Hi, \"Ann\""}'
until_it grep -q '^data: {"name":"Bob","text":"Hi, \\"Ann\\""}$' "$work/heard"
say 400 '{"name":"Bob"}'
kill "$listener"
stop
