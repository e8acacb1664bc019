"""What was watched, for reports: every symbol that has state, and the rules that its state belongs to."""

from tapewatch.detection.state import read_key
from tapewatch.reports.content import Coverage
from tapewatch.reports.port import ReportRequest
from tapewatch.runtime.rule_change import MANIFEST, rules_in
from tapewatch.stores.sqlite import SqliteShardStore


class WatchedCoverage:
    """Answers from the shards' rows; a symbol counts from its first tick on, whatever the report's range."""

    def __init__(self, shards: SqliteShardStore) -> None:
        self._shards = shards

    def __call__(self, request: ReportRequest) -> Coverage | None:
        """Symbols and rules within the request's venue and symbol; None where nothing was watched yet."""
        symbols = [read_key(key)[0] for key in self._shards.row_keys() if key.endswith("|hot")]
        asked = [
            str(instrument)
            for instrument in symbols
            if request.venue in {None, instrument.venue} and request.symbol in {None, instrument.symbol}
        ]
        rules = {
            f"{name} ({version})" for data in self._shards.rows_named(MANIFEST) for name, version in rules_in(data)
        }
        return Coverage(tuple(asked), tuple(sorted(rules))) if symbols else None
