#!/usr/bin/env python3
"""Runs NanoDet, computing in float32, over photos and writes what it finds, as reference for `detect_objects`.

    python nanodet_ref.py --model nanodet.onnx --labels coco80.txt --data FOLDER --out detect

FOLDER holds `images/` and `questions.jsonl` (COCO val2017 photos with their `objects`); by default it is
`$LAVR_EVAL_DATA/photos`. Needs numpy, opencv-python-headless 5.0.0, onnxruntime 1.32.0.

Steps, each as the Rust tool must do it:

 1. The image as BGR, EXIF-oriented, resized with cv2.INTER_LINEAR (no letterbox, no anti-aliasing) to about as many
    pixels as 416x416 has, in its own proportions: 416 * sqrt(width / height) wide and 416 / sqrt(width / height) high,
    each rounded to a multiple of 32, from 64 to 2080.
 2. (BGR - [103.53, 116.28, 123.675]) / [57.375, 57.12, 58.395], planar, float32.
 3. Per stride 8, 16, 32: class scores [n, 80] (already sigmoid) and distances [n, 4 * 11]. A softmax over the 11 bins,
    its expectation times the stride, gives left, top, right, bottom from the cell centre ((x + 0.5) * stride, ...).
 4. Each cell has one candidate: its best class. Candidates score above the threshold (strictly).
 5. NMS per class over the candidates above the threshold, best score first, IoU > 0.5 suppresses.
 6. Boxes scaled by width and height over those of the resized image. They are neither clipped nor rounded.

Per photo one JSON: `width`, `height`, and the lists `at_035` and `at_034` (NMS run over the candidates above 0.35
and above 0.34), each [{label, score, box: [x1, y1, x2, y2]}], best score first.

`summary.json` holds F1@0.5 at 0.35 and 0.34 against the photos' `objects`. Matching rule: per photo and per class,
detections in order of descending score, each takes the unmatched object of its class with the highest IoU if that is
at least 0.5 (true positive), otherwise it is a false positive; objects left over are false negatives.
Counts are summed over all photos and classes (micro average): F1 = 2 TP / (2 TP + FP + FN).
"""

import argparse
import json
import os
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

SIDE = 416
STEP = 32
MEAN = np.array([103.53, 116.28, 123.675])
STD = np.array([57.375, 57.12, 58.395])
BINS = 11
STRIDES = (8, 16, 32)
NMS_IOU = 0.5
MATCH_IOU = 0.5
THRESHOLDS = {"at_035": 0.35, "at_034": 0.34}


def input_size(width: int, height: int) -> tuple[int, int]:
    """Width and height of the model's input."""
    longer = (width / height) ** 0.5
    return tuple(min(max(int(side / STEP + 0.5) * STEP, 64), 2080) for side in (SIDE * longer, SIDE / longer))


