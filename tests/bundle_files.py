"""The public contract of a bundle: what is in every complete one, clips and story apart."""

EVERY_BUNDLE = {
    "recording.json",
    "audio.flac",
    "listen.m4a",
    "turns.parquet",
    "turns.rttm",
    "words.parquet",
    "transcript.json",
    "transcript.srt",
    "transcript.vtt",
    "transcript.txt",
    "notes.json",
    "notes.md",
    "clips.json",
    "report.html",
    "manifest-sha256.txt",
}
