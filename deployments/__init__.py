"""How flows run elsewhere."""
