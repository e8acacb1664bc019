#!/usr/bin/env bash
# Branch coverage of the core (model, detection, alerts), at least 95 %. Kernels are machine code that coverage cannot see
# into, so they run as plain Python here, some hundred times slower: on small tapes, and without the real data.
set -euo pipefail
cd "$(dirname "$0")/.."
UV=${UV:-.venv/bin/uv}
if command -v "$UV" >/dev/null 2>&1; then run=("$UV" run --frozen); else run=(); PATH="$PWD/.venv/bin:$PATH"; fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export NUMBA_DISABLE_JIT=1 TAPEWATCH_CACHE_DIR="$scratch" COVERAGE_FILE="$scratch/coverage"
"${run[@]}" pytest -q -n 2 --dist worksteal -p no:cacheprovider \
  --cov=tapewatch.model --cov=tapewatch.detection --cov=tapewatch.alerts --cov-branch --cov-report=term-missing:skip-covered \
  --cov-fail-under=95 "$@" \
  tests/unit/alerts tests/unit/detection tests/unit/model tests/contracts/test_detectors.py tests/property/test_law_invariance.py \
  tests/property/test_engine_fates.py
