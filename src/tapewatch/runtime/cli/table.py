"""Every command: a line here and a file under `commands/`. `--help` reads this table and imports none of the files.

A command's file has `app = command_app()`: with one `@app.command()` it is a plain command, with several it is a
group (`tapewatch rules check`). Its docstring is its help, with examples at the end.
"""

from typing import NamedTuple

RUN, LOOK, SET_UP = "Watch the market", "Look at what was found", "Set up"
_COMMANDS = "tapewatch.runtime.cli.commands"


class Entry(NamedTuple):
    """`module` is imported when the command is called or completed, not before."""

    name: str
    module: str
    help: str
    panel: str


ENTRIES: tuple[Entry, ...] = (
    Entry("demo", f"{_COMMANDS}.demo", "Watch planted anomalies being found in a simulated market.", RUN),
    Entry("serve", f"{_COMMANDS}.serve", "Run everything in one process, with the API, until told to stop.", RUN),
    Entry(
        "replay", f"{_COMMANDS}.replay", "Run historical data through the whole pipeline and show what was found.", RUN
    ),
    Entry("generate", f"{_COMMANDS}.generate", "Make a market with labelled anomalies, or replay a file.", RUN),
    Entry("backtest", f"{_COMMANDS}.backtest", "Count what rules would have told on a history.", LOOK),
    Entry("cluster", f"{_COMMANDS}.cluster", "Run the whole cluster on this machine, without containers.", RUN),
    Entry("consume", f"{_COMMANDS}.consume", "Read the tape from Kafka, have it judged, publish what is found.", RUN),
    Entry("worker", f"{_COMMANDS}.worker", "Judge batches that bridges put into the queue.", RUN),
    Entry("merge", f"{_COMMANDS}.merge", "Find moves of whole markets across all bridges.", RUN),
    Entry("beat", f"{_COMMANDS}.beat", "Have due reports made by the clock, on the cluster.", RUN),
    Entry("archive", f"{_COMMANDS}.archive", "Keep the ticks of the tape in Parquet files.", RUN),
    Entry("index", f"{_COMMANDS}.index", "Bring alerts from Kafka into Elasticsearch.", RUN),
    Entry("api", f"{_COMMANDS}.api", "Serve the API over Elasticsearch, Kafka and the archive.", RUN),
    Entry("notify", f"{_COMMANDS}.notify", "Tell people what happened, on the cluster.", RUN),
    Entry("dead-letters", f"{_COMMANDS}.dead_letters", "Look at what could not be read, and replay it.", LOOK),
    Entry("notices", f"{_COMMANDS}.notices", "Look at notices that were given up, and have them sent.", LOOK),
    Entry("status", f"{_COMMANDS}.status", "Show how an installation is, on one screen.", LOOK),
    Entry("report", f"{_COMMANDS}.report", "Write a PDF or CSV report about what was found.", LOOK),
    Entry("rules", f"{_COMMANDS}.rules", "Check, show, compare and list rule sets.", SET_UP),
    Entry("tune", f"{_COMMANDS}.tune", "Propose thresholds and a calibration from a history.", SET_UP),
    Entry("config", f"{_COMMANDS}.config", "Show the effective settings and where they come from.", SET_UP),
    Entry("topics", f"{_COMMANDS}.topics", "Copy a topic of Kafka to another number of partitions.", SET_UP),
    Entry("api-key", f"{_COMMANDS}.api_key", "Make keys for callers of the API.", SET_UP),
)
