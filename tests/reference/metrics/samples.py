#!/usr/bin/env python3
"""Percentiles by NumPy and percentile bootstrap intervals by SciPy.

    python samples.py

Writes samples.json. The intervals come from 100000 draws, so that another generator's 2000 come near them.
"""

import numpy as np
from scipy.stats import bootstrap

from fixture import generator, write


def interval(values):
    result = bootstrap(
        (np.array(values),), np.mean, n_resamples=100_000, method="percentile", batch=1000, rng=np.random.default_rng(1)
    )
    return [float(np.mean(values)), float(result.confidence_interval.low), float(result.confidence_interval.high)]


def main():
    rng = generator(5)
    percentiles = []
    for size in (1, 2, 5, 17, 100):
        values = [round(rng.gauss(0, 3), 3) for _ in range(size)]
        asked = [0, 2.5, 25, 50, 75, 90, 95, 97.5, 99, 100]
        percentiles.append(
            {"values": values, "asked": asked, "given": [float(np.percentile(values, p)) for p in asked]}
        )
    intervals = []
    for size in (25, 100, 300):
        for values in (
            [float(rng.random() < 0.7) for _ in range(size)],
            [round(rng.betavariate(2, 5), 3) for _ in range(size)],
        ):
            intervals.append({"values": values, "interval": interval(values)})
    pairs = [[float(rng.random() < 0.7), float(rng.random() < 0.6)] for _ in range(200)]
    write(
        "samples",
        {
            "percentiles": percentiles,
            "intervals": intervals,
            "paired": {"pairs": pairs, "interval": interval([a - b for a, b in pairs])},
        },
    )


if __name__ == "__main__":
    main()
