"""For those who run it: is it alive, is it ready, what is it doing."""

from fastapi import APIRouter
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from starlette.responses import Response

from tapewatch.web.api.deps import Deps, run_checks
from tapewatch.web.api.documented import Responses, answers, content, problem_answers
from tapewatch.web.api.messages import Alive, Ready, json_response
from tapewatch.web.api.problems import problem_response

router = APIRouter(tags=["operations"])
_METRICS: Responses = {200: content("The Prometheus text format.", {"text/plain": {"schema": {"type": "string"}}})}
_STATUS: Responses = {
    200: content("Rates, lag, the fates of all records, depths.", {"application/json": {"schema": {"type": "object"}}})
}


@router.get("/healthz", responses=answers(Alive, "The process answers."), summary="Is it alive")
async def healthz() -> Response:
    """Needs no key. Looks at nothing but itself: a slow store is no reason to kill the process."""
    return json_response(Alive("ok"))


@router.get(
    "/readyz",
    responses=answers(Ready, "Every check passed.")
    | {503: problem_answers()[503] | {"description": "Not ready: `checks` says which check fails, and why."}},
    summary="Is it ready",
)
def readyz(deps: Deps) -> Response:
    """Needs no key. `degraded`: it serves, but without what the failing checks name."""
    checks = run_checks(deps)
    failing = sorted(name for name, reason in checks.items() if reason is not None)
    fatal = [name for name in failing if name not in deps.optional]
    if fatal:
        return problem_response(503, f"not ready: {', '.join(fatal)}", checks=checks, headers={"Retry-After": "1"})
    return json_response(Ready(status="degraded" if failing else "ready", checks=checks))


@router.get(
    "/metrics",
    responses=_METRICS | problem_answers(),
    response_class=Response,
    summary="Figures for Prometheus",
)
def metrics(deps: Deps) -> Response:
    return Response(generate_latest(deps.registry), headers={"content-type": CONTENT_TYPE_PLAIN_0_0_4})


@router.get(
    "/v1/status",
    responses=_STATUS | problem_answers(),
    summary="What it is doing",
)
def status(deps: Deps) -> Response:
    return json_response(dict(deps.status()))
