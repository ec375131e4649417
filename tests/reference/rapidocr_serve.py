#!/usr/bin/env python3
"""Reads images with rapidocr as the peer of `cargo bench --bench ocr_peer`.

    python rapidocr_serve.py THREADS DET.onnx CLS.onnx REC.onnx

First prints one line: {"version": "3.10.0", "onnxruntime": "1.32.0"}, or {"missing": "..."} when a package is not installed.
Then, for each path on standard input, one line: {"ms": milliseconds from the path to the lines, "texts": [...]}.
rapidocr runs with its defaults, with the given model files and number of threads.
"""

import json
import logging
import sys
import time
from importlib.metadata import version


def say(record: dict) -> None:
    """Answers with one line."""
    print(json.dumps(record), flush=True)


def main() -> None:
    try:
        import onnxruntime
        from rapidocr import RapidOCR
    except ImportError as error:
        say({"missing": str(error)})
        return
    threads, detector, classifier, recogniser = sys.argv[1:]
    logging.disable(logging.WARNING)
    engine = RapidOCR(
        params={
            "EngineConfig.onnxruntime.intra_op_num_threads": int(threads),
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            "Det.model_path": detector,
            "Cls.model_path": classifier,
            "Rec.model_path": recogniser,
        }
    )
    say({"version": version("rapidocr"), "onnxruntime": onnxruntime.__version__})
    for line in sys.stdin:
        began = time.perf_counter()
        result = engine(line.rstrip("\n"))
        ms = (time.perf_counter() - began) * 1e3
        say({"ms": ms, "texts": list(result.txts or [])})


if __name__ == "__main__":
    main()
