"""What `tapewatch status` tells, of one process with its data directory or of the cluster."""

from tapewatch.runtime.status.model import Group, Server, Shard, Status, Worker

__all__ = ["Group", "Server", "Shard", "Status", "Worker"]
