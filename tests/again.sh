#!/usr/bin/env bash
# again.sh DIST [ARGUMENTS OF PYTEST]: two processes, and what failed once more, alone: on a busy machine a time that was missed
# may be nobody's fault. Twice is a failure, and what passes only then is named. Only exit status 1 says that tests failed:
# after an interruption, an error of pytest's own or nothing collected there is nothing to do again.
set -uo pipefail
dist=$1
shift
pytest -n 2 --dist "$dist" "$@"
status=$?
[ "$status" -eq 1 ] || exit "$status"
said=$(mktemp)
trap 'rm -f "$said"' EXIT
pytest --last-failed --last-failed-no-failures none -rfEp "$@" | tee "$said"
status=$?
sed -n 's/^PASSED /FLAKY, passed only the second time: /p' "$said"
exit "$status"
