#!/bin/sh
# Starts the services in DIR, runs wrk against the peers in turn, and prints the medians.
#   run.sh [--all] DIR [bench.py options]      results in DIR/results.jsonl
# With --all, also BullMQ and the databases' own limits.
set -eu
cd "$(dirname "$0")"
all=
if [ "${1:-}" = --all ]; then all=1 && shift; fi
dir=${1:?"usage: run.sh [--all] DIR [bench.py options]"}
shift
trap './services.sh stop "$dir" >/dev/null' EXIT
eval "$(./services.sh start "$dir" | tail -1)"
export JWT_SECRET="${JWT_SECRET:-a secret of the benchmark, 32 bytes}"
TOKEN=$(cd node && node_modules/.bin/node token.js)
export TOKEN
./bench.py --out "$dir/results.jsonl" --logs "$dir" --after "./services.sh clean '$dir'" \
  --pg-pid "$(head -1 "$dir/pg/data/postmaster.pid")" --redis-pid "$(cat "$dir/redis/pid")" "$@"
./bench.py --report "$dir/results.jsonl"
[ -n "$all" ] || exit 0
(cd node && node_modules/.bin/node bullmq-bench.js)
PGSOCKET="$dir/pg" ./limits.sh
./services.sh clean "$dir"
