"""Contenders as processes of their own; none imports anything of tapewatch."""
