from pathlib import Path

import pytest

from tapewatch.model.errors import InputError
from tapewatch.runtime.config.tomlfile import MAX_BYTES, parse_toml, read_toml

DOCUMENT = '''# the first line is a comment
name = "x"

[api]
port = 1
 hosts = [
   "a", # ]
   "b"]
[notify]
[[notify.webhook]]
url = """
[not.a.table]
key = 1
"""
[notify.webhook.extra]
a.b = 1
[[notify.webhook]]
url = 's'
"q.r" = {a = [ {b=1} ]}
'''


@pytest.mark.parametrize(
    ("key", "line"),
    [
        (("name",), 2),
        (("api",), 4),
        (("api", "port"), 5),
        (("api", "hosts", 1), 6),
        (("notify", "webhook", 0), 10),
        (("notify", "webhook", 0, "url"), 11),
        (("notify", "webhook", 0, "extra", "a", "b"), 16),
        (("notify", "webhook", 1), 17),
        (("notify", "webhook", 1, "q.r", "a", 0, "b"), 19),
        (("api", "absent"), 4),
        (("absent",), None),
    ],
)
def test_a_key_is_found_on_its_line_and_an_absent_one_on_its_parents(
    key: tuple[str | int, ...], line: int | None
) -> None:
    assert parse_toml(DOCUMENT, "t.toml").line(key) == line


def test_windows_line_ends_do_not_move_the_lines() -> None:
    assert parse_toml(DOCUMENT.replace("\n", "\r\n"), "t.toml").lines == parse_toml(DOCUMENT, "t.toml").lines


def test_a_long_list_does_not_make_the_lines_slow() -> None:
    symbols = "".join(f'  "S{i}",\n' for i in range(20_000))
    file = parse_toml(f"symbols = [\n{symbols}]\nlast = 1\n", "t.toml")
    assert file.line(("last",)) == 20_003


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = 1\nb = \n", "t.toml:2: not valid TOML"),
        ("a = 1\na = 2\n", "t.toml:2: not valid TOML"),
        ("a = [1,\n", "t.toml: not valid TOML"),
        ("a = " + "[" * 100_000, "t.toml: n"),
        ("a = 2020-13-45T00:00:00Z", "t.toml"),
    ],
)
def test_what_is_not_toml_is_an_input_error_with_its_place(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_toml(text, "t.toml")


def test_unreadable_files_are_input_errors_that_name_the_file(tmp_path: Path) -> None:
    binary, large = tmp_path / "binary.toml", tmp_path / "large.toml"
    binary.write_bytes(b"a = 1\nb = '\xff'\n")
    large.write_bytes(b"#" * (MAX_BYTES + 1))
    for path, said in (
        (binary, "binary.toml:2: not UTF-8"),
        (large, "large.toml: larger"),
        (tmp_path, "cannot be read"),
    ):
        with pytest.raises(InputError, match=said):
            read_toml(path)
    with pytest.raises(InputError, match="No such file"):
        read_toml(tmp_path / "none.toml")
