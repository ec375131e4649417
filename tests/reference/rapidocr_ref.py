#!/usr/bin/env python3
"""Runs rapidocr 3.10.0 with its defaults over images and writes what it reads, as reference for `read_text`.

    python rapidocr_ref.py receipts SROIE_IMAGES/*.jpg --stages 055 405
    python rapidocr_ref.py photos COCO_IMAGES/*.jpg --stages 000000000139

The first argument names the set. Per image one JSON, `ocr/<set>_<stem>.json`:

    width, height   of the EXIF-oriented image
    pixels          SHA-256 of its decoded pixels, RGB, row by row: tells whether another JPEG decoder agrees
    lines           [{text, score, polygon: [[x, y] x 4]}] in rapidocr's own order, in pixels of that image

For the stems after `--stages` also:

    stages.image        [height, width] of the image the pipeline works on (after its own resizing and padding)
    stages.operations   what was done to get there: ratio_h, ratio_w, padding top and left
    stages.det_input    shape of the detector's input tensor
    stages.det_mean     mean of that tensor, to compare pre-processing
    stages.boxes        detected polygons in pixels of `stages.image`, in their final order
    stages.flips        [label, score] of the flip classifier, in the order of the boxes
    stages.batches      recogniser batches in the order they are run: shape of the input and the boxes in it
    stages.texts        [text, score] of every box, before anything is filtered

Needs rapidocr 3.10.0, onnxruntime 1.32.0, opencv-python-headless 5.0.0. Polygons are rounded to 2 decimals, scores to 4.
"""

import argparse
import hashlib
import json
import logging
from pathlib import Path

import numpy as np
from rapidocr import RapidOCR
from rapidocr.utils.process_img import apply_vertical_padding


def polygon(points) -> list[list[float]]:
    """Four corners, rounded; a whole number is written without decimals."""
    rounded = [[round(float(v), 2) for v in p] for p in points]
    return [[int(v) if v.is_integer() else v for v in p] for p in rounded]


def lines_of(result) -> list[dict]:
    """rapidocr's result as lines."""
    if result.boxes is None:
        return []
    return [
        {"text": text, "score": round(float(score), 4), "polygon": polygon(box)}
        for text, score, box in zip(result.txts, result.scores, result.boxes, strict=True)
    ]


class Recorder:
    """Stands in for a session and keeps what goes in."""

    def __init__(self, session):
        self.session = session
        self.inputs = []

    def __call__(self, tensor):
        self.inputs.append(tensor)
        return self.session(tensor)


def batches_of(recorder: Recorder, crops: list[np.ndarray], size: int) -> list[dict]:
    """Which boxes went into which recogniser batch."""
    order = np.argsort(np.array([c.shape[1] / float(c.shape[0]) for c in crops]))
    return [
        {"shape": list(tensor.shape), "boxes": order[i * size : (i + 1) * size].tolist()}
        for i, tensor in enumerate(recorder.inputs)
    ]


def stages_of(engine: RapidOCR, original: np.ndarray) -> dict:
    """The intermediate results of one image."""
    image, operations = engine.preprocess_img(original)
    padded, operations = apply_vertical_padding(image, operations, engine.width_height_ratio, engine.min_height)
    detector, recogniser = engine._load_det_model(), engine._load_rec_model()
    detector_session, recogniser_session = detector.session, recogniser.session
    detector.session, recogniser.session = Recorder(detector_session), Recorder(recogniser_session)
    try:
        found, flips, texts, crops = engine.run_ocr_steps(image, dict(operations))
        tensor = detector.session.inputs[0]
        batches = batches_of(recogniser.session, crops, recogniser.rec_batch_num)
    finally:
        detector.session, recogniser.session = detector_session, recogniser_session
    return {
        "image": list(padded.shape[:2]),
        "operations": operations,
        "det_input": list(tensor.shape),
        "det_mean": round(float(tensor.mean()), 6),
        "boxes": [polygon(b) for b in found.boxes] if found.boxes is not None else [],
        "flips": [[label, round(float(score), 4)] for label, score in flips.cls_res or []],
        "batches": batches,
        "texts": [[t, round(float(s), 4)] for t, s in zip(texts.txts or [], texts.scores or [])],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", help="name of the set, first part of the file names")
    parser.add_argument("images", nargs="+", type=Path)
    parser.add_argument("--stages", nargs="*", default=[], metavar="STEM")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("ocr"))
    args = parser.parse_args()
    engine = RapidOCR()
    logging.disable(logging.WARNING)
    args.out.mkdir(parents=True, exist_ok=True)
    for path in args.images:
        original = engine.load_img(str(path))
        record = {
            "width": original.shape[1],
            "height": original.shape[0],
            "pixels": hashlib.sha256(original[:, :, ::-1].tobytes()).hexdigest(),
            "lines": lines_of(engine(str(path))),
        }
        if path.stem in args.stages:
            record["stages"] = stages_of(engine, original)
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":"))
        (args.out / f"{args.set}_{path.stem}.json").write_text(text + "\n")
        print(f"{path.name}: {len(record['lines'])} lines")


if __name__ == "__main__":
    main()
