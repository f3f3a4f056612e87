"""A bundle with notes for the game master and notes for the players."""

import json

from earwitness.archive.bundle import compose_bundle
from earwitness.notes.summarize import choose_writer
from earwitness.notes.write import write_notes
from earwitness.options import Profile, RunOptions
from earwitness.profiles import resolve
from earwitness.words.cast import Cast
from earwitness.words.transcript import utterances_of
from tests.archive.factory import make_findings, stamp, timed_words


def test_the_bundle_has_both_versions() -> None:
    findings = make_findings()
    wanted = resolve(RunOptions(profile=Profile.TABLETOP)).summarize
    made = write_notes(
        utterances_of(timed_words()),
        findings.speakers,
        Cast(secrets=["Greywater"]),
        Profile.TABLETOP,
        wanted,
        choose_writer(wanted),
    )
    made = made.model_copy(update={"provenance": stamp(0.5)})
    composed = compose_bundle(findings.model_copy(update={"summarized": made}))
    assert composed.missing == []
    for name in ("notes.players.json", "notes.players.md"):
        text = composed.files[name].path.read_text("utf-8").casefold()
        assert "greywater" not in text
        assert "knight" in text
    assert json.loads(composed.files["notes.json"].path.read_bytes())["private"]
    assert "notes.players.md" not in compose_bundle(make_findings()).files
