"""Permutation importance draws and shuffles by its seed alone."""

import numpy as np
import pandas as pd

from shared.adapters.scoring.scoring_probe import importances, sampled
from shared.ports import Probe


def test_the_same_seed_draws_the_same_rows_and_gives_the_same_figures():
    probe = Probe(np.arange(40.0), seed=7, rows=9)
    frame = pd.DataFrame({"a": np.arange(40.0), "b": np.arange(40.0) ** 2})
    draws = [sampled(frame, probe) for _ in range(2)]

    first, second = (
        dict(importances(lambda some: some["b"].to_numpy() / 40, rows, actual, probe))
        for rows, actual in draws
    )

    assert len(draws[0][0]) == 9
    assert draws[0][0]["a"].tolist() == draws[0][1].tolist() == draws[1][1].tolist()
    assert first == second
    assert first["b"] > first["a"] == 0
