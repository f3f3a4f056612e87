"""The bundle: what is handed over, and how it stays whole."""
