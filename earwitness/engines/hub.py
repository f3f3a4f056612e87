"""Can a model of the Hugging Face hub be had here and now?"""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a model can be loaded, and the sentence that says why."""

    ok: bool
    why: str


def hub_token() -> str | None:
    """The user's hub token: `$HF_TOKEN`, or the one that `hf auth login` saved."""
    from huggingface_hub import get_token

    return get_token()


def model_available(repo_id: str, *, probe_file: str, gated: bool = False, timeout_s: float = 3.0) -> Availability:
    """Look for a model: a local folder, then the hub's cache, then the hub itself.

    Args:
        repo_id: `owner/name`, or a path to a folder that holds the model.
        probe_file: a file that a complete copy of the model has, e.g. `config.yaml`.
        gated: the hub hands it only to accounts that accepted its conditions.
        timeout_s: how long the hub may take to answer.
    """
    from huggingface_hub import try_to_load_from_cache

    if (Path(repo_id) / probe_file).is_file():
        return Availability(ok=True, why=f"{repo_id} is a folder with {probe_file}")
    if repo_id.startswith(("/", ".", "~")):
        return Availability(ok=False, why=f"{repo_id} is not a folder with {probe_file}")
    if isinstance(try_to_load_from_cache(repo_id, probe_file), str):
        return Availability(ok=True, why=f"{repo_id} is in the hub's cache")
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in {"1", "true", "yes", "on"}:
        return Availability(ok=False, why=f"{repo_id} is not cached and HF_HUB_OFFLINE is set")
    token = hub_token()
    if gated and token is None:
        return Availability(ok=False, why=f"{repo_id} is not cached, is gated, and no HF_TOKEN is set")
    return _ask_hub(repo_id, token, timeout_s)


def _ask_hub(repo_id: str, token: str | None, timeout_s: float) -> Availability:
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        HfApi(token=token).model_info(repo_id, timeout=timeout_s)
    except HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else "no"
        return Availability(ok=False, why=f"{repo_id} is not cached and the hub answered {status}")
    except (OSError, ValueError) as error:
        return Availability(
            ok=False, why=f"{repo_id} is not cached and the hub can't be reached ({type(error).__name__})"
        )
    return Availability(ok=True, why=f"{repo_id} can be fetched from the hub")
