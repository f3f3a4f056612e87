"""Where alerts go. Read from the environment alone, so that no secret is ever a parameter of a run."""

import os
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator

from earwitness.errors import UsageError

PREFIX = "EARWITNESS_ALERT_"


class AlertSettings(BaseModel):
    """Each field is the variable `EARWITNESS_ALERT_<FIELD>`; secrets never show in its text or its errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    urls: tuple[SecretStr, ...] = Field(default=(), description="channels, one URL each, separated by white space")
    blocks: tuple[str, ...] = Field(default=(), description="names of Prefect secret blocks that hold such URLs")
    secret: SecretStr | None = Field(default=None, min_length=16, description="key of the webhooks' signature")
    window_s: float = Field(default=3600, gt=0, le=604_800, description="the same trouble is told once in this time")
    timeout_s: float = Field(default=10, gt=0, le=60, description="how long one attempt may take")
    tries: int = Field(default=3, ge=1, le=10, description="attempts a channel, with growing pauses")
    allow_http: Literal["never", "loopback"] = Field(
        default="never", description="loopback: plain HTTP to this machine, for tests"
    )

    @field_validator("urls", "blocks", mode="before")
    @classmethod
    def _by_white_space(cls, value: Any) -> Any:
        return tuple(value.split()) if isinstance(value, str) else value

    @property
    def anybody(self) -> bool:
        """Whether there is any channel."""
        return bool(self.urls or self.blocks)

    @property
    def deadline_s(self) -> float:
        """When the slowest channel is given up."""
        return self.timeout_s * 2


def alert_settings(environment: Mapping[str, str] | None = None) -> AlertSettings:
    """The settings of this process.

    Raises:
        UsageError: a variable is unknown or not acceptable. Values are not repeated.
    """
    given = os.environ if environment is None else environment
    values = {
        name.removeprefix(PREFIX).lower(): value for name, value in given.items() if name.startswith(PREFIX) and value
    }
    try:
        return AlertSettings.model_validate(values)
    except ValidationError as error:
        found = "; ".join(f"{PREFIX}{str(item['loc'][0]).upper()}: {item['msg']}" for item in error.errors())
        known = ", ".join(f"{PREFIX}{name.upper()}" for name in AlertSettings.model_fields)
        raise UsageError(f"The settings of alerts can't be used: {found}.", f"Known variables: {known}.") from None
