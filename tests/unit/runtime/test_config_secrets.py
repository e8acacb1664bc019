import json
import pickle
import tomllib
from pathlib import Path

import msgspec
import pytest

from tapewatch.model.errors import InputError
from tapewatch.model.secret import Secret
from tapewatch.runtime.config import Loaded, load_settings
from tapewatch.runtime.config.show import secrets_in, show

TOKENS = ("s3cretPassw0rd", "slackT0ken", "webhookT0ken", "s1gningKey")
TEXT = """
data_dir = "data"
[notify.email]
host = "mail.example.org"
sender = "a@example.org"
recipients = ["desk@example.org"]
user = "u"
password = "s3cretPassw0rd"
[[notify.slack]]
url = "https://hooks.slack.com/slackT0ken"
[[notify.webhook]]
url = "https://hooks.example.org/webhookT0ken"
signing_key = "s1gningKey"
[notify.targets]
allowed_hosts = ["hooks.slack.com", "hooks.example.org"]
[reports.smtp]
host = "mail.example.org"
sender = "a@example.org"
user = "u"
password = "env:MAIL_PASSWORD"
"""


def load(folder: Path, text: str = TEXT, **environ: str) -> Loaded:
    (folder / "tapewatch.toml").write_text(text, encoding="utf-8")
    return load_settings(environ={"MAIL_PASSWORD": "s3cretPassw0rd", **environ}, cwd=folder)


def test_no_way_of_printing_the_settings_shows_a_secret(tmp_path: Path) -> None:
    loaded = load(tmp_path)
    for text in (show(loaded), repr(loaded.settings), str(loaded.settings), f"{loaded.settings}"):
        assert not [token for token in TOKENS if token in text]


def test_shown_settings_are_toml_and_say_where_each_value_came_from(tmp_path: Path) -> None:
    text = show(load(tmp_path, TAPEWATCH_API__PORT="9"))
    assert tomllib.loads(text)["api"]["port"] == 9
    assert "port = 9  # TAPEWATCH_API__PORT" in text
    assert 'data_dir = "data"  # tapewatch.toml:2' in text
    assert 'user = "u"  # tapewatch.toml:7' in text
    assert "[[notify.slack]]  # tapewatch.toml:9" in text
    assert 'host = "127.0.0.1"  # default' in text


def test_a_secret_given_by_reference_shows_its_reference(tmp_path: Path) -> None:
    assert 'password = "env:MAIL_PASSWORD"' in show(load(tmp_path))


def test_shown_settings_without_secrets_load_to_the_same_settings(tmp_path: Path) -> None:
    text = (
        'data_dir = "a \\"b\\" \\u007f"\n[feed]\nspeed = 2\nmapping = { "x y" = "z" }\n'
        '[reports]\nrecipients = ["@example.org"]\n[reports.schedules.daily]\nat = "06:30"\n'
        '[[notify.silences]]\nname = "n"\nowner = "o"\nreason = "r"\nsymbols = ["A"]\nexpires = 2027-01-01T00:00:00Z\n'
    )
    first = load(tmp_path, text)
    second = load(tmp_path, show(first))
    assert second.settings == first.settings


def test_all_secrets_are_found_for_the_log_to_blot_out(tmp_path: Path) -> None:
    found = set(secrets_in(load(tmp_path).settings))
    assert {"s3cretPassw0rd", "https://hooks.slack.com/slackT0ken", "s1gningKey"} <= found


def test_secrets_come_from_files_and_variables(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("  from-a-file\n")
    text = '[[notify.webhook]]\nurl = "https://hooks.slack.com"\ntoken = "file:key"\nsigning_key = "env:SIGNING"\n'
    webhook = load(tmp_path, text, SIGNING="from-a-variable").settings.notify.webhook[0]
    assert webhook.token is not None and webhook.token.reveal() == "from-a-file"
    assert webhook.signing_key is not None and webhook.signing_key.reveal() == "from-a-variable"


@pytest.mark.parametrize(
    ("token", "said"),
    [
        ('"env:NOT_THERE"', "tapewatch.toml:3: notify.webhook[0].token: the environment variable NOT_THERE is not set"),
        ('"file:none"', "tapewatch.toml:3: notify.webhook[0].token: the file none cannot be read: No such file"),
        ('"file:empty"', "tapewatch.toml:3: notify.webhook[0].token: the file empty is empty"),
        ('["s3cretPassw0rd"]', "tapewatch.toml:3: notify.webhook[0].token must be text"),
    ],
)
def test_a_secret_that_cannot_be_read_is_an_error_that_does_not_show_it(tmp_path: Path, token: str, said: str) -> None:
    (tmp_path / "empty").touch()
    with pytest.raises(InputError) as caught:
        load(tmp_path, f'[[notify.webhook]]\nurl = "https://hooks.example.org"\ntoken = {token}\n')
    assert str(caught.value).startswith(said)
    assert "s3cretPassw0rd" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '[elasticsearch]\nurls = ["https://u:s3cretPassw0rd@es:9200"]\n',
            "tapewatch.toml:1: elasticsearch: urls are shown",
        ),
        ('[archive]\nurl = "s3://key:s3cretPassw0rd@bucket/ticks"\n', "tapewatch.toml:1: archive: url is shown"),
    ],
)
def test_an_address_with_credentials_is_refused_for_it_would_be_shown(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        load(tmp_path, text)
    assert str(caught.value).startswith(said)
    assert "s3cretPassw0rd" not in str(caught.value)


def test_a_secret_keeps_to_itself() -> None:
    secret = Secret("s3cretPassw0rd", "env:X")
    assert f"{secret} {secret!r} {secret:}" == "*** *** ***"
    assert secret == Secret("s3cretPassw0rd") and secret != Secret("other") and secret != "s3cretPassw0rd"
    assert bool(secret) and not Secret("")
    for give_away in (pickle.dumps, json.dumps, msgspec.json.encode):
        with pytest.raises(TypeError):
            give_away(secret)
