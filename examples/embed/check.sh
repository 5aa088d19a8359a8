#!/bin/sh
# check.sh PROGRAM: both apps serve, the host reaches into one of them, and both end when it says so.
# shellcheck disable=SC1091,SC2154 # what serve.sh sets
set -eu
. "$(dirname "$0")/../serve.sh"

input=$work/input
mkfifo "$input"
exec 3<>"$input" # both ends, so that opening it waits for nobody
start
site=$(url site)
admin=$(url admin)

expect 'Hello from the host' "$(curl -s "$site/")"
echo 'Good evening' >&3
for _ in $(seq 50); do
  [ "$(curl -s "$site/")" = 'Good evening' ] && break
  sleep 0.1
done
expect 'Good evening' "$(curl -s "$site/")"
case $(curl -s "$admin/visits") in '{"visits":'[1-9]*'}') ;; *) fail 'visits are not counted' ;; esac
expect 404 "$(curl -s -o /dev/null -w '%{http_code}' "$site/visits")"
stop
expect 'both apps have stopped' "$(tail -n 1 "$work/out")"
