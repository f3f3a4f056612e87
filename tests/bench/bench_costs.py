"""How near the price told beforehand comes to what is metered: notes by a chat model on ten transcripts.

Run: `python -m tests.bench.bench_costs`. The model is a server on loopback that answers with sentences of the
transcript, about as many words as it is asked for and other sections beside them, and counts tokens: a word, its longer
endings, numbers and every mark. The price is that of gpt-4.1-mini. The transcripts are the evaluation sessions and
meetings, and synthetic talk beside them.
"""

import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

from earwitness.money.ledger import Ledger
from earwitness.money.paying import charged_to, open_account
from earwitness.notes.chat import write
from earwitness.notes.forecast import forecast_notes
from earwitness.notes.summarize import choose_writer
from earwitness.options import Profile, RunOptions
from earwitness.profiles import read_profile, resolve
from earwitness.settings import SummarizeSettings
from earwitness.words.cast import Speaker
from earwitness.words.transcript import Utterance
from tests.bench.bench_notes import DATA, read_transcript
from tests.chat_server import Question, chat_server

_PIECES = re.compile(r"[^\W\d_]{1,7}|\d{1,3}|[^\w\s]+|_")
Talk = tuple[str, Profile, list[Utterance], list[Speaker]]


def tokens_of(text: str) -> int:
    """By rules like those of the usual tokenizers: words of up to seven letters are one, longer ones are more."""
    return len(_PIECES.findall(text))


def answer(question: Question) -> dict[str, Any]:
    """Notes as a model would write them: sentences from all over, until there are as many words as were asked for."""
    wanted, main = re.findall(r"Write about (\d+) words in `(\w+)`", question.text)[0]
    lines = [line for line in question.lines if len(line[2].split()) > 5]
    points: list[dict[str, Any]] = []
    words = 0
    for place in range(len(lines)):
        if words >= int(wanted):
            break
        key, _, text = lines[place * 7 % len(lines)]
        points.append({"text": " ".join(text.split()[:25]), "evidence": [key]})
        words += min(25, len(text.split()))
    few = points[: max(1, len(points) // 4)]
    named = [{**point, "name": point["text"].split()[0]} for point in few]
    chats = [read_profile(profile)["chat"] for profile in Profile]
    headings = next(chat["headings"] for chat in chats if chat["main"] == main)
    found: dict[str, Any] = {field: few[: len(few) // 2] if field == "titles" else [] for field in headings}
    found |= {field: named for field in ("people", "places", "subjects", "names") if field in headings}
    found |= {field: [{**p, "speaker": ""} for p in few[:2]] for field in ("quotes",) if field in headings}
    found |= {field: [{**p, "owner": "", "due": ""} for p in few] for field in ("actions",) if field in headings}
    found |= {field: few for field in ("threads", "decisions") if field in headings}
    if ", and the story." in question.text:
        found["story"] = points
    first = question.lines[0][0]
    return {
        **found,
        main: points,
        "title": points[0] if points else {"text": "Talk", "evidence": [first]},
        "chapters": [{"title": " ".join(point["text"].split()[:4]), "first": point["evidence"][0]} for point in few],
        "kinds": [],
    }


def talks() -> list[Talk]:
    """Ten: those of the evaluation data, and as many synthetic ones as are missing."""
    found: list[Talk] = []
    for folder, profile in (("sessions", Profile.TABLETOP), ("meetings", Profile.WORKPLACE)):
        for path in sorted((DATA / folder).glob("*.jsonl"))[:5]:
            found.append((path.stem, profile, *read_transcript(path)))
    profiles = list(Profile)
    for number in range(len(found), 10):
        found.append((f"synthetic-{number}", profiles[number % 4], *_talk(300 * (number + 1))))
    return found[:10]


def _talk(lines: int) -> tuple[list[Utterance], list[Speaker]]:
    said = [
        "We looked at the harbour in the morning and found twelve boats.",
        "Yes.",
        "I will call Diane on Friday, then.",
    ]
    labels = ["SPEAKER_00", "SPEAKER_01"]
    utterances = [
        Utterance(f"u{n:04d}", labels[n % 2], None, None, f"{said[n % 3]} That was number {n}.")
        for n in range(1, lines + 1)
    ]
    return utterances, [Speaker(label=label, name=label.title(), named_by="transcript") for label in labels]


def measure() -> list[float]:
    """How far the price was off, a share a transcript; printed as it goes."""
    off = []
    with tempfile.TemporaryDirectory() as home, chat_server(answer, tokens_of) as service:
        os.environ["EARWITNESS_HOME"] = home
        prices = f'[[price]]\naddress = "{service.address}"\ninput_usd = 0.4\noutput_usd = 1.6\n'
        (Path(home) / "prices.toml").write_text(prices)
        for name, profile, utterances, speakers in talks():
            given = SummarizeSettings(engine="chat", model="gpt-4.1-mini", base_url=service.address)
            settings = resolve(RunOptions(profile=profile, summarize=given)).summarize
            told = forecast_notes(utterances, speakers, None, profile, settings)
            with charged_to(open_account(run=name)):
                write(utterances, speakers, None, profile, settings, choose_writer(settings))
            metered, _ = Ledger().spent_by(name)
            assert told.likely is not None
            assert told.low is not None
            assert told.high is not None
            off.append(told.likely / metered - 1)
            inside = "inside" if told.low <= metered <= told.high else "OUTSIDE"
            _print(
                f"{name:14} {profile.value:10} told ${told.likely / 1e6:.4f} ({told.low / 1e6:.4f} to "
                f"{told.high / 1e6:.4f}), metered ${metered / 1e6:.4f}: {off[-1]:+.0%}, {inside} the range; "
                f"{told.questions} questions told, {len(service.paid)} paid"
            )
            service.paid.clear()
    return off


def _print(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    worst = max(measure(), key=abs)
    _print(f"the worst is off by {worst:+.0%}")
    sys.exit(abs(worst) > 0.25)