def preprocess(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """BGR image to the model's input."""
    pixels = (cv2.resize(image, size).astype(np.float32) - MEAN) / STD
    return pixels.transpose(2, 0, 1)[None].astype(np.float32)


def decode(outputs: list[np.ndarray], size: tuple[int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outputs to boxes in the resized image, best scores and their classes, one row a cell."""
    by_shape = {o.shape[1:]: o[0] for o in outputs}
    boxes, scores, classes = [], [], []
    for stride in STRIDES:
        columns, rows = (side // stride for side in size)
        cells = columns * rows
        score, distance = by_shape[(cells, 80)], by_shape[(cells, 4 * BINS)].reshape(cells, 4, BINS)
        weight = np.exp(distance - distance.max(2, keepdims=True))
        weight /= weight.sum(2, keepdims=True)
        left, top, right, bottom = ((weight * np.arange(BINS)).sum(2) * stride).T
        row, column = np.divmod(np.arange(cells), columns)
        x, y = (column + 0.5) * stride, (row + 0.5) * stride
        boxes.append(np.stack([x - left, y - top, x + right, y + bottom], 1))
        scores.append(score.max(1))
        classes.append(score.argmax(1))
    return np.concatenate(boxes), np.concatenate(scores), np.concatenate(classes)


def iou(a, b) -> float:
    """Intersection over union of two [x1, y1, x2, y2]."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    inner = width * height
    return inner / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inner)


def suppress(boxes: np.ndarray, scores: np.ndarray, classes: np.ndarray, threshold: float) -> list[int]:
    """Rows that survive the threshold and the NMS, best first."""
    rows = np.flatnonzero(scores > threshold)
    kept: list[int] = []
    for row in rows[np.argsort(-scores[rows], kind="stable")]:
        rivals = (k for k in kept if classes[k] == classes[row])
        if all(iou(boxes[k], boxes[row]) <= NMS_IOU for k in rivals):
            kept.append(int(row))
    return kept


def detect(session, labels: list[str], image: np.ndarray) -> dict[str, list[dict]]:
    """All lists of one image."""
    height, width = image.shape[:2]
    name = session.get_inputs()[0].name
    size = input_size(width, height)
    boxes, scores, classes = decode(session.run(None, {name: preprocess(image, size)}), size)
    scale = np.array([width, height, width, height]) / np.array([*size, *size])
    found = {}
    for key, threshold in THRESHOLDS.items():
        found[key] = [
            {
                "label": labels[classes[row]],
                "score": round(float(scores[row]), 6),
                "box": [round(float(v), 3) for v in boxes[row] * scale],
            }
            for row in suppress(boxes, scores, classes, threshold)
        ]
    return found


def count(found: list[dict], objects: list[dict]) -> np.ndarray:
    """True positives, false positives and false negatives of one photo."""
    free = list(objects)
    hits = 0
    for one in sorted(found, key=lambda f: -f["score"]):
        rivals = [(iou(one["box"], o["box"]), i) for i, o in enumerate(free) if o["label"] == one["label"]]
        best = max(rivals, default=(0.0, -1))
        if best[0] >= MATCH_IOU:
            hits += 1
            free.pop(best[1])
    return np.array([hits, len(found) - hits, len(free)])


def objects_of(row: dict, width: int, height: int) -> list[dict]:
    """The labelled objects with boxes in pixels."""
    boxes = []
    for one in row["objects"]:
        x, y, w, h = one["cxcywh"]
        corners = [(x - w / 2) * width, (y - h / 2) * height, (x + w / 2) * width, (y + h / 2) * height]
        boxes.append({"label": one["label"], "box": corners})
    return boxes


def f1(counts: np.ndarray) -> dict:
    """The numbers that go into the summary."""
    hits, wrong, missed = (int(c) for c in counts)
    return {"tp": hits, "fp": wrong, "fn": missed, "f1": round(2 * hits / (2 * hits + wrong + missed), 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("LAVR_EVAL_DATA", ".")) / "photos")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("detect"))
    args = parser.parse_args()
    labels = args.labels.read_text().split("\n")
    session = onnxruntime.InferenceSession(args.model, providers=["CPUExecutionProvider"])
    args.out.mkdir(parents=True, exist_ok=True)
    totals = {key: np.zeros(3, int) for key in THRESHOLDS}
    rows = {}
    for line in (args.data / "questions.jsonl").read_text().splitlines():
        row = json.loads(line)
        rows.setdefault(row["image"], row)
    for name, row in sorted(rows.items()):
        image = cv2.imread(str(args.data / name))
        height, width = image.shape[:2]
        found = detect(session, labels, image)
        for key in THRESHOLDS:
            totals[key] += count(found[key], objects_of(row, width, height))
        text = json.dumps({"width": width, "height": height, **found}, separators=(",", ":"))
        (args.out / f"{Path(name).stem}.json").write_text(text + "\n")
    summary = {"photos": len(rows), "iou": MATCH_IOU, **{key: f1(c) for key, c in totals.items()}}
    (args.out / "summary.json").write_text(json.dumps(summary, indent=1) + "\n")
    print(json.dumps(summary))


if __name__ == "__main__":
    main()
