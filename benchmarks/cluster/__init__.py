"""Throughput and latency on real servers, peers side by side in one run."""
