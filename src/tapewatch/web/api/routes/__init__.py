"""The routes, one noun a file; a new file joins this tuple."""

from tapewatch.web.api.routes import (
    alerts,
    audit,
    cases,
    dead_letters,
    docs,
    groups,
    incidents,
    ops,
    reports,
    silences,
    stream,
    ticks,
)

# cases before alerts: /v1/alerts/{id}/... is the longer path
ROUTERS = (
    stream.router,
    cases.router,
    alerts.router,
    incidents.router,
    groups.router,
    silences.router,
    ticks.router,
    reports.router,
    audit.router,
    dead_letters.router,
    ops.router,
    docs.router,
)
