"""What a campaign, show or collection remembers from one recording to the next."""
