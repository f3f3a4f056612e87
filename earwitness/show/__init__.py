"""What the feed of a podcast takes: an episode with chapters and tags, its transcript, its show notes."""
