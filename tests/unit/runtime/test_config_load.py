from collections.abc import Mapping
from pathlib import Path

import pytest

from tapewatch.model.errors import InputError
from tapewatch.runtime.config import Flag, Loaded, Settings, load_settings

KEY_HASH = "sha256:" + "0" * 64


def load(
    folder: Path,
    text: str | None = None,
    environ: Mapping[str, str] | None = None,
    flags: tuple[Flag, ...] = (),
    assignments: tuple[str, ...] = (),
) -> Loaded:
    if text is not None:
        (folder / "tapewatch.toml").write_text(text, encoding="utf-8")
    return load_settings(flags=flags, assignments=assignments, environ=environ or {}, cwd=folder)


def refusal(folder: Path, text: str | None = None, environ: Mapping[str, str] | None = None, *assignments: str) -> str:
    with pytest.raises(InputError) as caught:
        load(folder, text, environ, assignments=assignments)
    return str(caught.value)


def test_without_any_source_everything_is_the_default(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    assert loaded.settings == Settings()
    assert loaded.file is None
    assert loaded.where(("api", "port")) == "default"


def test_each_source_wins_over_the_ones_below_it_and_says_that_it_did(tmp_path: Path) -> None:
    text, environ = "[api]\nport = 1001\n", {"TAPEWATCH_API__PORT": "1002"}
    flags, assignments = (Flag("--port", "api.port", 1003),), ("api.port=1004",)
    for given, port, where in (
        (load(tmp_path, text), 1001, "tapewatch.toml:2"),
        (load(tmp_path, text, environ), 1002, "TAPEWATCH_API__PORT"),
        (load(tmp_path, text, environ, flags), 1003, "--port"),
        (load(tmp_path, text, environ, flags, assignments), 1004, "--set api.port"),
    ):
        assert given.settings.api.port == port
        assert given.where(("api", "port")) == where


def test_sources_are_joined_key_by_key_and_lists_are_replaced(tmp_path: Path) -> None:
    text = '[api]\nhost = "::1"\nallowed_hosts = ["a", "b"]\n[logging.levels]\nx = "error"\n'
    environ = {"TAPEWATCH_API__ALLOWED_HOSTS": "c, d", "TAPEWATCH_LOGGING__LEVELS": '{"y": "debug"}'}
    settings = load(tmp_path, text, environ).settings
    assert settings.api.host == "::1"
    assert settings.api.allowed_hosts == ("c", "d")
    assert settings.logging.levels == {"x": "error", "y": "debug"}


def test_a_flag_that_was_not_given_does_not_count(tmp_path: Path) -> None:
    assert load(tmp_path, "[api]\nport = 7\n", flags=(Flag("--port", "api.port", None),)).settings.api.port == 7


def test_the_environment_can_say_lists_of_tables_as_json(tmp_path: Path) -> None:
    environ = {"TAPEWATCH_API__API_KEYS": f'[{{"name": "desk", "hash": "{KEY_HASH}"}}]'}
    loaded = load(tmp_path, environ=environ)
    assert [key.name for key in loaded.settings.api.api_keys] == ["desk"]
    assert loaded.where(("api", "api_keys", 0, "name")) == "TAPEWATCH_API__API_KEYS"


def test_named_tables_are_read_under_their_names(tmp_path: Path) -> None:
    settings = load(
        tmp_path, '[reports.schedules.daily]\nat = "06:30"\n[reports.schedules.late]\nat = "22:00"\n'
    ).settings
    assert {name: schedule.at for name, schedule in settings.reports.schedules.items()} == {
        "daily": "06:30",
        "late": "22:00",
    }


def test_a_file_is_found_by_argument_then_variable_then_folder(tmp_path: Path) -> None:
    for name, port in (("tapewatch.toml", 1), ("variable.toml", 2), ("argument.toml", 3)):
        (tmp_path / name).write_text(f"[api]\nport = {port}\n")
    environ = {"TAPEWATCH_CONFIG": "variable.toml"}
    assert load_settings(environ={}, cwd=tmp_path).settings.api.port == 1
    assert load_settings(environ=environ, cwd=tmp_path).settings.api.port == 2
    assert load_settings(Path("argument.toml"), environ=environ, cwd=tmp_path).settings.api.port == 3


def test_a_file_that_was_named_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.toml: cannot be read"):
        load_settings(Path("none.toml"), environ={}, cwd=tmp_path)


def test_paths_in_a_file_are_relative_to_it_and_others_are_left_alone(tmp_path: Path) -> None:
    folder = tmp_path / "etc"
    folder.mkdir()
    (folder / "t.toml").write_text('data_dir = "data"\n[feed]\nsources = ["a*.csv", "-", "/b.csv", "kafka://c"]\n')
    settings = load_settings(folder / "t.toml", environ={"TAPEWATCH_RULES__FILE": "r.toml"}, cwd=tmp_path).settings
    assert settings.data_dir == folder / "data"
    assert settings.feed.sources == (str(folder / "a*.csv"), "-", "/b.csv", "kafka://c")
    assert settings.rules.file == Path("r.toml")


def test_one_underscore_where_two_go_a_level_down_is_told(tmp_path: Path) -> None:
    told = refusal(tmp_path, "", {"TAPEWATCH_API_PORT": "1", "TAPEWATCH_NOTIFY_EMIAL__PORT": "1"}).splitlines()
    assert [line.partition("; ")[2] for line in told] == [
        "did you mean TAPEWATCH_API__PORT?",
        "did you mean TAPEWATCH_NOTIFY__EMAIL__PORT?",
    ]


def test_every_mistake_is_named_with_its_place_and_the_nearest_key(tmp_path: Path) -> None:
    text = '[feed]\nspede = 3\n\n[stores]\ntick_days = "x"\n[[notify.webhook]]\nulr = "a"\n[api]\nport = true\n'
    environ = {"TAPEWATCH_API__PROT": "1", "TAPEWATCH_STORES__RECORD_DAYS": "many", "TAPEWATCH_LOGING__LEVEL": "info"}
    assert refusal(tmp_path, text, environ, "api.hsot=1", "feed.speed=-1").splitlines() == [
        "TAPEWATCH_API__PROT: there is no setting api.prot; did you mean TAPEWATCH_API__PORT?",
        "TAPEWATCH_LOGING__LEVEL: there is no setting loging.level; did you mean TAPEWATCH_LOGGING?",
        "--set api.hsot: there is no setting api.hsot; did you mean api.host?",
        "tapewatch.toml:2: unknown key feed.spede; did you mean speed?",
        'tapewatch.toml:5: stores.tick_days must be a whole number from 1 to 36500, got "x"',
        "tapewatch.toml:7: unknown key notify.webhook[0].ulr; did you mean url?",
        "tapewatch.toml:9: api.port must be a whole number from 0 to 65535, got true",
        'TAPEWATCH_STORES__RECORD_DAYS: stores.record_days must be a whole number from 1 to 36500, got "many"',
        '--set feed.speed: feed.speed must be a number of at least 0, got "-1"',
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[api.api_keys]]\nname = "a"\n', "tapewatch.toml:1: api.api_keys[0].hash is missing: it must be text"),
        ("\napi = 3\n", "tapewatch.toml:2: api must be a table, got 3"),
        ("[feed]\nspeed = nan\n", "tapewatch.toml:2: feed.speed must be a number of at least 0, got NaN"),
        ("[feed]\nspeed = inf\n", "tapewatch.toml:2: feed.speed must be a finite number, got inf"),
        ('[logging.levels]\na = "loud"\n', "tapewatch.toml:2: logging.levels.a must be one of debug, info"),
        ('[reports.schedules.x]\nat = "25:00"\n', "tapewatch.toml:2: reports.schedules.x.at must be a time of day"),
        ("[api]\napi_keys = [3]\n", "tapewatch.toml:2: api.api_keys[0] must be a table, got 3"),
    ],
)
def test_a_mistake_says_where_it_is_and_what_was_expected(tmp_path: Path, text: str, said: str) -> None:
    assert refusal(tmp_path, text).startswith(said)


