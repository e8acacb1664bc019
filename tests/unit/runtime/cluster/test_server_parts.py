"""What the servers are made of, without starting one."""

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from tapewatch.runtime.cluster.servers import DownloadError, ServerMissingError, account, downloads, elasticsearch
from tapewatch.runtime.cluster.servers.downloads import Artifact
from tapewatch.runtime.cluster.servers.java import find_java


def _java(home: Path, version: str, modules: str) -> Path:
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "java").touch()
    (home / "release").write_text(f'IMPLEMENTOR="X"\nJAVA_VERSION="{version}"\nMODULES="{modules}"\n')
    return home


@pytest.fixture
def no_java(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine without any Java."""
    for variable in ("ES_JAVA_HOME", "JAVA_HOME"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("tapewatch.runtime.cluster.servers.java._FOLDERS", ())
    return monkeypatch


@pytest.mark.parametrize(
    ("version", "modules", "fits"),
    [
        ("21.0.2", "java.base jdk.jdi", True),
        ("25", "jdk.jdi java.base", True),
        ("17.0.15", "java.base jdk.jdi", False),
        ("1.8.0_402", "java.base jdk.jdi", False),
        ("21.0.2", "java.base", False),
        ("early", "jdk.jdi", False),
    ],
)
def test_a_java_is_taken_only_where_it_is_new_and_whole_enough(
    no_java: pytest.MonkeyPatch, tmp_path: Path, version: str, modules: str, fits: bool
) -> None:
    home = _java(tmp_path / "jdk", version, modules)
    no_java.setenv("JAVA_HOME", str(home))
    assert find_java(21, ["jdk.jdi"]) == (home if fits else None)


def test_a_missing_jdk_is_named_before_anything_is_downloaded(no_java: pytest.MonkeyPatch, tmp_path: Path) -> None:
    no_java.setenv("TAPEWATCH_CACHE_DIR", str(tmp_path / "cache"))
    with pytest.raises(ServerMissingError, match="JDK of 21 or newer"):
        elasticsearch.start(tmp_path / "elasticsearch")
    assert not (tmp_path / "cache").exists()


def test_a_download_that_failed_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    def fail(into: Path) -> None:
        (into / "half").touch()
        raise DownloadError("the line was cut")

    with pytest.raises(DownloadError):
        downloads.once(tmp_path / "jars", fail)
    assert list(tmp_path.iterdir()) == []
    downloads.once(tmp_path / "jars", lambda into: (into / "whole").touch())
    assert downloads.once(tmp_path / "jars", fail) == tmp_path / "jars"
    assert [p.name for p in (tmp_path / "jars").iterdir()] == ["whole"]


def test_two_who_download_at_once_share_one_whole_folder(tmp_path: Path) -> None:
    def slower(into: Path) -> None:
        (into / "file").write_text("slower")
        downloads.once(tmp_path / "jars", faster)

    def faster(into: Path) -> None:
        (into / "file").write_text("faster")

    downloads.once(tmp_path / "jars", slower)
    assert (tmp_path / "jars" / "file").read_text() == "faster"
    assert [p.name for p in tmp_path.iterdir()] == ["jars"]


def test_what_a_registry_tool_said_reaches_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tool = tmp_path / "mvn"
    tool.write_text("#!/bin/sh\necho 'could not find artifact x:y'\nexit 1\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(DownloadError, match=r"mvn could not download(.|\n)*artifact x:y"):
        downloads.maven(tmp_path / "jars", [Artifact("x", "y", "1")])


@pytest.mark.parametrize(("content", "right"), [("as it was published", True), ("another one", False)])
def test_a_file_whose_digest_is_known_is_checked_against_it(
    content: str, right: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The registry is then not asked for its own: not every mirror has it."""
    tool = tmp_path / "mvn"
    tool.write_text(
        '#!/bin/sh\ncase "$*" in *--strict-checksums*) exit 1;; esac\n'
        f'for a; do case "$a" in -DoutputDirectory=*) printf "{content}" > "${{a#*=}}/y-1.zip";; esac; done\n'
    )
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    wanted = hashlib.sha256(b"as it was published").hexdigest()
    artifact = Artifact("x", "y", "1", packaging="zip", sha256=wanted)
    if right:
        assert (downloads.maven(tmp_path / "zip", [artifact]) / "y-1.zip").read_text() == content
        return
    with pytest.raises(DownloadError, match=r"y-1\.zip is not the file that it should be"):
        downloads.maven(tmp_path / "zip", [artifact])
    assert not (tmp_path / "zip").exists()


def test_a_folder_closed_to_others_has_one_open_substitute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = tmp_path / "shared"
    monkeypatch.setattr(account, "SHARED_ROOT", shared)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    first, again = account.reachable(closed / "a"), account.reachable(closed / "a")
    assert first == again
    assert first.parent == shared
    assert account.reachable(closed / "b") != first
    assert account.reachable(Path("/no-such-folder/a")) == Path("/no-such-folder/a")


def test_the_cluster_can_be_named_without_its_extra() -> None:
    text = (
        "import sys\n"
        "sys.modules.update(dict.fromkeys(['redis', 'confluent_kafka', 'celery', 'elasticsearch', 'lz4']))\n"
        "import tapewatch.runtime.cluster.servers, tapewatch.runtime.cli\n"
    )
    assert subprocess.run([sys.executable, "-c", text], check=False).returncode == 0
