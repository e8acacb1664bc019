"""One file a command, imported when the command is called."""
