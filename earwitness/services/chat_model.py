"""Asking a chat model, hosted or your own, for one answer of a stated shape.

Every server that speaks OpenAI's chat-completions protocol will do (OpenAI, Ollama, vLLM ...), and Anthropic where its
package is installed; LangChain speaks to them. Streamed or not, an answer is there whole, or not at all.
"""

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, Literal
from urllib.parse import urlsplit

from earwitness.engines.hub import Availability
from earwitness.errors import EarwitnessError, EngineFailed, EngineUnavailable, ServiceUnavailable, printable
from earwitness.money.paying import Answer, Charge
from earwitness.money.prices import Usage
from earwitness.services.calls import call_once
from earwitness.services.hosted import asked_to_wait, may_be_asked
from earwitness.services.keys import key_called
from earwitness.settings import SummarizeSettings

OPENAI = "https://api.openai.com/v1"
ANTHROPIC = "https://api.anthropic.com"
USUAL_WINDOW = 16_000
"""Tokens, for models of which nothing is known: most servers of one's own give at least so many."""
_MOST_OUTPUT = 16_000
_RETRIES = 2
"""Of a single call, each out of the budget, with growing pauses or those that the server asks for."""
_LETTERS_A_TOKEN = 40
"""More letters than any model writes with so many tokens."""
_FRAME = 200
"""Tokens that a service puts around messages, at most."""
_KEYS = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}
_PACKAGES = {"openai": "langchain_openai", "anthropic": "langchain_anthropic"}
_METHODS = ("json_schema", "function_calling", "plain")
"""Ways to ask for a shape, best first; a server that refuses one is asked in the next."""

_TOO_LONG = ("context length", "context window", "too long", "maximum context", "too large")

Finish = Literal["stop", "length", "refusal"]


class TooLong(Exception):
    """The model's window is smaller than what it was sent."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A model's answer as it came."""

    text: str
    """JSON, if the model did as it was told."""
    finish: Finish
    """length: it was cut off; refusal: the model, or a filter, would not answer."""
    tokens_read: int | None
    """Tokens of the question, as the server counts them; None where it does not say."""


def provider_of(model: str) -> tuple[str, str]:
    """`anthropic:claude-...` → its provider and name; any other name is one of the chat-completions protocol."""
    provider, colon, name = model.partition(":")
    return (provider, name) if colon and provider in _KEYS else ("openai", model)


def address_of(settings: SummarizeSettings) -> str:
    """Where the service is: the setting, else the environment, else the provider's own."""
    provider, _ = provider_of(settings.model or "")
    stated = os.environ.get("ANTHROPIC_BASE_URL" if provider == "anthropic" else "OPENAI_BASE_URL")
    return (settings.base_url or stated or (ANTHROPIC if provider == "anthropic" else OPENAI)).rstrip("/")


def service_of(settings: SummarizeSettings) -> str:
    """The service as people know it; each has a circuit breaker of its own."""
    address = address_of(settings)
    known = {OPENAI: "OpenAI chat", ANTHROPIC: "Anthropic chat"}
    return known.get(address, f"chat at {urlsplit(address).netloc}")


def find_chat_model(settings: SummarizeSettings) -> Availability:
    """Can the model be asked at all? Calls nobody: a try would be paid for."""
    if not settings.model:
        return Availability(ok=False, why="summarize.model is not set")
    provider, _ = provider_of(settings.model)
    if find_spec(_PACKAGES[provider]) is None:
        return Availability(ok=False, why=f"the package of {provider} is not installed: earwitness[{provider}]")
    return may_be_asked(
        address_of(settings),
        setting="summarize.base_url",
        makers={OPENAI, ANTHROPIC},
        key=_KEYS[provider],
        has_key=bool(key_called(_KEYS[provider])),
        sent="the transcript, which may cost money,",
    )


