"""Recordings of one voice: a stretch of the demo's scene."""

from pathlib import Path

import earwitness.demo

SCENE = Path(earwitness.demo.__file__).with_name("scene.ogg")
OREN = (500, 8_000)
"""A stretch of the scene in which only Oren speaks, in ms."""
