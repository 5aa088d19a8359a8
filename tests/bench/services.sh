#!/bin/sh
# A private PostgreSQL (port 55432) and Redis (port 56379) for the benchmarks, on 127.0.0.1, in DIR.
#   services.sh start DIR    starts both, makes the database `bench` if it is not there, prints the settings
#   services.sh stop DIR
#   services.sh clean DIR    removes what a run inserted
set -eu
here=$(cd "$(dirname "$0")" && pwd)
dir=${2:?"usage: services.sh start|stop|clean DIR"}
bin=$(find /usr/lib/postgresql -mindepth 2 -maxdepth 2 -name bin | sort -V | tail -1)
as() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
psql="psql -q -h 127.0.0.1 -p 55432 -U postgres"

case $1 in
start)
  mkdir -p "$dir/pg" "$dir/redis"
  [ "$(id -u)" != 0 ] || chown postgres "$dir/pg"
  if [ ! -d "$dir/pg/data" ]; then
    as "$bin/initdb" -D "$dir/pg/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 >/dev/null
    printf "port = 55432\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '%s'\nmax_connections = 300\n" "$dir/pg" |
      as tee -a "$dir/pg/data/postgresql.conf" >/dev/null
  fi
  as "$bin/pg_ctl" -D "$dir/pg/data" -l "$dir/pg/log" -w start >/dev/null
  redis-server --port 56379 --bind 127.0.0.1 --save '' --appendonly no --daemonize yes \
    --dir "$dir/redis" --pidfile "$dir/redis/pid" --logfile "$dir/redis/log" >/dev/null
  if ! $psql -d bench -c 'SELECT 1' >/dev/null 2>&1; then
    $psql -d postgres -c 'CREATE DATABASE bench'
    $psql -d bench -f "$here/sql/schema.sql" -f "$here/sql/seed.sql" >/dev/null
  fi
  echo "export DATABASE_URL=postgres://postgres@127.0.0.1:55432/bench REDIS_URL=redis://127.0.0.1:56379"
  ;;
stop)
  as "$bin/pg_ctl" -D "$dir/pg/data" -m fast stop
  redis-cli -p 56379 shutdown nosave
  ;;
clean)
  redis-cli -p 56379 flushall >/dev/null
  $psql -d bench -c 'DELETE FROM products WHERE id > 10000' -c 'VACUUM products' -c 'VACUUM world'
  ;;
esac
