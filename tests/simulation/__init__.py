"""The cluster's protocol under seeded schedules: real bridge, judge, relay and commit in a simulated world."""
