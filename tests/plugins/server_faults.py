"""Answers of Prefect's server that get lost. Installed in a child process before the program starts."""

import httpx


def main_with_a_lost_answer(path: str, words: str) -> str:
    """Code for `tests.runs.ChildRun`: the first request to `path` that says `words` is done, and its answer lost."""
    from tests.runs import MAIN

    return f"from tests.plugins import server_faults\nserver_faults.lose({path!r}, {words!r})\n{MAIN}"


def lose(path: str, words: str) -> None:
    """Let a gateway fail after the server behind it has done the work."""
    true = httpx.HTTPTransport.handle_request
    lost = False

    def handle(transport: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        nonlocal lost
        answer = true(transport, request)
        if lost or not request.url.path.endswith(path) or words.encode() not in request.read():
            return answer
        lost = True
        answer.read()
        return httpx.Response(503, headers={"Retry-After": "0"}, request=request)

    httpx.HTTPTransport.handle_request = handle  # type: ignore[assignment, method-assign]
