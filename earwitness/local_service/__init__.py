"""Everything that one machine needs to process recordings by itself: server, workers, watcher."""
