#!/bin/sh
# serve.sh: for the check.sh of an example, which sources it: start the program, ask it, stop it.
program=$1
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null; rm -rf "$work"' EXIT

fail() {
  echo "not as expected: $*" >&2
  cat "$work/out" "$work/log" >&2
  exit 1
}

# start [ARGUMENT...]: runs it in the background, its standard input from $input where that is set.
start() {
  : >"$work/out"
  "$program" "$@" <"${input:-/dev/null}" >"$work/out" 2>"$work/log" &
  pid=$!
}

# url [NAME]: where it listens, as it has printed; NAME where it prints several.
url() {
  for _ in $(seq 100); do
    found=$(sed -n "s/^${1:+$1 }listening on //p" "$work/out")
    [ -z "$found" ] || break
    kill -0 "$pid" 2>/dev/null || fail "it has ended"
    sleep 0.1
  done
  [ -n "$found" ] || fail "it did not say where it listens"
  echo "$found"
}

# expect WANTED ACTUAL
expect() { [ "$1" = "$2" ] || fail "wanted '$1', got '$2'"; }

# stop: asks it to end, which it must do with exit status 0.
stop() {
  kill -TERM "$pid"
  status=0
  wait "$pid" || status=$?
  pid=
  expect 0 "$status"
}
