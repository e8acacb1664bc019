"""Settings and rules: read once at the edge into frozen values, every mistake named with its file and line."""

from tapewatch.runtime.config.layers import Flag
from tapewatch.runtime.config.load import Loaded, load_settings
from tapewatch.runtime.config.settings import Settings

__all__ = ["Flag", "Loaded", "Settings", "load_settings"]
