"""`tapewatch topics`."""

from typing import Annotated

import typer

from tapewatch.runtime.cli.common import command_app, state_of
from tapewatch.runtime.cli.progress import progress

app = command_app()


@app.callback()
def topics() -> None:
    """Topics of Kafka."""


@app.command()
def copy(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="The topic to copy. Stop its feed first.")],
    target: Annotated[str, typer.Argument(metavar="TARGET", help="A new name, or an empty topic.")],
    partitions: Annotated[int | None, typer.Option(min=1, help="Of the copy; else kafka.partitions.")] = None,
) -> None:
    """Copy a tape to a topic with another number of partitions, each symbol in its order.

    A symbol's partition is where its state is, and so the number is never changed in place. After the copy, set
    kafka.topics and kafka.partitions to it and start the bridges and the feed again: the state is built anew from the
    copy. Alerts keep their ids.

    \b
    Examples:
      tapewatch topics copy prices prices-24 --partitions 24
    """
    from tapewatch.runtime.config.kafka import kafka_settings
    from tapewatch.tape.kafka_entrance import knock
    from tapewatch.tape.kafka_recopy import TopicCopy
    from tapewatch.tape.kafka_topics import TopicSpec

    section = state_of(ctx).load().settings.kafka
    spec = TopicSpec(target, partitions or section.partitions, section.retention_days)
    kafka = kafka_settings(section, "tapewatch-topics")
    knock(kafka)
    task = TopicCopy(kafka, source, spec, section.replication)
    with progress("Copying", total=task.total, unit="messages") as advance:
        for count in task.run():
            advance(count)
    typer.echo(
        f"{task.total:,} messages of {source} are in {target}, {spec.partitions} partitions. Now set"
        f" kafka.topics=['{target}'] and kafka.partitions={spec.partitions}, for the feed and for the bridges",
        err=True,
    )
