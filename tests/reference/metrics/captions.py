#!/usr/bin/env python3
"""Captions scored by pycocoevalcap's CIDEr-D and BLEU scorers.

    python captions.py

Writes captions.json. The scorers get words split by the rule the Rust code documents, not by the Java tokenizer.
"""

import contextlib
import io
import re

from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider

from fixture import WORDS, generator, write

SMALL = "a the on in of with and near two man's T-shirt".split()


def words(text):
    found = re.findall(r"[^\W_]+(?:['-]+[^\W_]+)*", text.lower())
    return " ".join(found)


def sentence(rng):
    text = " ".join(rng.choice(WORDS[:18] + SMALL * 2) for _ in range(rng.randint(3, 12)))
    return rng.choice([text.capitalize() + ".", text, text.replace(" and", ", and") + " !"])


def varied(rng, text):
    return " ".join(
        rng.choice(WORDS[:18] + SMALL) if rng.random() < 0.25 else w for w in text.split() if rng.random() > 0.1
    )


def corpus(rng, size):
    cases = []
    for _ in range(size):
        base = sentence(rng)
        references = [varied(rng, base) or "a" for _ in range(rng.randint(1, 5))]
        caption = rng.choice([varied(rng, base), references[0], sentence(rng), ""])
        cases.append({"caption": caption, "references": references})
    truth = {n: [words(r) for r in c["references"]] for n, c in enumerate(cases)}
    said = {n: [words(c["caption"])] for n, c in enumerate(cases)}
    with contextlib.redirect_stdout(io.StringIO()):
        cider, ciders = Cider().compute_score(truth, said)
        bleu, bleus = Bleu(4).compute_score(truth, said, verbose=0)
    for case, c, b in zip(cases, ciders, bleus[3]):
        case.update(cider=float(c), bleu=b)
    return {"cases": cases, "cider": float(cider), "bleu": bleu[3]}


def main():
    rng = generator(4)
    write("captions", [corpus(rng, size) for size in (1, 2, 12, 60)])


if __name__ == "__main__":
    main()
