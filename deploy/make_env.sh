#!/bin/sh
# Writes secrets made at random, for `compose.yaml`:  sh deploy/make_env.sh > .env
# The key of the API is told once, on standard error; .env has its hash.
set -eu
secret() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }
key="tw_$(secret)"
hash=$(printf %s "$key" | sha256sum | cut -d' ' -f1)
cat <<END
ELASTIC_PASSWORD=$(secret)
KIBANA_PASSWORD=$(secret)
KIBANA_ENCRYPTION_KEY=$(secret)
REDIS_QUEUE_PASSWORD=$(secret)
REDIS_STATE_PASSWORD=$(secret)
GRAFANA_PASSWORD=$(secret)
API_KEY_HASH=sha256:$hash
END
echo "the key of the API, shown only now: $key" >&2
