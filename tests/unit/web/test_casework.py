import pytest

from tapewatch.model.alerts import Case
from tapewatch.web.api import casework
from tapewatch.web.api.casework import Deed
from tapewatch.web.api.problems import ProblemError

NEW = Case(alert_id="a" * 32, version=0)
ANNA = Deed(actor="anna", author="anna", at_ns=10)
BEN = Deed(actor="desk-key", author="ben", at_ns=20)


def test_every_step_raises_the_version_by_one_and_says_who_did_what() -> None:
    case, entry = casework.acknowledge(NEW, ANNA)
    assert (case.version, case.status, case.acknowledged_by, case.acknowledged_at_ns) == (1, "acknowledged", "anna", 10)
    assert (entry.actor, entry.action, entry.subject, entry.at_ns) == ("anna", "acknowledge", NEW.alert_id, 10)


def test_the_first_acknowledgement_stays_the_cases() -> None:
    first, _ = casework.acknowledge(NEW, ANNA)
    second, entry = casework.acknowledge(first, BEN)
    assert second.acknowledged_by == "anna" and second.version == 2
    assert entry.actor == "desk-key" and entry.detail["author"] == "ben", "the key cannot be talked away"


def test_a_closed_case_takes_comments_and_nothing_else_until_it_is_reopened() -> None:
    closed, _ = casework.close("news", "earnings call")(NEW, ANNA)
    assert (closed.status, closed.disposition, closed.comments[0].text) == ("closed", "news", "earnings call")
    for step in (casework.acknowledge, casework.assign("ben"), casework.close("expected", None)):
        with pytest.raises(ProblemError, match="reopen"):
            step(closed, BEN)
    commented, _ = casework.comment("see the filing")(closed, BEN)
    assert [c.author for c in commented.comments] == ["anna", "ben"]
    opened, entry = casework.reopen(commented, BEN)
    assert (opened.status, opened.disposition, opened.closed_by) == ("open", None, None)
    assert entry.detail["disposition_before"] == "news"


def test_only_a_closed_case_can_be_reopened() -> None:
    with pytest.raises(ProblemError, match="not closed"):
        casework.reopen(NEW, ANNA)


def test_an_assignment_can_be_taken_back() -> None:
    given, _ = casework.assign("ben")(NEW, ANNA)
    taken, entry = casework.assign(None)(given, ANNA)
    assert (given.assignee, taken.assignee, entry.detail) == ("ben", None, {"assignee": None, "before": "ben"})


def test_a_case_does_not_grow_without_end() -> None:
    case = NEW
    for _ in range(casework.MAX_COMMENTS):
        case, _ = casework.comment("x")(case, ANNA)
    with pytest.raises(ProblemError, match="limit"):
        casework.comment("x")(case, ANNA)
