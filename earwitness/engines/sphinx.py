"""PocketSphinx as this room needs it: one decoder with our pronunciations added as they come up."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, count
from pathlib import Path
from typing import Any

import numpy as np

from earwitness.audio.pcm import Samples
from earwitness.storage.store import workspace
from earwitness.words.pronounce import sounds, spoken

FRAME_MS = 10
SKIP_PROBABILITY = 1e-20
"""Of leaving a word out. Lower, and the beam prunes the way out, so that one unheard word loses the whole segment;
higher, and words that were said are left out (measured on AMI: 1e-20 places 89 % of words, 1e-30 60 %, none 81 %)."""

_VARIANT = re.compile(r"\(\d+\)$")
_MIN_SAMPLES = 1600


@dataclass(frozen=True, slots=True)
class Heard:
    """A dictionary word with its time in the window."""

    token: str
    start_ms: int
    end_ms: int
    score: float
    """0..1: how near the sounds come to the best ones there."""


def version() -> str:
    """Of the installed package, without importing it."""
    from importlib.metadata import version as installed

    return installed("pocketsphinx")


def levelled(samples: Samples) -> bytes:
    """16-bit sound at the loudness that the model was trained on, whatever the recording's.

    Args:
        samples: float32 in [-1, 1].
    """
    if samples.size == 0:
        return b""
    energy = np.sort(np.square(samples, dtype=np.float64))[-max(1, samples.size // 2) :]
    gain = 0.09 / (float(np.sqrt(np.mean(energy))) + 1e-5)
    loud = np.clip(samples * min(gain, 200.0), -1, 1) * 32767
    data: bytes = loud.astype("<i2").tobytes()
    return data


class Sphinx:
    """A decoder for forced alignment. Not to be shared between threads."""

    def __init__(self) -> None:
        self._decoder = _decoder(dictionary=True)
        self._listener: Any = None
        """For `recognise`; knows only the words to expect: a language model over the whole dictionary takes 11 s."""

    def knows(self, word: str) -> bool:
        """Whether the dictionary has this lower-case word."""
        # a bare letter is a word of the dictionary; parentheses mark variants there
        return bool(word) and "(" not in word and self._decoder.lookup_word(word) is not None

    def tokens(self, written: str) -> list[str]:
        """Dictionary words for a written word; what is missing is added to the dictionary. Empty for punctuation."""
        found = []
        for word in spoken(written, self.knows):
            if self.knows(word):
                found.append(word)
                continue
            token = f"_{word}"
            if not self.knows(token):
                self._decoder.add_word(token, " ".join(sounds(word)), True)
            found.append(token)
        return found

    def align(self, samples: Samples, tokens: Sequence[str]) -> list[Heard | None]:
        """Find words whose order is known.

        Args:
            samples: float32 at 16 kHz, up to about a minute.
            tokens: from `tokens()`.

        Returns:
            one entry a token, None where it was not heard.
        """
        nothing: list[Heard | None] = [None] * len(tokens)
        if not tokens or samples.size < _MIN_SAMPLES:
            return nothing
        steps: list[tuple[Any, ...]] = []
        for index, token in enumerate(tokens):
            steps += [(index, index + 1, 1.0, token), (index, index + 1, SKIP_PROBABILITY)]
        grammar = self._decoder.create_fsg("words", 0, len(tokens), steps)
        self._decoder.add_fsg("words", grammar)
        self._decoder.activate_search("words")
        heard = _decoded(self._decoder, samples)
        found, at = nothing, 0
        for word in heard:
            # the grammar keeps the order, so the next equal token is the one
            place = next((i for i in range(at, len(tokens)) if tokens[i] == word.token), None)
            if place is not None:
                found[place] = word
                at = place + 1
        return found

    def expect(self, sentences: Sequence[str]) -> None:
        """Make a language model of these sentences (tokens with blanks between) for `recognise`."""
        import pocketsphinx
        from pocketsphinx.lm import ArpaBoLM

        self._listener = _decoder(dictionary=False)
        for token in sorted({token for sentence in sentences for token in sentence.split()}):
            for said in self._variants(token):
                self._listener.add_word(said, self._decoder.lookup_word(said), False)
        model = ArpaBoLM(text="\n".join(sentences), add_start=True)
        model.compute()
        with workspace("language-model") as folder:
            path = Path(folder) / "text.arpa"
            model.write_file(str(path))
            trigrams = pocketsphinx.NGramModel(self._listener.config, self._listener.logmath, str(path))
            self._listener.add_lm("expected", trigrams)
        self._listener.activate_search("expected")

    def _variants(self, token: str) -> Iterator[str]:
        """A word of the dictionary and its other pronunciations there: `read`, `read(2)`."""
        for said in chain([token], (f"{token}({number})" for number in count(2))):
            if self._decoder.lookup_word(said) is None:
                return
            yield said

    def recognise(self, samples: Samples) -> list[Heard]:
        """Which of the words given to `expect` (call that before) are said in a stretch of speech.

        Args:
            samples: float32 at 16 kHz, up to about a minute.
        """
        return _decoded(self._listener, samples, posterior=True) if samples.size >= _MIN_SAMPLES else []


def _decoder(*, dictionary: bool) -> Any:
    import pocketsphinx

    model = pocketsphinx.get_model_path("en-us/")
    return pocketsphinx.Decoder(
        hmm=f"{model}en-us",
        dict=f"{model}cmudict-en-us.dict" if dictionary else None,
        lm=None,
        samprate=16_000,
        loglevel="FATAL",
    )


def _decoded(decoder: Any, samples: Samples, *, posterior: bool = False) -> list[Heard]:
    # without a fresh front end the result depends on the windows before (measured, also with cmn=batch)
    decoder.reinit_feat()
    decoder.start_utt()
    decoder.process_raw(levelled(samples), full_utt=True)
    try:
        decoder.end_utt()
    except RuntimeError:
        # too short for one feature frame: nothing was heard
        return []
    heard = []
    for part in decoder.seg() or ():
        token = _VARIANT.sub("", part.word)
        if token[:1] in "<[(" or part.end_frame < part.start_frame:
            continue
        frames = part.end_frame + 1 - part.start_frame
        score = part.prob if posterior else float(np.exp(np.log(max(part.ascore, 1e-300)) / frames / 6))
        heard.append(
            Heard(
                token,
                part.start_frame * FRAME_MS,
                (part.end_frame + 1) * FRAME_MS,
                round(min(1.0, max(0.0, score)), 3),
            )
        )
    return heard


@lru_cache(maxsize=1)
def model_id() -> str:
    """Name of the acoustic model that the wheel carries."""
    return "en-us-ptm"
