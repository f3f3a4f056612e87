"""Hosted services: the door through which every call to them goes."""
