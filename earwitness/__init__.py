"""Earwitness: who said what and when, notes that cite their evidence, and clips, from recordings of people talking."""

__version__ = "0.1.0"
