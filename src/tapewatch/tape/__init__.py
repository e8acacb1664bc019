"""The log: codecs, segment file, memory, dead letters."""
