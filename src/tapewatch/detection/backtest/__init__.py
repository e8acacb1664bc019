"""Rule sets on a history: the engine that runs live, and what it would have told. Pure; nothing here is ever stored."""
