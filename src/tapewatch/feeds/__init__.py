"""Feeds: where ticks come from. One file a feed."""
