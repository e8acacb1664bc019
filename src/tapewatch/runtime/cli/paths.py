"""Checks of where a command shall write, before its work."""

from pathlib import Path

from tapewatch.model.errors import InputError


def check_outputs(*files: tuple[str, Path | None, str]) -> None:
    """Refuse what could not be written after the work: (flag, path, ending); InputError names the flag."""
    for flag, path, ending in files:
        if path is not None and path.suffix.lower() != ending:
            raise InputError(f"{flag} {path}: its name must end in {ending}")
        if path is not None and not path.parent.is_dir():
            raise InputError(f"{flag} {path}: there is no folder {path.parent}")
