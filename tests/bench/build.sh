#!/bin/sh
# Installs what the peers need (Debian 12's packages; npm's for Node.js, its runtime included) and builds
# them here. Debian's own Node.js, 18, runs npm and no peer: ioredis 6 does not take it.
set -eu
cd "$(dirname "$0")"
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
install() { as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$@"; }

as_root apt-get update -q
install wrk postgresql redis-server gcc pkg-config libcjson-dev libh2o-evloop-dev libssl-dev kore nginx-light \
  golang-go golang-github-jackc-pgx-v4-dev golang-github-gin-gonic-gin-dev golang-github-gomodule-redigo-dev
command -v npm >/dev/null || install nodejs npm
(cd node && npm install --no-audit --no-fund)
(cd go && GO111MODULE=off GOPATH=/usr/share/gocode go build -o go-peer main.go)
cc -O2 -Wall -pthread -o raw/hello_epoll raw/hello_epoll.c
cc -O2 -Wall -o raw/idle raw/idle.c
cc -O2 -Wall -o raw/listeners raw/listeners.c
cc -O2 -Wall -o raw/parked raw/parked.c
# shellcheck disable=SC2046
cc -O2 -Wall -pthread -o h2o/hello h2o/hello.c $(pkg-config --cflags --libs libh2o-evloop) -lcjson -lm
cc -O2 -Wall -fPIC -shared -o kore/peer.so kore/peer.c -lcjson
