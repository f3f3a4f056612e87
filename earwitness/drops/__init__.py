"""A folder that eats recordings: `incoming → processing → done | rejected`."""
