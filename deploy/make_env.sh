#!/bin/sh
# Writes secrets made at random, for `compose.yaml`:  (umask 077; sh deploy/make_env.sh > .env)
# The key of the API is told once, on standard error; .env has its hash.
set -eu
secret() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
hash() { printf 'sha256:'; printf %s "$1" | sha256sum | cut -d' ' -f1; }
key="tw_$(secret)"
prometheus="tw_$(secret)"
cat <<END
ELASTIC_PASSWORD=$(secret)
KIBANA_PASSWORD=$(secret)
KIBANA_ENCRYPTION_KEY=$(secret)
REDIS_QUEUE_PASSWORD=$(secret)
REDIS_STATE_PASSWORD=$(secret)
GRAFANA_PASSWORD=$(secret)
API_KEY_HASH=$(hash "$key")
PROMETHEUS_API_KEY=$prometheus
PROMETHEUS_API_KEY_HASH=$(hash "$prometheus")
END
echo "the key of the API, shown only now: $key" >&2
