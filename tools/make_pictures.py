"""Make the pictures in docs/images from a real run of the demo: `python tools/make_pictures.py`.

Needs tmux (the terminal that the demo runs in) and pdftoppm (poppler) beside what `make setup` brings.
"""

import io
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.text import Text

IMAGES = Path(__file__).parents[1] / "docs" / "images"
WIDTH, HEIGHT = 118, 40
TMUX = ["tmux", "-L", f"tapewatch-pictures-{time.time_ns()}"]
WATCHED_S = 9.0  # of the 12 that the market runs


def main() -> None:
    """Run the demo once; take the screen while it runs and when it has ended, and two pages of its report."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        tapewatch = Path(sys.executable).with_name("tapewatch")
        tmux("new-session", "-d", "-x", str(WIDTH), "-y", str(HEIGHT), "-c", folder, "bash", "--norc")
        try:
            tmux("send-keys", f"PS1='$ '; PATH='{tapewatch.parent}':$PATH; clear; tapewatch demo", "Enter")
            wait_for("market time")
            time.sleep(WATCHED_S)
            draw(screen(), IMAGES / "demo-live.svg", "tapewatch demo, while it runs")
            wait_for("Try next")
            time.sleep(1.0)
            draw(screen(), IMAGES / "demo-result.svg", "tapewatch demo, at its end")
        finally:
            tmux("kill-server")
        report = Path(folder) / "tapewatch-demo" / "report.pdf"
        for name, page in (("report-cover", 1), ("report-charts", 5)):
            pages = ["pdftoppm", "-r", "70", "-png", "-f", str(page), "-singlefile", str(report)]
            subprocess.run([*pages, str(IMAGES / name)], check=True)


def tmux(*command: str) -> str:
    """Say one thing to the terminal."""
    return subprocess.run([*TMUX, *command], check=True, capture_output=True, text=True).stdout


def screen() -> str:
    """What stands on it, with colours, without the command line."""
    lines = tmux("capture-pane", "-e", "-p").rstrip().splitlines()
    while lines and (not lines[-1].strip() or lines[-1].lstrip().startswith("$")):
        lines.pop()
    return "\n".join(line for line in lines if "PS1=" not in line)


def wait_for(words: str, seconds: float = 120.0) -> None:
    """Wait until the words stand on the screen."""
    deadline = time.monotonic() + seconds
    while words not in tmux("capture-pane", "-p"):
        if time.monotonic() > deadline:
            raise TimeoutError(f"{words!r} did not appear; the screen shows:\n{screen()}")
        time.sleep(0.2)


def draw(ansi: str, path: Path, title: str) -> None:
    """Write a screen as SVG."""
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(ansi, no_wrap=True), crop=True)
    console.save_svg(str(path), title=title)


if __name__ == "__main__":
    main()
