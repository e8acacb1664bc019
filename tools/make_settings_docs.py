"""Writes docs/settings.md from the settings' structs: `python tools/make_settings_docs.py`."""

from pathlib import Path

from tapewatch.runtime.config.reference import reference

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"

if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
