"""What the outside hands to a channel when it is built."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TextIO

from tapewatch.notify.targets import Targets


@dataclass(frozen=True, slots=True)
class Context:
    """`stream`: where the console channel writes. `targets`: what webhooks may reach. `now`: wall clock, ns."""

    stream: TextIO
    targets: Targets
    now: Callable[[], int]
