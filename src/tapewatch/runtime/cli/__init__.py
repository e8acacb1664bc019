"""The command line. `main` is the entry point of `tapewatch`; commands are listed in `table`, one file each.

Exit codes: 0 done; 1 it failed; 2 the command line, a setting or an input is wrong; 3 something did not answer, try
again later; 130 interrupted.
"""

from tapewatch.runtime.cli.app import main

__all__ = ["main"]
