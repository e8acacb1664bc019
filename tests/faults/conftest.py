"""The servers of the fault runs: their own, since they are killed and emptied."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tapewatch.runtime.cluster.servers import ServerMissingError
from tests.conftest import skip_without
from tests.faults.stack import Servers, serving


@pytest.fixture(scope="package")
def servers(request: pytest.FixtureRequest) -> Iterator[Servers]:
    """One start for all runs; each run cleans them."""
    folder = Path(tempfile.mkdtemp(prefix="tapewatch-faults-"))
    folder.chmod(0o755)  # Elasticsearch runs as somebody else where we are root
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        try:
            found = stack.enter_context(serving(folder))
        except ServerMissingError as missing:
            skip_without(request.config, "a whole cluster", missing)
        yield found
