"""Models of the Hugging Face hub: can one be had here and now, and fetching it."""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from earwitness.errors import ServiceUnavailable
from earwitness.services.breaker import hosted, is_outage

_log = logging.getLogger(__name__)

HUB = "Hugging Face hub"


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
    return _ask_hub(repo_id, token, gated, timeout_s)


def _ask_hub(repo_id: str, token: str | None, gated: bool, timeout_s: float) -> Availability:
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError

    try:
        with hosted(HUB):
            _ask(repo_id, token, gated, timeout_s)
    except GatedRepoError:
        why = f"the token's account has not accepted its conditions (huggingface.co/{repo_id})"
        return Availability(ok=False, why=f"{repo_id} is not cached and {why}")
    except (HfHubHTTPError, ServiceUnavailable, OSError, ValueError) as error:
        if isinstance(error, HfHubHTTPError) and error.response is not None and not is_outage(error):
            return Availability(
                ok=False, why=f"{repo_id} is not cached and the hub answered {error.response.status_code}"
            )
        # the reason stands in the bundle, which must not differ with the state of a breaker
        _log.info("%s can't be asked for: %s", repo_id, error)
        return Availability(ok=False, why=f"{repo_id} is not cached and the hub can't be reached")
    return Availability(ok=True, why=f"{repo_id} can be fetched from the hub")


def _ask(repo_id: str, token: str | None, gated: bool, timeout_s: float) -> None:
    """Ask for what a download needs; the page of a gated model is open to everybody, its files are not."""
    from huggingface_hub import HfApi
    from huggingface_hub.utils import (  # type: ignore[attr-defined] # public by its reference, not by its types
        build_hf_headers,
        get_session,
        hf_raise_for_status,
    )

    api = HfApi(token=token)
    if not gated:
        api.model_info(repo_id, timeout=timeout_s)
        return
    # HfApi.auth_check asks the same, but would wait for ever
    address = f"{api.endpoint}/api/models/{repo_id}/auth-check"
    hf_raise_for_status(get_session().get(address, headers=build_hf_headers(token=token), timeout=timeout_s))


@contextmanager
def fetching(repo_id: str, *, probe_file: str) -> Iterator[None]:
    """Load a model inside this block: through the hub's breaker if it has to be fetched, freely if it is here.

    Raises:
        ServiceUnavailable: the hub kept failing and is left alone for a while.
    """
    from huggingface_hub import try_to_load_from_cache

    here = Path(repo_id).exists() or isinstance(try_to_load_from_cache(repo_id, probe_file), str)
    with nullcontext() if here else hosted(HUB):
        yield
