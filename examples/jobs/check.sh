#!/bin/sh
# check.sh PROGRAM: jobs are run, and one that cannot be is among the failed ones.
# shellcheck disable=SC1091,SC2154 # what serve.sh sets
set -eu
. "$(dirname "$0")/../serve.sh"

order() {
  expect "$1" "$(curl -s -o "$work/answer" -w '%{http_code}' -H 'Content-Type: application/json' -d "$2" "$url/thumbnails")"
}

start --port 0
url=$(url)
order 202 '{"url":"https://example.test/a.png"}'
expect 1 "$(cat "$work/answer")"
order 202 '{"url":"https://example.test/b.png","width":64}'
order 202 '{"url":"http://example.test/c.png"}'
order 400 '{"url":"no url"}'
for _ in $(seq 200); do
  counts=$(curl -s "$url/thumbnails")
  [ "$counts" != '{"waiting":0,"completed":2,"failed":1}' ] || break
  sleep 0.1
done
expect '{"waiting":0,"completed":2,"failed":1}' "$counts"
stop
