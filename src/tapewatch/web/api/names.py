"""Names that filters may ask for: a misspelt one is an error, not a list that happens to be empty."""

from collections.abc import Sequence
from difflib import get_close_matches

from starlette.concurrency import run_in_threadpool

from tapewatch.stores.port import AlertQuery
from tapewatch.web.api.deps import ApiDeps
from tapewatch.web.api.problems import FieldError, ProblemError


async def refuse_unknown_names(deps: ApiDeps, query: AlertQuery) -> None:
    """Raise a 422 that names each rule and type that is neither known nor on any alert of the history, with the nearest
    known one. The history is asked (one alert a name) about what is not known only."""
    rules = sorted(set(query.rule or ()) - deps.names.rules)
    types = sorted(set(query.alert_type or ()) - deps.names.types)
    if rules or types:
        await run_in_threadpool(_refuse, deps, rules, types)


def _refuse(deps: ApiDeps, rules: Sequence[str], types: Sequence[str]) -> None:
    known, page = deps.names, deps.alerts.page
    errors = [
        *(_unknown("rule", name, known.rules) for name in rules if not page(AlertQuery(rule=[name], limit=1))),
        *(_unknown("type", n, known.types) for n in types if not page(AlertQuery(alert_type=[n], limit=1))),
    ]
    if errors:
        raise ProblemError(422, "; ".join(f"{e.field}: {e.message}" for e in errors[:3]), errors=errors[:20])


def _unknown(what: str, name: str, known: frozenset[str]) -> FieldError:
    near = get_close_matches(name, sorted(known), n=1)
    hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known)) or 'none'}"
    return FieldError(f"query.{what}", f"no alert has had a {what} {name!r}, and none is in force; {hint}")
