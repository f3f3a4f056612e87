"""The four profiles: settings and cast shape as TOML files, never a fork of the code."""

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from earwitness.options import Profile, RunOptions


@cache
def read_profile(profile: Profile) -> dict[str, Any]:
    """The parsed TOML of a profile."""
    return tomllib.loads((files(__package__) / f"{profile.value}.toml").read_text("utf-8"))


def resolve(options: RunOptions) -> RunOptions:
    """Fill what the profile decides and hand the speaker counts to *diarize*.

    What the user set always wins over the profile.
    """
    profile = read_profile(options.profile)
    update: dict[str, Any] = {}
    for stage in ("summarize", "clip", "show"):
        settings = getattr(options, stage)
        chosen = settings.model_dump(exclude_none=True)
        update[stage] = type(settings).model_validate({**profile.get(stage, {}), **chosen})
    counts = {key: getattr(options, key) for key in ("speakers", "min_speakers", "max_speakers")}
    if any(value is not None for value in counts.values()):
        update["diarize"] = options.diarize.model_copy(update=counts)
    return options.model_copy(update=update)
