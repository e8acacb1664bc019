"""The whole cluster while its parts die, on real servers: nothing is lost, nothing invented; it recovers in time."""
