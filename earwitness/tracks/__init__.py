"""Recordings with one speaker a file (a zip or a folder) or a channel: who speaks need not be found out."""
