"""Notes and stories whose every sentence points to its evidence."""
