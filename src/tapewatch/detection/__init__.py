"""Pure detection: (state, ticks) -> (state', signals, alerts). Event time only; no clock, no randomness, no I/O."""
