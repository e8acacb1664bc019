from pathlib import Path

import pytest

from tests.e2e.support import PATIENCE_S, Forker, Left, Server, position, start, wait_until, what_is_left, write_market


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tape of these tests: a file of a simulated market with unreadable rows."""
    return write_market(tmp_path_factory.mktemp("market") / "market.csv")


@pytest.fixture(scope="session")
def uninterrupted(market: Path, tmp_path_factory: pytest.TempPathFactory) -> Left:
    """What a server leaves that read the whole tape at once and was stopped in order."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    server = start(folder / "log", "serve", market, "--data-dir", folder / "data", "--port", "0")
    server.ready()
    wait_until(lambda: _is_done(server), PATIENCE_S, "the end of the tape")
    server.stop()
    left = what_is_left(folder / "data")
    assert left.next == position(folder / "data")
    return left


@pytest.fixture(scope="session")
def forker(uninterrupted: Left) -> Forker:
    """Ready once the kernels are in the cache: `uninterrupted` has put them there."""
    return Forker()


def _is_done(server: Server) -> bool:
    status = server.get("/v1/status")
    return bool(status.get("next")) and not status["running"]
