#!/bin/sh
# Makes what `docker compose up` needs, once: folders, secrets, and .env. What is there already stays.
set -eu
cd "$(dirname "$0")/.."
uid=$(id -u) gid=$(id -g)
if [ "$uid" = 0 ]; then uid=10001 gid=10001; fi # no service runs as root
random() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
keep() { [ -s "secrets/$1" ] || printf '%s\n' "$2" >"secrets/$1"; }

mkdir -p data/inbox data/outbox data/redis data/state data/studio data/prometheus data/grafana
umask 077
mkdir -p secrets
keep redis_url "redis://:$(random)@redis:6379/0"
keep flower_auth "operator:$(random)"
keep web_password "$(random)"
keep grafana_password "$(random)"
for empty in nemo_token notify s3_key; do [ -e "secrets/$empty" ] || : >"secrets/$empty"; done
if [ ! -e .env ]; then
  sed -e "s/^DROPSCORE_UID=.*/DROPSCORE_UID=$uid/" -e "s/^DROPSCORE_GID=.*/DROPSCORE_GID=$gid/" .env.example >.env
fi
if [ "$(id -u)" = 0 ]; then
  chown -R "$uid:$gid" data/outbox data/redis data/state data/studio data/prometheus data/grafana secrets
  # The inbox belongs to whoever drops files there; the other services only read it.
  chown "${SUDO_UID:-0}:${SUDO_GID:-0}" data
  # The page puts files there too: its group may write.
  chown "${SUDO_UID:-0}:$gid" data/inbox && chmod g+ws data/inbox
fi
echo "Ready. Next: docker compose up -d, and put videos into data/inbox."
