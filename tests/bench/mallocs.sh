#!/bin/sh
# How often a request calls malloc: two runs under valgrind, one with 10,000 requests more, on one connection.
#   mallocs.sh SERVER [PATH]     prints allocations per request
set -eu
server=${1:?usage: mallocs.sh SERVER [PATH]}
path=${2:-/plaintext}

allocations() { # of a run with $1 requests
  log=$(mktemp)
  valgrind --log-file="$log" "$server" --port 18481 --workers 1 >/dev/null 2>&1 &
  pid=$!
  until curl -so /dev/null "http://127.0.0.1:18481$path"; do sleep 0.2; done
  python3 - "$1" "$path" <<'PYTHON'
import http.client
import sys
connection = http.client.HTTPConnection("127.0.0.1", 18481)
for _ in range(int(sys.argv[1])):
    connection.request("GET", sys.argv[2])
    connection.getresponse().read()
PYTHON
  kill "$pid"
  wait "$pid" || true
  sed -n 's/.*total heap usage: \([0-9,]*\) allocs.*/\1/p' "$log" | tr -d ,
  rm -f "$log"
}

few=$(allocations 1000)
many=$(allocations 11000)
echo "$path: $((many - few)) allocations in 10,000 requests"
