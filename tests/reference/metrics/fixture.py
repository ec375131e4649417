"""What the scripts of this folder share: a seeded generator, some words, and how a fixture is written."""

import json
import random
from pathlib import Path

WORDS = (
    "red blue green small large wooden old white black striped dog cat bus train plate cup person woman man child "
    "street table chair window grass water sky road field kitchen ball kite clock sign letter station bench"
).split()


def generator(seed):
    return random.Random(seed)


def write(name, record):
    """Writes `<name>.json` beside the scripts, compact, and says how large it is."""
    path = Path(__file__).with_name(f"{name}.json")
    path.write_text(json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n", encoding="utf-8")
    size = path.stat().st_size
    assert size < 100_000, f"{path.name} has {size} bytes"
    print(f"{path.name}: {size} bytes")


def typo(rng, text, rate):
    """`text` with characters lost, doubled or replaced at a rate."""
    out = []
    for char in text:
        if rng.random() >= rate:
            out.append(char)
        else:
            out.append(rng.choice(["", char + char, rng.choice("abcxyz01 .")]))
    return "".join(out)
