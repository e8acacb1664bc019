"""What the bridge and the workers promise each other, without threads, sleeps, sockets or a clock.

Three parts, each driven by calls and told the time:

- `ShardDriver` (driver.py) owns one partition: it reads, dispatches, dispatches again and looks what came of it, once
  `Claiming` (claiming.py) has claimed the shard and, where it was lost, rebuilt it; both keep the offset and the
  snapshots in step with the state through `Holding` (holding.py);
- `Judge` (judge.py) is what an executor does with one batch: bring the state into memory, judge, commit or be refused;
- `Relay` (relay.py) drains the shard's outbox to its topics.

All they know of the world are the ports in ports.py, which a seeded simulator can implement as well as Kafka and Redis:
any call of a port may raise RetryableError, whether it has taken effect or not, and a process may die at any call.
"""
