#!/bin/sh
# The ledger's server; with "ping" as argument, whether it answers. The password comes out of the one secret
# that all services share and goes in by standard input: it stands in no argument.
set -eu
password=$(sed -n 's|^redis://[^:]*:\([^@]*\)@.*|\1|p' /run/secrets/redis_url)
[ -n "$password" ] || { echo "secrets/redis_url should read redis://:PASSWORD@redis:6379/0" >&2; exit 2; }
if [ "${1:-}" = ping ]; then
  REDISCLI_AUTH=$password valkey-cli ping | grep -q PONG
  exit
fi
exec "${SERVER:-valkey-server}" - <<CONFIG
dir /data
appendonly yes
appendfsync always
maxmemory ${MAXMEMORY:-768mb}
maxmemory-policy noeviction
hash-max-listpack-value 1024
protected-mode yes
requirepass $password
CONFIG
