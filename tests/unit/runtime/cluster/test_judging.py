"""What judges on the cluster is what judges embedded."""

from pathlib import Path

import msgspec

from tapewatch.runtime.cluster.judging import Judging, connect_state
from tapewatch.runtime.config.settings import RulesSettings, Settings
from tapewatch.runtime.embedded import build_engine

FACTS = """
[[instruments]]
symbol = "TSLA"
venue = "XNAS"
splits = [{ at = "2022-08-25T04:00:00Z", ratio = 3.0 }]
"""


def test_the_instruments_file_holds_on_the_cluster_too(tmp_path: Path) -> None:
    path = tmp_path / "instruments.toml"
    path.write_text(FACTS)
    settings = msgspec.structs.replace(Settings(), rules=RulesSettings(instruments=path))
    judging = Judging(settings, connect_state(settings.state), None, lambda: 0)
    assert judging.fingerprint == judging.engine().fingerprint == build_engine(settings.rules).fingerprint
    assert judging.fingerprint != build_engine(RulesSettings()).fingerprint
