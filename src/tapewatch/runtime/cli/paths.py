"""Checks of where a command shall write, before its work."""

from collections.abc import Sequence
from pathlib import Path

from tapewatch.feeds.csv_blocks import STDIN, find_sources
from tapewatch.model.errors import InputError


def check_outputs(*files: tuple[str, Path | None, str]) -> None:
    """Refuse what could not be written after the work: (flag, path, ending); InputError names the flag."""
    for flag, path, ending in files:
        if path is not None and path.suffix.lower() != ending:
            raise InputError(f"{flag} {path}: its name must end in {ending}")
        if path is not None and not path.parent.is_dir():
            raise InputError(f"{flag} {path}: there is no folder {path.parent}")


def check_apart(sources: Sequence[str], *outputs: tuple[str, Path | None]) -> None:
    """Refuse to write over what is read, or twice to one file: (flag, path); InputError names both. `sources` as they
    are given: files, globs, directories."""
    taken = {str(Path(path).resolve()): f"{path} is read by this command" for path in _expanded(sources)}
    for flag, path in outputs:
        if path is None:
            continue
        name = str(path.resolve())
        if name in taken:
            raise InputError(f"{flag} {path}: {taken[name]}; choose another name")
        taken[name] = f"{flag} writes there too"


def _expanded(sources: Sequence[str]) -> list[str]:
    found: list[str] = []
    for source in sources:
        if source != STDIN and not Path(source).is_dir():
            found += find_sources([source])
    return found
