#!/usr/bin/env bash
# The tests on real servers wait for most of their time, and those of the coverage only compute: side by side they take
# as long as the longer. Then one tape through every kind of fault, in its short form: `make faults-short` has twenty
# faults on one of five minutes. What the coverage says comes last.
set -uo pipefail
cd "$(dirname "$0")/.."
chosen="cluster and not faults and not combinations"
said=$(mktemp)
trap 'rm -f "$said"' EXIT
nice -n 10 bash tests/coverage.sh >"$said" 2>&1 &
coverage=$!
bash tests/again.sh loadfile -m "$chosen"
servers=$?
FAULTS_COUNT=12 FAULTS_SECONDS=150 pytest -m faults tests/faults/test_combined.py
faults=$?
wait "$coverage"
covered=$?
cat "$said"
exit $((servers || faults || covered))
