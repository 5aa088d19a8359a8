#!/bin/sh
# check.sh PROGRAM: a note is made, found, changed and removed.
# shellcheck disable=SC1091,SC2154 # what serve.sh sets
set -eu
. "$(dirname "$0")/../serve.sh"

"$program" migrate up >/dev/null 2>&1
start --port 0
url=$(url)

# ask METHOD PATH [BODY]: the status; the answer is in $work/answer.
ask() {
  curl -s -o "$work/answer" -w '%{http_code}' -X "$1" "$url$2" ${3:+-H 'Content-Type: application/json' -d "$3"}
}

expect 200 "$(ask GET /notes)"
expect '[]' "$(cat "$work/answer")"
expect 201 "$(ask POST /notes '{"title":"Milk"}')"
grep -q '^{"id":1,"title":"Milk","text":"","created_at":"' "$work/answer" || fail 'not the note'
expect 400 "$(ask POST /notes '{"text":"no title"}')"
grep -q '"pointer":"/title"' "$work/answer" || fail 'the error does not name the field'
expect 200 "$(ask PUT /notes/1 '{"title":"Milk","text":"two bottles"}')"
expect 200 "$(ask GET /notes/1)"
grep -q '"text":"two bottles"' "$work/answer" || fail 'it did not change'
expect 204 "$(ask DELETE /notes/1)"
expect 404 "$(ask GET /notes/1)"
expect 404 "$(ask DELETE /notes/1)"
stop
