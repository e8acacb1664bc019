"""Frozen values that travel between the parts: ticks, signals, alerts, errors. Imports nothing of ours."""
