"""Benchmarks: of speed, against peers side by side, and of quality."""