def test_keys_that_do_not_go_together_are_refused_at_their_table(tmp_path: Path) -> None:
    keys = (
        f'[[api.api_keys]]\nname = "fine"\nhash = "{KEY_HASH}"\n[[api.api_keys]]\nname = "a b"\nhash = "{KEY_HASH}"\n'
    )
    assert refusal(tmp_path, keys).startswith("tapewatch.toml:4: api.api_keys[1]: API key name 'a b'")
    mail = '[notify.email]\nhost = "h"\nsender = "a@example.org"\nrecipients = ["b@example.org"]\nuser = "u"\n'
    assert refusal(tmp_path, mail) == "tapewatch.toml:1: notify.email: user and password go together"
    environ = {"TAPEWATCH_NOTIFY__EMAIL__PASSWORD": "p4ssw0rd"}  # the other half may come from elsewhere
    assert load(tmp_path, mail, environ).settings.notify.email is not None


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    assert load(tmp_path, environ={"TAPEWATCH_API__PORT": "", "TAPEWATCH_X": ""}).settings == Settings()


def test_variables_that_kubernetes_adds_for_a_service_of_our_name_are_no_settings(tmp_path: Path) -> None:
    environ = {
        "TAPEWATCH_SERVICE_HOST": "10.0.0.1",
        "TAPEWATCH_SERVICE_PORT": "8000",
        "TAPEWATCH_API_SERVICE_PORT_HTTP": "8000",
        "TAPEWATCH_PORT": "tcp://10.0.0.1:8000",
        "TAPEWATCH_PORT_8000_TCP": "tcp://10.0.0.1:8000",
        "TAPEWATCH_PORT_8000_TCP_ADDR": "10.0.0.1",
    }
    assert load(tmp_path, environ=environ).settings == Settings()
    assert "TAPEWATCH_PORT" in refusal(tmp_path, None, {"TAPEWATCH_PORT": "9000"})


