#!/usr/bin/env python3
"""Finds and objects with the average precision of pycocotools and F1 at an overlap.

    python boxes.py

Writes boxes.json: corpora of scenes, each with `ap` (mean, at 0.5, at 0.75) and the counts (hits, wrong, missed) at
0.5 and 0.75. The counts come from pycocotools' own matches, which take finds by falling score.
"""

import contextlib
import io

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from fixture import generator, write

LABELS = ["cat", "dog", "cup", "kite"]


def box(rng):
    left, top = rng.uniform(0, 0.7), rng.uniform(0, 0.7)
    return [left, top, left + rng.uniform(0.05, 0.3), top + rng.uniform(0.05, 0.3)]


def moved(rng, bounds, by):
    sides = [bounds[2] - bounds[0], bounds[3] - bounds[1]] * 2
    return [v + rng.uniform(-by, by) * s for v, s in zip(bounds, sides)]


def scene(rng, labels, most):
    truth = [{"label": rng.choice(labels), "box": box(rng)} for _ in range(rng.randint(0, most))]
    found = []
    for thing in truth:
        for _ in range(rng.choice([0, 1, 1, 1, 2])):
            label = thing["label"] if rng.random() < 0.9 else rng.choice(LABELS)
            found.append({"label": label, "box": moved(rng, thing["box"], rng.choice([0, 0.05, 0.1, 0.25]))})
    found += [{"label": rng.choice(LABELS), "box": box(rng)} for _ in range(rng.randint(0, 3))]
    for find in found:
        # Few digits, so that scores are often equal.
        find["score"] = round(rng.random(), 2)
        find["box"] = [round(v, 4) for v in find["box"]]
    for thing in truth:
        thing["box"] = [round(v, 4) for v in thing["box"]]
    return {"found": found, "truth": truth}


def xywh(b):
    return [b[0], b[1], b[2] - b[0], b[3] - b[1]]


def evaluate(scenes):
    labels = sorted({t["label"] for s in scenes for side in ("found", "truth") for t in s[side]})
    images = [{"id": n} for n in range(len(scenes))]
    truth, found = [], []
    for n, s in enumerate(scenes):
        for t in s["truth"]:
            b = xywh(t["box"])
            truth.append(
                {
                    "id": len(truth) + 1,
                    "image_id": n,
                    "category_id": labels.index(t["label"]),
                    "bbox": b,
                    "area": b[2] * b[3],
                    "iscrowd": 0,
                }
            )
        for f in s["found"]:
            found.append(
                {"image_id": n, "category_id": labels.index(f["label"]), "bbox": xywh(f["box"]), "score": f["score"]}
            )
    coco = COCO()
    coco.dataset = {"images": images, "annotations": truth, "categories": [{"id": n} for n in range(len(labels))]}
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
        run = COCOeval(coco, coco.loadRes(found) if found else COCO(), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    ap = [float(v) for v in run.stats[:3]] if truth else None
    return {"scenes": scenes, "ap": ap, "counts": {"0.5": counts(run, 0), "0.75": counts(run, 5)}}


def counts(run, threshold):
    """Of the matches in all areas; no class here has more than 100 finds in an image where this is asked."""
    wide = [e for e in run.evalImgs if e is not None and e["aRng"] == run.params.areaRng[0]]
    hits = sum(int(np.count_nonzero(e["dtMatches"][threshold])) for e in wide)
    return [hits, sum(len(e["dtIds"]) for e in wide) - hits, sum(len(e["gtIds"]) for e in wide) - hits]


def crowded(rng):
    """More finds than count: 100 poor ones with high scores hide the good ones behind."""
    truth = [{"label": "cat", "box": [round(v, 3) for v in box(rng)]} for _ in range(8)]
    found = [{"label": "cat", "box": [round(v, 3) for v in box(rng)], "score": 0.9} for _ in range(96)]
    found += [{"label": "cat", "box": t["box"], "score": 0.5} for t in truth]
    corpus = evaluate([{"found": found, "truth": truth}])
    del corpus["counts"]
    return corpus


def main():
    rng = generator(17)
    corpora = [
        evaluate([scene(rng, LABELS[:3], most) for _ in range(size)])
        for most, size in [(4, 8), (8, 12), (2, 20), (5, 15)]
    ]
    # "kite" is found but nowhere there.
    corpora.append(
        evaluate(
            [
                {"found": [], "truth": [{"label": "cat", "box": [0, 0, 1, 1]}]},
                {"found": [{"label": "dog", "box": [0, 0, 1, 1], "score": 0.5}], "truth": []},
            ]
        )
    )
    corpora.append(crowded(rng))
    write("boxes", corpora)


if __name__ == "__main__":
    main()
