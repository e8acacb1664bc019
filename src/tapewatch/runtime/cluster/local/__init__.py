"""The whole cluster on one machine without containers: all its processes, started, watched and ended together."""
