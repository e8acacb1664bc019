"""The servers of the fault runs: their own, since they are killed and emptied."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.stack import Servers, serving


@pytest.fixture(scope="package")
def servers() -> Iterator[Servers]:
    """One start for all runs; each run cleans them."""
    folder = Path(tempfile.mkdtemp(prefix="tapewatch-faults-"))
    folder.chmod(0o755)  # Elasticsearch runs as somebody else where we are root
    with serving(folder) as found:
        yield found
    shutil.rmtree(folder)
