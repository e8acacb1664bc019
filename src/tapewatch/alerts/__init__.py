"""Pure life cycle of alerts: episodes, incidents."""
