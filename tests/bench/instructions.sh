#!/bin/sh
# What a request costs in instructions of the server's own code and libraries: two runs under callgrind, one with 5,000
# requests more, on one connection.
#   instructions.sh SERVER PATH [OPTION]...     options go to the server, such as: --stack default --log /tmp/log
set -eu
server=${1:?usage: instructions.sh SERVER PATH [OPTION]...}
path=${2:?usage: instructions.sh SERVER PATH [OPTION]...}
shift 2
folder=$(mktemp -d)

instructions() { # of a run with $1 requests
  requests=$1
  shift
  rm -f "$folder"/out.*
  valgrind --tool=callgrind --callgrind-out-file="$folder/out.%p" "$server" --port 18482 --workers 1 "$@" >/dev/null 2>&1 &
  pid=$!
  until curl -so /dev/null "http://127.0.0.1:18482$path"; do sleep 0.2; done
  python3 - "$requests" "$path" <<'PYTHON'
import http.client
import sys
connection = http.client.HTTPConnection("127.0.0.1", 18482)
for _ in range(int(sys.argv[1])):
    connection.request("GET", sys.argv[2])
    connection.getresponse().read()
PYTHON
  kill "$pid"
  wait "$pid" || true
  sed -n 's/^summary: //p' "$folder"/out.* | sort -n | tail -1 # of the worker, which has done most
}

few=$(instructions 1000 "$@")
many=$(instructions 6000 "$@")
rm -rf "$folder"
echo "$path: $(((many - few) / 5000)) instructions a request"
