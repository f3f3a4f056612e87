"""The data contracts: one Great Expectations suite a stage boundary."""
