from pathlib import Path

import pytest

from tapewatch.model.errors import InputError
from tapewatch.runtime.config.settings import RulesSettings, Settings
from tapewatch.runtime.known_names import known_names
from tapewatch.runtime.server import EmbeddedServer


def test_the_rules_of_the_settings_and_the_types_of_all_detectors_are_known() -> None:
    known = known_names(RulesSettings(preset="prototype"))
    assert known.rules == {"zscore", "sma"}
    assert known.types >= {"rise", "drop", "none", "stale_feed", "bad_print", "venue_divergence"}


def test_a_disabled_rule_is_known(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('[[rules]]\nname = "off"\ndetector = "zscore"\nenabled = false\n')
    assert known_names(RulesSettings(file=file)).rules == {"off"}


def test_a_server_whose_rules_have_a_mistake_opens_nothing(tmp_path: Path) -> None:
    file, data = tmp_path / "mine.toml", tmp_path / "data"
    file.write_text('[[rules]]\nname = "x"\ndetector = "price_mov"\n')
    with pytest.raises(InputError, match=r"mine\.toml:3: rule 'x': unknown detector 'price_mov'"):
        EmbeddedServer(Settings(data_dir=data, rules=RulesSettings(file=file)), None)
    assert not data.exists()
