"""The rules of the fault runs: the default ones, and the prototype's two, which plain arithmetic can check."""

from importlib import resources
from pathlib import Path

from tapewatch.runtime.config.rules import load_preset

BRUTE = ("zscore", "sma")
"""Rules whose alerts `brute.py` computes by itself."""


def write_rules(folder: Path) -> Path:
    """A rules file. Without `bad_print`, whose quarantine keeps ticks from all rules: what remains of the prototype's
    two is arithmetic on closes."""
    texts = {name: _sections(name) for name in ("default", "prototype")}
    kept = [text for name, text in texts["default"].items() if name != "bad_print"]
    path = folder / "rules.toml"
    path.write_text('name = "faults"\n\n' + "\n".join([*kept, *(texts["prototype"][name] for name in BRUTE)]))
    return path


def _sections(preset: str) -> dict[str, str]:
    """The text of each rule of a preset by its name."""
    text = (resources.files("tapewatch.presets") / f"{preset}.toml").read_text()
    parts = [f"[[rules]]{part}" for part in text.split("[[rules]]")[1:]]
    return dict(zip((rule.name for rule in load_preset(preset).declared), parts, strict=True))
