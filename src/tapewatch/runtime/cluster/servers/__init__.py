"""The real servers as plain processes, for `make cluster`, tests and benchmarks: no container engine, no root.

One file a server, each with `start(folder, port=0) -> Running`. Everything is bound to 127.0.0.1, keeps its files under
its folder, logs to a file there, and ends with the process that started it. Software comes from ordinary package
registries into a cache folder, in the versions of `versions`.
"""

from tapewatch.runtime.cluster.servers.errors import DownloadError, ServerFailedError, ServerMissingError
from tapewatch.runtime.cluster.servers.process import Running

__all__ = ["DownloadError", "Running", "ServerFailedError", "ServerMissingError"]
