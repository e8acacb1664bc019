"""What a forked server finds imported and compiled already. Starts no thread, so that it may be forked."""

import tapewatch.runtime.cli.commands.replay
import tapewatch.runtime.cli.commands.serve
import tapewatch.runtime.server  # noqa: F401 - imported for its forks
from tapewatch.runtime.config.settings import RulesSettings
from tapewatch.runtime.embedded import build_engine

build_engine(RulesSettings()).warm()
