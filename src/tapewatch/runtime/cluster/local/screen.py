"""The one screen of `tapewatch cluster`: every process, and where to go."""

from collections.abc import Sequence

from rich.console import Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from tapewatch.runtime.cluster.local.stack import ENVIRONMENT, LocalCluster
from tapewatch.runtime.cluster.local.watched import Seen

_STYLES = {"up": "green", "starting": "yellow", "waiting": "dim", "ended": "dim", "stopped": "dim"}


def draw(cluster: LocalCluster, seen: Sequence[Seen]) -> Group:
    """One picture of the cluster."""
    head = Text.assemble((cluster.step, "bold"), ("   first alert in Elasticsearch  ", "dim"), first_alert(cluster))
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("process", "state", "pid", "for", "restarts"):
        table.add_column(name, justify="right" if name in {"pid", "for", "restarts"} else "left", no_wrap=True)
    table.add_column("", overflow="ellipsis", no_wrap=True, ratio=1)
    for one in seen:
        state = Text(one.state, style=_STYLES.get(one.state, "bold red"))
        restarts = Text(str(one.restarts), style="bold yellow" if one.restarts else "dim")
        pid = "" if one.pid is None else str(one.pid)
        table.add_row(one.name, state, pid, _duration(one.up_s), restarts, Text(one.note, style="dim"))
    return Group(Panel(head, title="tapewatch cluster"), table, where_to_go(cluster))


def where_to_go(cluster: LocalCluster) -> Text:
    """What a person does next."""
    folder = cluster.plan.folder
    return Text.assemble(
        ("\nAPI      ", "dim"), f"{cluster.api}/docs",
        ("\nalerts   ", "dim"), f"curl '{cluster.api}/alerts?limit=5'",
        ("\nstatus   ", "dim"), f". {folder / ENVIRONMENT} && tapewatch status",
        ("\nlogs     ", "dim"), str(folder / "logs"),
        ("\nto end   ", "dim"), "Ctrl-C",
    )  # fmt: skip


def first_alert(cluster: LocalCluster) -> str:
    """How long it took, where it has happened."""
    return "not yet" if cluster.first_alert_s is None else f"{cluster.first_alert_s:.1f} s after the start"


def _duration(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
