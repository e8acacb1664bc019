"""What comes after detection on the cluster: indexer, archiver, notifier, API, reports. Each reads topics and writes
somewhere so that a repeat changes nothing; offsets are committed only after what was read has taken effect."""
