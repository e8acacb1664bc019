import doctest
from types import ModuleType

import pytest

from tapewatch.reports import addresses, charts, svg, tasks, words
from tapewatch.reports.formats import csv


@pytest.mark.parametrize("module", [addresses, charts, svg, tasks, words, csv], ids=lambda module: module.__name__)
def test_the_examples_in_the_docstrings_run(module: ModuleType) -> None:
    result = doctest.testmod(module)
    assert result.attempted
    assert not result.failed


@pytest.mark.parametrize("value", [1e-8, 1.5e-5, 0.1, 1.0, 227.519999, 97_450.0, 1e9])
def test_a_price_never_has_an_exponent_and_keeps_five_digits(value: float) -> None:
    text = words.price(value)
    assert "e" not in text
    assert float(text.replace(",", "")) == pytest.approx(value, rel=1e-5)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_a_number_is_said_to_be_none(value: float) -> None:
    assert words.price(value) == "n/a"
    assert words.percent(value) == "n/a"


def test_text_that_would_reorder_its_surroundings_is_made_plain() -> None:
    assert words.plain("A\u202egnp.exe\x00\r\nB", 50) == "A gnp.exe B"
