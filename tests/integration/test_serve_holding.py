import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tapewatch.model.errors import InputError, RetryableError
from tapewatch.runtime.embedded import open_on_disk
from tapewatch.runtime.holding import DirectoryLock, listen


def test_a_directory_is_held_once_and_given_back(tmp_path: Path) -> None:
    lock = DirectoryLock(tmp_path)
    with pytest.raises(RetryableError, match="in use by another tapewatch"):
        DirectoryLock(tmp_path)
    lock.release()
    DirectoryLock(tmp_path).release()


def test_a_directory_is_free_again_when_its_holder_died(tmp_path: Path) -> None:
    script = (
        "import os, sys; from pathlib import Path; from tapewatch.runtime.holding import DirectoryLock\n"
        "held = DirectoryLock(Path(sys.argv[1])); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(RetryableError):
            DirectoryLock(tmp_path)
        holder.kill()
        holder.wait(10)
    DirectoryLock(tmp_path).release()


def test_two_tapes_do_not_share_a_directory_at_once(tmp_path: Path) -> None:
    """Their histories are apart, but notices and report tasks would be worked off twice."""
    stores = open_on_disk(tmp_path, "one", lambda: 0)
    with pytest.raises(RetryableError):
        open_on_disk(tmp_path, "two", lambda: 0)
    stores.close()
    open_on_disk(tmp_path, "two", lambda: 0).close()


def test_a_data_directory_that_is_a_file_is_the_callers_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="data directory"):
        open_on_disk(tmp_path / "file", "one", lambda: 0)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_port_zero_is_a_port_that_the_system_chose(host: str) -> None:
    with listen(host, 0) as listener:
        address, port = listener.getsockname()[:2]
        assert (address, port > 0) == ("127.0.0.1", True)
        with socket.create_connection((address, port), 5):
            pass
        with pytest.raises(RetryableError, match="already in use"):
            listen(host, port)


@pytest.mark.parametrize("host", ["no such host", "192.0.2.1"])
def test_an_address_of_somebody_else_is_the_callers_mistake(host: str) -> None:
    with pytest.raises(InputError, match="cannot listen on"):
        listen(host, 0)
