#!/bin/sh
# check.sh PROGRAM: hello greets, tells what it does not know, and ends when asked to.
# shellcheck disable=SC1091,SC2154 # what serve.sh sets
set -eu
. "$(dirname "$0")/../serve.sh"

"$program" --help >/dev/null
"$program" routes | grep -q '/hello/{name}' || fail 'routes does not list the route'

start --port 0
url=$(url)
expect 'Hello, World!' "$(curl -s "$url/")"
expect 'Hello, Jürgen Ω!' "$(curl -s "$url/hello/J%C3%BCrgen%20%CE%A9")"
expect 404 "$(curl -s -o "$work/problem" -w '%{http_code}' "$url/nobody/here")"
grep -q '"title":"Not Found","status":404' "$work/problem" || fail 'no problem+json'
expect 405 "$(curl -s -o /dev/null -w '%{http_code}' -X DELETE "$url/")"
etag=$(curl -sI "$url/" | tr -d '\r' | sed -n 's/^ETag: //p')
expect 304 "$(curl -s -o /dev/null -w '%{http_code}' -H "If-None-Match: $etag" "$url/")"
stop

# The same over TLS, where ALPN chooses HTTP/2.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost \
  -keyout "$work/key.pem" -out "$work/cert.pem" 2>/dev/null
start --port 0 --tls-cert "$work/cert.pem" --tls-key "$work/key.pem"
url=$(url)
case $url in https://*) ;; *) fail "not https: $url" ;; esac
expect 'Hello, World! over 2' "$(curl -sk -w 'over %{http_version}' "$url/" | tr '\n' ' ')"
expect 'Hello, World! over 1.1' "$(curl -sk --http1.1 -w 'over %{http_version}' "$url/" | tr '\n' ' ')"
stop

status=0
"$program" --port nonsense >/dev/null 2>&1 || status=$?
expect 2 "$status"
