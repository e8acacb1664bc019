"""Notification: one notice when an incident opens, worsens, resolves. One file a channel."""
