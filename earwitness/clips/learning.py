"""What the weights of features become with evidence: ridge regression around the shipped ones.

A rating of -1..1 is explained by an average and by how far each feature of the clip is from its middle. The prior says
that the average is 0 and that no feature matters more or less than shipped; it weighs as much as ten ratings, so that
one moves little. What a feature is found to add or take makes its weight larger or smaller, to three times or a third
of the shipped one at most. Each profile learns from its own ratings alone.
"""

from collections.abc import Sequence

from earwitness.clips.clip import Learned
from earwitness.clips.ratings import STARS, Rating, ratings

_PRIOR = 10.0
"""How much a feature's shipped weight is believed, in ratings."""
_PRIOR_OF_AVERAGE = 1.0
_GAIN = 2.0
"""From what a feature adds to a rating, to the logarithm of its weight."""
MOST = 3.0
_PERFORMANCE = 0.5
"""What a row of performance numbers counts beside a person's rating: much else decides them."""


def learned_for(profile: str) -> Learned | None:
    """What the ratings of a profile's clips teach; None while there are none.

    Raises:
        StorageError: they can't be read.
    """
    found = ratings(profile)
    return learn(found) if found else None


def learn(found: Sequence[Rating]) -> Learned:
    """What ratings teach. The same ratings, in whatever order, give the same weights."""
    import numpy as np

    found = sorted(found, key=lambda r: (r.recording, r.start_ms, r.end_ms, r.source))
    names = sorted({name for rating in found for name in rating.features})
    by_people = sum(rating.source == STARS for rating in found)
    if not names:
        return Learned(ratings=by_people, imported=len(found) - by_people)
    rows = np.array([[1.0, *(rating.features.get(name, 0.5) - 0.5 for name in names)] for rating in found])
    counts = np.array([1.0 if rating.source == STARS else _PERFORMANCE for rating in found])
    values = np.array([rating.value for rating in found])
    prior = np.diag([_PRIOR_OF_AVERAGE, *[_PRIOR] * len(names)])
    added = np.linalg.solve(rows.T @ (rows * counts[:, None]) + prior, rows.T @ (values * counts))[1:]
    factors = np.clip(np.exp(_GAIN * added), 1 / MOST, MOST)
    return Learned(
        factors={name: round(float(factor), 3) for name, factor in zip(names, factors, strict=True)},
        ratings=by_people,
        imported=len(found) - by_people,
    )
