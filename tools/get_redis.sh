#!/bin/sh
# Brings redis-server where that can be done without asking: as root on a system with apt. Elsewhere it says how; the
# rest of the servers come from package registries by themselves. Never fails: who needs Redis says so then.
command -v redis-server >/dev/null 2>&1 && exit 0
command -v valkey-server >/dev/null 2>&1 && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
  echo "installing redis-server with apt-get"
  export DEBIAN_FRONTEND=noninteractive
  apt-get install -y -q redis-server >/dev/null 2>&1 \
    || { apt-get update -q && apt-get install -y -q redis-server; } >/dev/null 2>&1
  command -v redis-server >/dev/null 2>&1 && exit 0
fi
echo "no redis-server on PATH: install Redis 7 or newer (Debian, Ubuntu: apt-get install redis-server; macOS: brew install redis)" >&2
exit 0