@dataclass(slots=True)
class ChatModel:
    """One model, for all questions of one recording."""

    settings: SummarizeSettings
    _methods: list[str] = field(default_factory=lambda: list(_METHODS))
    heard: Callable[[int], None] | None = None
    """Told how many letters of an answer there are, while it is streamed."""
    _temperature: bool = True
    _counts: bool = True
    """The server says what a streamed answer took."""
    _window: tuple[int, int] | None = None

    @property
    def window(self) -> tuple[int, int]:
        """Tokens that question and answer may have together, and the answer's part of them."""
        if self._window is None:
            told = self._made(0).profile or {}
            whole = self.settings.context_tokens or told.get("max_input_tokens") or USUAL_WINDOW
            answer = min(_MOST_OUTPUT, told.get("max_output_tokens") or _MOST_OUTPUT, whole // 3)
            self._window = (whole, answer)
        return self._window

    def ask(self, messages: Sequence[tuple[str, str]], schema: dict[str, Any], tokens: int) -> Reply:
        """The answer to a question; one that was asked before is not asked, nor paid for, again.

        Args:
            messages: (role, text); roles are system, human and ai.
            schema: JSON schema of the answer.
            tokens: that the question has, at most; for budgets.

        Raises:
            TooLong: the question does not fit the model's window.
            EngineUnavailable: the service refuses: key, credit, model.
            EngineFailed: it can't take this question.
            ServiceUnavailable: it is down or overrun.
        """
        import openai

        while True:
            method = self._methods[0]
            try:
                return self._once(messages, schema, method, tokens)
            except Exception as error:
                status = getattr(error, "status_code", None)
                if status in {400, 422} and not _about_length(error):
                    if self._temperature and "temperature" in str(error).lower():
                        self._temperature = False
                        continue
                    if self._counts and "stream_options" in str(error).lower():
                        self._counts = False
                        continue
                    if len(self._methods) > 1:
                        self._methods.pop(0)
                        continue
                if _about_length(error):
                    raise TooLong from error
                if isinstance(error, openai.OpenAIError) or isinstance(status, int) or _is_network(error):
                    raise self._explained(error) from error
                raise

    def _once(self, messages: Sequence[tuple[str, str]], schema: dict[str, Any], method: str, tokens: int) -> Reply:
        _, most = self.window
        request = {
            "kind": "chat",
            "address": address_of(self.settings),
            "model": self.settings.model,
            "temperature": self.settings.temperature if self._temperature else None,
            "method": method,
            "input_tokens": tokens,
            "max_output_tokens": most,
            "messages": hashlib.sha256(json.dumps(list(messages), ensure_ascii=False).encode()).hexdigest(),
            "schema": hashlib.sha256(json.dumps(schema, sort_keys=True).encode()).hexdigest(),
        }
        answer = call_once(
            service_of(self.settings),
            request,
            lambda: self._paid(messages, schema, method, most),
            self._charge(tokens, most),
            tries=1 + _RETRIES,
        )
        return Reply(answer["text"], answer["finish"], answer["usage"].get("input_tokens"))

    def _charge(self, tokens: int, most: int) -> Charge:
        def metered(answer: Answer) -> Usage | None:
            usage = answer["usage"]
            if "input_tokens" not in usage or "output_tokens" not in usage:
                return None
            return Usage(input_tokens=usage["input_tokens"], output_tokens=usage["output_tokens"])

        _, name = provider_of(self.settings.model or "")
        # no tokenizer makes more than one token of a byte; `tokens` counts three bytes as one
        whole = Usage(input_tokens=3 * tokens + _FRAME, output_tokens=most)
        return Charge(service_of(self.settings), address_of(self.settings), (name,), whole, metered)

    def _paid(self, messages: Sequence[tuple[str, str]], schema: dict[str, Any], method: str, most: int) -> Answer:
        import httpx
        import openai
        from langsmith import tracing_context

        try:
            # whatever LANGSMITH_TRACING says: the transcript goes where the user sent it, and nowhere else
            with tracing_context(enabled=False):
                if self.settings.stream:
                    return self._streamed(self._made(most), messages, schema, method, most)
                return _answer(_shaped(self._made(most), schema, method).invoke(list(messages)))
        except openai.LengthFinishReasonError as error:
            usage = error.completion.usage
            read, written = (usage.prompt_tokens, usage.completion_tokens) if usage else (None, None)
            return _plain("", "length", read, written)
        except openai.ContentFilterFinishReasonError:
            return _plain("", "refusal", None, None)
        except (httpx.HTTPError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            # what the SDK lets through: an answer that is cut off or is no JSON, or JSON of something else
            raise ServiceUnavailable(
                f"What came from {service_of(self.settings)} is no chat completion ({type(error).__name__}).",
                "Try again; if it happens again, check summarize.base_url.",
                service=service_of(self.settings),
            ) from error

    def _streamed(
        self, model: Any, messages: Sequence[tuple[str, str]], schema: dict[str, Any], method: str, most: int
    ) -> Answer:
        """The answer put together from its pieces.

        `timeout_s` is the patience with each piece. A stream that ends without saying why has been cut off: what came
        of it is thrown away.
        """
        # the first step of LangChain's chain is the model with the shape bound to it; the others would wait for the end
        asked = model if method == "plain" else model.with_structured_output(schema, method=method).first
        whole: Any = None
        letters = 0
        for piece in asked.stream(list(messages)):
            whole = piece if whole is None else whole + piece
            letters += len(str(piece.text)) + sum(len(call.get("args") or "") for call in piece.tool_call_chunks)
            if self.heard:
                self.heard(letters)
            if letters > _LETTERS_A_TOKEN * most:
                raise ValueError("the stream does not end")
        if whole is None or not (whole.response_metadata.keys() & {"finish_reason", "stop_reason"}):
            raise ConnectionError("the stream was cut off")
        return _answer(whole)

    def _made(self, most: int) -> Any:
        from langchain.chat_models import init_chat_model

        provider, name = provider_of(self.settings.model or "")
        given: dict[str, Any] = {
            # a server of one's own often needs no key, the SDKs always do
            "api_key": key_called(_KEYS[provider]) or "none",
            "base_url": address_of(self.settings),
            "timeout": self.settings.timeout_s,
            "max_retries": 0,
            "max_tokens": most or None,
        }
        if self._temperature:
            given["temperature"] = self.settings.temperature
        if provider == "openai":
            given |= {"use_responses_api": False, "streaming": self.settings.stream}
            given["stream_usage"] = self.settings.stream and self._counts
        return init_chat_model(name, model_provider=provider, **{k: v for k, v in given.items() if v is not None})

    def _explained(self, error: BaseException) -> EarwitnessError:
        service, status = service_of(self.settings), getattr(error, "status_code", None)
        said = self._without_key(str(getattr(error, "message", None) or error))
        kind = type(error).__name__
        provider, name = provider_of(self.settings.model or "")
        if status in {401, 403}:
            return EngineUnavailable(
                f"{service} refuses the key ({said}).", f"Check {_KEYS[provider]}, or choose another summarize.engine."
            )
        if status == 404:
            return EngineUnavailable(
                f"{service} knows no model {name!r} ({said}).", "Set summarize.model to one that the service has."
            )
        if status == 402 or getattr(error, "code", None) == "insufficient_quota":
            return EngineUnavailable(
                f"The account at {service} has no credit left ({said}).",
                "Top it up, then run again: what was paid for is kept. Or choose another summarize.engine.",
            )
        if isinstance(status, int) and status < 500 and status not in {408, 409, 425, 429}:
            return EngineFailed(f"{service} can't take this ({status}: {said}).", "Choose another summarize.engine.")
        return ServiceUnavailable(
            f"{service} can't be used now ({kind}: {said}).",
            "Run again later: what was paid for is kept.",
            service=service,
            **asked_to_wait(getattr(error, "response", None)),
        )

    def _without_key(self, text: str) -> str:
        """What a server says, in one short line, in case it repeats the key or what it was sent."""
        for variable in _KEYS.values():
            if key := key_called(variable):
                text = text.replace(key, "***")
        line = " ".join(printable(text).split())
        return line if len(line) <= 200 else line[:199] + "…"


def _shaped(model: Any, schema: dict[str, Any], method: str) -> Any:
    if method == "plain":
        return model
    return model.with_structured_output(schema, method=method, include_raw=True)


def _answer(came: Any) -> Answer:
    """The parts that are read: of a message, or of what LangChain makes of one."""
    raw = came["raw"] if isinstance(came, dict) else came
    told = raw.response_metadata
    reason = told.get("finish_reason") or told.get("stop_reason") or ""
    usage = raw.usage_metadata or {}
    finish: Finish = "stop"
    if reason in {"length", "max_tokens", "model_context_window_exceeded"}:
        finish = "length"
    elif reason in {"content_filter", "refusal"} or raw.additional_kwargs.get("refusal"):
        finish = "refusal"
    if raw.tool_calls:
        text = json.dumps(raw.tool_calls[0]["args"], ensure_ascii=False)
    elif raw.invalid_tool_calls:
        text = raw.invalid_tool_calls[0].get("args") or ""
    else:
        text = str(raw.text)
    return _plain(text, finish, usage.get("input_tokens"), usage.get("output_tokens"))


def _plain(text: str, finish: Finish, read: int | None, written: int | None) -> Answer:
    usage = {"input_tokens": read, "output_tokens": written}
    return {"text": text, "finish": finish, "usage": {key: n for key, n in usage.items() if n is not None}}


def _about_length(error: BaseException) -> bool:
    from langchain_core.exceptions import ContextOverflowError

    said = str(error).lower()
    return isinstance(error, ContextOverflowError) or (
        getattr(error, "status_code", None) in {400, 413, 422} and any(mark in said for mark in _TOO_LONG)
    )


def _is_network(error: BaseException) -> bool:
    return isinstance(error, ConnectionError) or any(
        base.__name__ == "APIConnectionError" for base in type(error).__mro__
    )