def test_an_assignment_without_a_value_is_refused_without_showing_more_than_its_key(tmp_path: Path) -> None:
    assert refusal(tmp_path, None, None, "api.port").startswith("--set api.port: write it as KEY=VALUE")


def test_a_free_table_takes_single_keys_from_the_environment(tmp_path: Path) -> None:
    settings = load(tmp_path, environ={"TAPEWATCH_FEED__MAPPING__CLOSE": "Last"}).settings
    assert settings.feed.mapping == {"close": "Last"}


def test_flags_take_values_that_are_already_read(tmp_path: Path) -> None:
    flags = (
        Flag("--rules", "rules.file", Path("r.toml")),
        Flag("SOURCES", "feed.sources", ["a.csv", "b.csv"]),
        Flag("--speed", "feed.speed", 2.5),
    )
    loaded = load(tmp_path, flags=flags)
    assert loaded.settings.rules.file == Path("r.toml")
    assert loaded.settings.feed.sources == ("a.csv", "b.csv")
    assert loaded.settings.feed.speed == 2.5
    assert loaded.where(("feed", "sources")) == "SOURCES"


def test_a_preset_named_later_replaces_a_rules_file_named_earlier(tmp_path: Path) -> None:
    text, flags = '[rules]\nfile = "r.toml"\npreset = "default"\n', (Flag("--preset", "rules.preset", "prototype"),)
    assert load(tmp_path, text).settings.rules.file == Path("r.toml")
    rules = load(tmp_path, text, flags=flags).settings.rules
    assert (rules.preset, rules.file) == ("prototype", None)
