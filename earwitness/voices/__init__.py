"""Voices that people had enrolled: what they sound like, and who is named by them."""
