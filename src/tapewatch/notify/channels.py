"""Every channel that there is: a kind is a file, and a line here."""

from collections.abc import Iterable
from typing import Protocol

import msgspec

from tapewatch.model.errors import InputError
from tapewatch.notify.console import ConsoleSettings
from tapewatch.notify.context import Context
from tapewatch.notify.email import EmailSettings
from tapewatch.notify.port import Channel
from tapewatch.notify.slack import SlackSettings
from tapewatch.notify.webhook import WebhookSettings


class ChannelSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who can be told. One field a kind of channel, named as in the settings."""

    console: ConsoleSettings = ConsoleSettings()
    """Notices on standard error."""

    email: EmailSettings | None = None
    """Notices by e-mail."""

    slack: tuple[SlackSettings, ...] = ()
    """Notices in Slack channels."""

    webhook: tuple[WebhookSettings, ...] = ()
    """Notices as JSON to HTTP endpoints."""


class Buildable(Protocol):
    """What the settings of every kind of channel can do."""

    def channels(self, context: Context) -> tuple[Channel, ...]:
        """The channels that these settings describe; InputError where they cannot be."""
        ...


def build_channels(settings: ChannelSettings, context: Context) -> tuple[Channel, ...]:
    """All channels that the settings describe. InputError where two have one name, or one cannot be built."""
    built: list[Channel] = []
    for table in tables(settings):
        built.extend(table.channels(context))
    names = [channel.name for channel in built]
    double = sorted({name for name in names if names.count(name) > 1})
    if double:
        raise InputError(f"two notification channels are called {double[0]!r}; give each a name of its own")
    return tuple(built)


def tables(settings: ChannelSettings) -> Iterable[Buildable]:
    """The settings of each channel, in the order of the fields."""
    for field in ChannelSettings.__struct_fields__:
        value: Buildable | tuple[Buildable, ...] | None = getattr(settings, field)
        if isinstance(value, tuple):
            yield from value
        elif value is not None:
            yield value
