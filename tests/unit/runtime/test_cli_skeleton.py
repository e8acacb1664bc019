import errno
import json
import re
import resource
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
import typer

from tapewatch.model.errors import CommitRefusedError, GiveUpError, InputError, RetryableError
from tapewatch.runtime.cli import main
from tapewatch.runtime.cli.common import command_app
from tapewatch.runtime.cli.lazy import LazyGroup, load
from tapewatch.runtime.cli.table import ENTRIES, Entry
from tapewatch.web.api.keys import hash_key

Run = Callable[..., tuple[int, str, str]]
HEAVY = ("numba", "numpy", "polars", "pyarrow", "fastapi", "httpx", "msgspec", "rich", "tapewatch.detection")


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs the command line in an empty folder: exit code, standard output, standard error."""
    monkeypatch.chdir(tmp_path)
    for name in ("TAPEWATCH_CONFIG", "TAPEWATCH_API__PORT"):
        monkeypatch.delenv(name, raising=False)

    def call(*args: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(args)
        out = capsys.readouterr()
        code = caught.value.code
        assert isinstance(code, int)
        return code, out.out, out.err

    return call


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], None]:
    """Makes a command `fail` that raises what it is given."""

    def install(error: BaseException) -> None:
        app = command_app()

        @app.command()
        def fail() -> None:
            raise error

        module = ModuleType("tests_failing_command")
        module.__dict__["app"] = app
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setattr(LazyGroup, "entries", (Entry("fail", module.__name__, "Fails.", "Test"),))

    return install


def test_help_lists_every_command_of_the_table(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    for entry in ENTRIES:
        assert f"  {entry.name} " in out and f"\n{entry.panel}:\n" in out


def _child_cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_help_imports_nothing_heavy_and_answers_at_once() -> None:
    script = (
        "import sys\nfrom tapewatch.runtime.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)\n"
    )
    took = []
    for _ in range(3):
        began = _child_cpu_s()  # processor time: the other tests must not stretch it
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        took.append(_child_cpu_s() - began)
        assert done.stderr.strip() == "[]"
    assert min(took) < 0.4


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
def test_every_command_loads_and_shows_examples(entry: Entry) -> None:
    command = load(entry)
    leaves = list(getattr(command, "commands", {"": command}).values())
    assert leaves
    for leaf in leaves:
        assert "Examples:" in leaf.help and f"tapewatch {entry.name}" in leaf.help
        assert {"--config", "--set", "--debug"} <= {name for param in leaf.params for name in param.opts}


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.name)
@pytest.mark.parametrize("columns", ["80", "120"])
def test_help_names_what_is_to_be_given_in_words_and_cuts_nothing_off(
    run: Run, monkeypatch: pytest.MonkeyPatch, entry: Entry, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    code, out, _ = run(entry.name, "--help")
    assert code == 0
    assert not re.search(r"<(str|int|float|list|path|%)", out)
    assert not re.search(r"\w\.\.\.$", out, re.MULTILINE), "a sentence that was cut off"


def test_the_table_is_sorted_into_panels_without_doubles() -> None:
    names = [entry.name for entry in ENTRIES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("the file is wrong"), 2),
        (RetryableError("the server is busy"), 3),
        (GiveUpError("no such mailbox"), 1),
        (CommitRefusedError("epoch", 1, 2), 1),
        (OSError(errno.ENOSPC, "No space left on device", "data.db"), 1),
        (KeyboardInterrupt(), 130),
        (typer.Exit(5), 5),
    ],
)
def test_each_kind_of_error_has_its_exit_code_and_no_traceback(
    run: Run, failing: Callable[[BaseException], None], error: BaseException, code: int
) -> None:
    failing(error)
    got, out, err = run("fail")
    assert got == code
    assert out == "" and "Traceback" not in err
    if isinstance(error, OSError):
        assert err == "error: data.db: No space left on device\n"
    elif not isinstance(error, KeyboardInterrupt | typer.Exit):
        assert err.startswith("error: ") and str(error) in err


@pytest.mark.parametrize("args", [("--debug", "fail"), ("fail", "--debug")])
def test_debug_shows_the_traceback_wherever_it_stands(
    run: Run, failing: Callable[[BaseException], None], args: tuple[str, ...]
) -> None:
    failing(InputError("wrong"))
    code, _, err = run(*args)
    assert code == 2 and "Traceback" in err and err.endswith("error: wrong\n")


def test_a_mistake_of_ours_keeps_its_traceback(failing: Callable[[BaseException], None]) -> None:
    failing(ZeroDivisionError("ours"))
    with pytest.raises(ZeroDivisionError):
        main(["fail"])


def test_a_reader_that_goes_away_is_no_traceback(run: Run, failing: Callable[[BaseException], None]) -> None:
    failing(BrokenPipeError(errno.EPIPE, "Broken pipe"))
    assert run("fail")[0] == 1


@pytest.mark.parametrize("text", ["csv", "jsonl"])
def test_generated_data_may_be_cut_by_its_reader(text: str) -> None:
    command = "import sys; from tapewatch.runtime.cli import main; main(sys.argv[1:])"
    with subprocess.Popen(
        [sys.executable, "-c", command, "generate", "--days", "2", "--format", text],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""


@pytest.mark.parametrize(
    "args", [(), ("no-such",), ("config", "shwo"), ("rules", "check"), ("config", "show", "--nope")]
)
def test_a_wrong_command_line_is_exit_code_two(run: Run, args: tuple[str, ...]) -> None:
    assert run(*args)[0] == 2


def test_an_unknown_command_names_the_nearest(run: Run) -> None:
    assert "Did you mean 'config'?" in run("confg")[2]


def test_config_show_prints_toml_with_flags_on_either_side(run: Run, tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("[api]\nport = 7\n")
    for args in (("--config", "x.toml", "config", "show"), ("config", "show", "-c", "x.toml")):
        code, out, err = run(*args, "--set", "feed.speed=2")
        assert (code, err) == (0, "")
        shown = tomllib.loads(out)
        assert (shown["api"]["port"], shown["feed"]["speed"]) == (7, 2.0)


def test_config_show_refuses_wrong_settings_line_by_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "tapewatch.toml").write_text("[api]\nprot = 7\nport = true\n")
    code, out, err = run("config", "show")
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        "error: tapewatch.toml:2: unknown key api.prot; did you mean port?",
        "       tapewatch.toml:3: api.port must be a whole number from 0 to 65535, got true",
    ]


def test_api_key_new_prints_the_key_alone_and_its_hash_for_the_settings(run: Run) -> None:
    code, out, err = run("api-key", "new", "desk")
    assert code == 0
    entry = tomllib.loads(err[err.index("[[") :])["api"]["api_keys"][0]
    assert entry == {"name": "desk", "hash": hash_key(out.strip())}
    assert out.strip() not in err


def test_api_key_new_refuses_a_name_that_the_settings_would_refuse(run: Run) -> None:
    code, out, err = run("api-key", "new", "a b")
    assert (code, out) == (2, "") and "API key name" in err


def test_rules_commands(run: Run, tmp_path: Path) -> None:
    (tmp_path / "good.toml").write_text('name = "mine"\n[[rules]]\nname = "a"\ndetector = "price_move"\n')
    (tmp_path / "bad.toml").write_text('[[rules]]\nname = "a"\ndetector = "price_moev"\n')
    assert run("rules", "check", "good.toml") == (0, "good.toml: 1 rule in force, 0 switched off\n", "")
    code, _, err = run("rules", "check", "bad.toml")
    assert code == 2 and err.startswith("error: bad.toml:3: rule 'a': unknown detector")
    assert "prototype: zscore, sma\n" in run("rules", "list")[1]
    assert "horizon" in run("rules", "show", "--file", "good.toml", "--json")[1]
    assert run("rules", "show", "--preset", "prototype")[1].startswith("prototype (preset prototype)\n")
    assert run("rules", "show")[1].startswith("default (preset default)\n")


def test_rules_check_knows_the_groups_of_the_calibration(run: Run, tmp_path: Path) -> None:
    (tmp_path / "groups.toml").write_text('[[rules]]\nname = "a"\ndetector = "price_move"\ngroups = ["nope"]\n')
    code, _, err = run("rules", "check", "groups.toml")
    assert code == 2 and "rule 'a': the calibration has no group 'nope'" in err


BARS = "timestamp,symbol,open,high,low,close\n" + "".join(f"2025-04-07T10:0{i}:00Z,A,1,1,1,1\n" for i in range(6))


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("generate", "--file", "in.csv", "--out", "./in.csv"), "--out in.csv: in.csv is read by this command"),
        (("generate", "--days", "1", "--out", "x.csv", "--labels", "x.csv"), "--out x.csv: --labels writes there too"),
        (("generate", "--clean", "--traps"), "--clean plants nothing"),
        (("replay", "*.csv", "--report", "in.csv"), "--report in.csv: in.csv is read by this command"),
        (("tune", "--history", "in.csv", "--rules-out", "x.toml", "--calibration-out", "in.csv"), "must end in .json"),
        (("serve", "in.csv", "--simulate"), "it goes with no file"),
    ],
)
def test_nothing_is_written_over_what_is_read(run: Run, tmp_path: Path, args: tuple[str, ...], told: str) -> None:
    (tmp_path / "in.csv").write_text(BARS)
    code, _, err = run(*args)
    assert code == 2 and told in err
    assert [p.name for p in tmp_path.iterdir()] == ["in.csv"] and (tmp_path / "in.csv").read_text() == BARS


def test_a_backtest_does_not_write_over_its_calibration(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(BARS)
    (tmp_path / "c.json").write_text("{}")
    code, _, err = run("backtest", "in.csv", "--calibration", "c.json", "--out", "./c.json")
    assert code == 2 and "--out c.json: c.json is read by this command" in err
    assert (tmp_path / "c.json").read_text() == "{}"


def test_who_ends_a_demo_half_way_may_begin_another(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ended(config: object, data_dir: Path, *_: object) -> None:
        (data_dir / "tapewatch.sqlite").touch()
        raise InputError("half-way")

    monkeypatch.setattr("tapewatch.runtime.demo.run_demo", ended)
    for _ in range(2):
        code, _, err = run("demo", "--seconds", "0")
        assert code == 2 and "half-way" in err
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "mine").touch()
    assert "was not made by a demo" in run("demo", "--data-dir", "other")[2]


def test_a_backtest_of_no_tick_says_so(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(BARS)
    code, out, err = run("backtest", "in.csv", "--from", "2030-01-01", "--quiet")
    assert (code, out) == (2, "") and "no tick in this history between --from and --to" in err


def test_a_tape_that_is_there_is_not_added_to(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text(BARS)
    assert run("generate", "--file", "in.csv", "--out", "a.tape")[0] == 0
    before = (tmp_path / "a.tape").read_bytes()
    code, _, err = run("generate", "--file", "in.csv", "--out", "a.tape")
    assert code == 2 and "is there already" in err and (tmp_path / "a.tape").read_bytes() == before
    assert run("generate", "--out", "a.tape", "--labels", "labels.csv")[0] == 2
    assert not (tmp_path / "labels.csv").exists()  # nor is anything else written
    (tmp_path / "odd.csv").write_text("no,header,of,ours\n1,2,3,4\n")
    assert run("generate", "--file", "odd.csv", "--out", "b.tape")[0] == 2
    assert not (tmp_path / "b.tape").exists()


def test_a_file_with_its_newest_row_first_is_refused(run: Run, tmp_path: Path) -> None:
    header, *rows = BARS.splitlines(keepends=True)
    (tmp_path / "in.csv").write_text("".join([header, *reversed(rows)]))
    code, _, err = run("replay", "in.csv")
    assert code == 2 and "in.csv: its newest row is the first" in err


def test_rules_diff_shows_values_and_state_and_tells_scripts_by_its_exit_code(run: Run, tmp_path: Path) -> None:
    old, new = tmp_path / "old.toml", tmp_path / "new.toml"
    rule = '[[rules]]\nname = "a"\ndetector = "price_move"\n'
    old.write_text(rule)
    new.write_text(rule + "params = { pct = 2.5 }\n" + rule.replace('"a"', '"b"'))
    assert run("rules", "diff", "old.toml", "old.toml") == (0, "no difference\n", "")
    code, out, _ = run("rules", "diff", "old.toml", "new.toml")
    assert code == 1
    assert out.startswith("+ b ") and "~ a " in out and "params.pct 3.0 -> 2.5" in out and "starts cold" in out
    code, out, _ = run("rules", "diff", "default", "new.toml", "--json")
    assert code == 1 and {n for n, _ in json.loads(out)["added"]} == {"a", "b"}
    assert run("rules", "diff", "defalt", "new.toml")[0] == 2


def test_completion_knows_the_commands_and_their_options() -> None:
    def complete(words: str, at: int) -> list[str]:
        environ = {"_TAPEWATCH_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(at)}
        script = "from tapewatch.runtime.cli import main; main()"
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environ, check=True)
        return done.stdout.split()

    assert set(complete("tapewatch ", 1)) == {entry.name for entry in ENTRIES}
    assert complete("tapewatch config sh", 2) == ["show"]
    assert "--config" in complete("tapewatch config show --", 3)
