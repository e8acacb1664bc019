"""The edge that people and programs talk to."""
