"""How often the inferred role is right, abstained from, or wrong, on open game sessions and meetings.

Run: `python -m tests.bench.bench_roles` (needs the evaluation data). Whole recordings and pieces of them; the same with
the one who has the role left out, and under profiles that don't fit: there any role is wrong. There are no open
interviews or podcasts in the data, so hosts and interviewers are measured by wrong answers only.
"""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from earwitness.options import Profile
from earwitness.words.roles import find_lead, parts_of
from earwitness.words.transcript import Utterance
from tests.bench.bench_notes import DATA, read_transcript

LEADERS = {"MATT", "Project Manager"}
"""Critical Role's game master, and who chairs the meetings of AMI. The committee's chair is not told by the data."""
PIECES = (100, 200, 400)


def pieces(utterances: Sequence[Utterance], size: int | None) -> Iterator[Sequence[Utterance]]:
    if size is None:
        yield utterances
        return
    for start in range(0, len(utterances) - size // 2, size):
        yield utterances[start : start + size]


def measure(paths: Sequence[Path], profile: Profile, size: int | None, *, without: bool) -> Counter[str]:
    found: Counter[str] = Counter()
    for path in paths:
        utterances, speakers = read_transcript(path)
        leader = {speaker.label for speaker in speakers if speaker.name in LEADERS}
        fits = profile is (Profile.TABLETOP if path.parent.name == "sessions" else Profile.WORKPLACE)
        if without:
            utterances = [utterance for utterance in utterances if utterance.speaker not in leader]
        for piece in pieces(utterances, size):
            role = find_lead(parts_of(piece), profile)
            if role is None:
                found["abstained"] += 1
            else:
                found["right" if fits and not without and role in leader else "wrong"] += 1
    return found


def main() -> None:
    sessions, meetings = (sorted((DATA / room).glob("*.jsonl")) for room in ("sessions", "meetings"))
    cases = [("sessions", sessions, profile) for profile in Profile] + [("meetings", meetings, p) for p in Profile]
    sys.stdout.write(f"{'data':9} {'profile':10} {'lead':8} {'turns':>6}  right  abstained  wrong\n")
    for name, paths, profile in cases:
        for without in (False, True):
            for size in (None, *PIECES):
                found = measure(paths, profile, size, without=without)
                sys.stdout.write(
                    f"{name:9} {profile.value:10} {'left out' if without else 'present':8} {size or 'all':>6}  "
                    f"{found['right']:5}  {found['abstained']:9}  {found['wrong']:5}\n"
                )


if __name__ == "__main__":
    main()
