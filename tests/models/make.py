"""Draws up tiny models of the families that manifests know, and what the Python world makes of them.

    python3 -m venv VENV && VENV/bin/pip install onnx onnxruntime numpy pillow opencv-python-headless
    VENV/bin/python tests/models/make.py

Writes *.onnx and reference.json beside this file. Everything follows from fixed seeds. A detector here looks at nothing:
its outputs are constants of the shapes of real exports, with boxes hidden in noise, and the reference decodes them
with numpy alone.
"""

import hashlib
import json
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

HERE = Path(__file__).parent
OPSET = 13
TYPES = {"f32": TensorProto.FLOAT, "u8": TensorProto.UINT8, "i64": TensorProto.INT64, "i32": TensorProto.INT32, "f16": TensorProto.FLOAT16}


def save(name, nodes, inputs, outputs, constants=(), metadata=None):
    """A model of these nodes; inputs and outputs are (name, type, shape)."""

    def info(ports):
        return [helper.make_tensor_value_info(port, TYPES[of], shape) for port, of, shape in ports]

    tensors = [numpy_helper.from_array(array, key) for key, array in constants]
    graph = helper.make_graph(nodes, name, info(inputs), info(outputs), tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="make.py")
    model.ir_version = 8
    for key, value in (metadata or {}).items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.checker.check_model(model)
    onnx.save(model, HERE / f"{name}.onnx")


def run(name, tensor):
    session = onnxruntime.InferenceSession(HERE / f"{name}.onnx", providers=["CPUExecutionProvider"])
    return session.run(None, {session.get_inputs()[0].name: tensor})


def picture(width, height):
    """The picture that models look at."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    channels = [(x * x * 7 + y * y * 13 + x * y * 5 + c * 91 + (x ^ y) * 3) % 256 for c in range(3)]
    return np.stack(channels, -1).astype(np.uint8)


def letterbox(rgb, width, height, centre):
    """As ultralytics (centre) and YOLOX (corner) do."""
    scale = min(width / rgb.shape[1], height / rgb.shape[0])
    if centre:
        size = int(round(rgb.shape[1] * scale)), int(round(rgb.shape[0] * scale))
        left, top = int(round((width - size[0]) / 2 - 0.1)), int(round((height - size[1]) / 2 - 0.1))
    else:
        size, left, top = (int(rgb.shape[1] * scale), int(rgb.shape[0] * scale)), 0, 0
    canvas = np.full((height, width, 3), 114, np.uint8)
    canvas[top : top + size[1], left : left + size[0]] = cv2.resize(rgb, size, interpolation=cv2.INTER_LINEAR)
    return canvas, scale, left, top


def shortest(rgb, short, width, height, filter):
    """As torchvision's Resize and CenterCrop do."""
    image = Image.fromarray(rgb)
    w, h = image.size
    size = (short, int(short * h / w)) if w <= h else (int(short * w / h), short)
    image = image.resize(size, filter)
    left, top = int(round((size[0] - width) / 2.0)), int(round((size[1] - height) / 2.0))
    return np.asarray(image.crop((left, top, left + width, top + height)))


MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])


def inputs():
    """What pre-processing makes of the picture, by the libraries that models are trained with."""
    any_size = ["n", "c", "h", "w"]
    identity = [helper.make_node("Identity", ["x"], ["y"])]
    save("identity", identity, [("x", "f32", any_size)], [("y", "f32", any_size)])
    last = ["n", "h", "w", 3]
    save("identity_bytes", identity, [("x", "u8", last)], [("y", "u8", last)])
    rgb = picture(37, 23)
    stretched = cv2.resize(rgb, (16, 12), interpolation=cv2.INTER_LINEAR)
    boxed, corner = letterbox(rgb, 20, 20, True)[0], letterbox(rgb, 20, 20, False)[0]
    grey = np.asarray(Image.fromarray(stretched).convert("L"))[None]
    chw = lambda array: array.transpose(2, 0, 1)
    pillow = lambda filter: np.asarray(Image.fromarray(rgb).resize((16, 12), filter))
    made = {
        "stretch": chw(stretched / 255),
        "normalised": chw((stretched / 255 - MEAN) / STD),
        "bgr_bytes": chw(stretched[..., ::-1].astype(np.float64)),
        "letterbox": chw(boxed / 255),
        "corner": chw(corner[..., ::-1].astype(np.float64)),
        "shortest": chw(shortest(rgb, 14, 12, 12, Image.BILINEAR) / 255),
        "bicubic": chw(pillow(Image.BICUBIC).astype(np.float64)),
        "bilinear": chw(pillow(Image.BILINEAR).astype(np.float64)),
        "lanczos": chw(pillow(Image.LANCZOS).astype(np.float64)),
        "grey": grey / 127.5 - 1,
        "cut": chw(
            np.asarray(Image.fromarray(rgb).resize((21, 21), Image.BILINEAR).crop((4, 4, 16, 16))).astype(np.float64)
        ),
        "keep": chw(cv2.resize(rgb, (32, 32), interpolation=cv2.INTER_LINEAR) / 255),
        "bytes": stretched,
    }
    return {name: {"shape": list(a.shape), "data": [round(float(v), 5) for v in a.ravel()]} for name, a in made.items()}


def heads():
    """A classifier, a tagger and an embedder with random weights, over the mean colour of the picture."""
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(3, 4)).astype(np.float32) * 4
    mean = helper.make_node("ReduceMean", ["x"], ["mean"], axes=[2, 3], keepdims=0)
    nodes = [mean, helper.make_node("MatMul", ["mean", "w"], ["logits"])]
    names = {"names": "{0: 'red thing', 1: 'green', 2: \"it's blue\", 3: 'grey'}"}
    save("classifier", nodes, [("x", "f32", [1, 3, 12, 16])], [("logits", "f32", [1, 4])], [("w", weights)], names)
    x = (cv2.resize(picture(37, 23), (16, 12)).transpose(2, 0, 1)[None] / 255).astype(np.float32)
    (logits,) = run("classifier", x)
    weight = np.exp(logits[0] - logits.max())
    return {
        "softmax": [float(v) for v in weight / weight.sum()],
        "sigmoid": [float(v) for v in 1 / (1 + np.exp(-logits[0]))],
        "unit": [float(v) for v in logits[0] / np.linalg.norm(logits[0])],
    }


CLASSES = 3
# Class, score, and left, top, right, bottom in the input of 64 x 64 pixels.
TRUTH = [(0, 0.9, (8, 20, 24, 40)), (2, 0.8, (30, 18, 56, 46)), (1, 0.6, (10, 22, 26, 42))]
DOUBLES = [(0, 0.7, (9, 21, 25, 41)), (2, 0.5, (31, 18, 55, 45))]


def centre(box):
    left, top, right, bottom = box
    return [(left + right) / 2, (top + bottom) / 2, right - left, bottom - top]


def constant(name, outputs, inputs=(("images", "f32", [1, 3, 64, 64]),)):
    """A model whose outputs do not depend on its inputs, but for the first one's being used."""
    nodes, constants, ports = [], [], []
    nodes.append(helper.make_node("ReduceSum", [inputs[0][0]], ["sum"], keepdims=0))
    nodes.append(helper.make_node("Mul", ["sum", "zero"], ["nothing"]))
    constants.append(("zero", np.array(0, np.float32)))
    for key, array in outputs:
        constants.append((f"{key}_c", array.astype(np.float32)))
        nodes.append(helper.make_node("Add", [f"{key}_c", "nothing"], [key]))
        ports.append((key, "f32", list(array.shape)))
    names = {"names": "{0: 'cat', 1: 'dog', 2: 'zebra'}"}
    save(name, nodes, inputs, ports, constants, names)


def broken():
    """Halves of models that take prompts and words, whose answers are none."""
    none = np.full((1, 1, 4, 4), np.nan)
    constant("sam_encoder", [("image_embeddings", np.zeros((1, 4, 4, 4)))], [("images", "f32", [1, 3, 16, 16])])
    prompt = [("image_embeddings", "f32", [1, 4, 4, 4]), ("point_coords", "f32", [1, "n", 2])]
    prompt.append(("point_labels", "f32", [1, "n"]))
    constant("sam_nan", [("low_res_masks", none), ("iou_predictions", np.ones((1, 1)))], prompt)
    constant("sam_odd", [("masks", np.zeros((1, 1, 4, 4))), ("iou_predictions", np.ones((1, 1)))], prompt)
    words = [("pixel_values", "f32", [1, 3, 32, 32])]
    words += [(key, "i64", ["words", 16]) for key in ("input_ids", "attention_mask")]
    boxes = ("pred_boxes", np.full((1, 4, 4), 0.5))
    constant("owlvit_nan", [("logits", np.full((1, 4, 3), np.nan)), boxes], words)
    constant("owlvit_few", [("logits", np.zeros((1, 4, 2))), boxes], words)


def external(name, location):
    """A model whose weights are said to be in another file."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    tensor.external_data.add(key="offset", value="0")
    tensor.external_data.add(key="length", value="4")
    ports = [helper.make_tensor_value_info(port, TensorProto.FLOAT, [1, 1, 4, 4]) for port in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Add", ["x", "w"], ["y"])], name, ports[:1], ports[1:], [tensor])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="make.py")
    model.ir_version = 8
    (HERE / f"{name}.onnx").write_bytes(model.SerializeToString())


def detectors():
    rng = np.random.default_rng(2)
    found = TRUTH + DOUBLES
    cells = 8 * 8 + 4 * 4 + 2 * 2
    at = rng.permutation(cells)[: len(found)]

    def rows(objectness):
        table = np.zeros((cells, (5 if objectness else 4) + CLASSES))
        table[:, :4] = rng.uniform(4, 60, (cells, 4))
        table[:, 4:] = rng.uniform(0, 0.2, (cells, table.shape[1] - 4))
        for row, (label, score, box) in zip(at, found):
            table[row, :4] = centre(box)
            table[row, 4:] = 0.01
            table[row, (5 if objectness else 4) + label] = score / (0.95 if objectness else 1)
            if objectness:
                table[row, 4] = 0.95
        return table

    constant("yolov5", [("output0", rows(True)[None])])
    constant("yolov8", [("output0", rows(False).T[None])])
    grids = [(x, y, s) for s in (8, 16, 32) for y in range(64 // s) for x in range(64 // s)]
    yolox = rows(True)
    for row, (x, y, s) in enumerate(grids):
        yolox[row, :2] = yolox[row, :2] / s - (x, y)
        yolox[row, 2:4] = np.log(yolox[row, 2:4] / s)
    constant("yolox", [("output", yolox[None])])

    queries = 10
    boxes = rng.uniform(0.3, 0.5, (queries, 4))
    detr, kin = rng.normal(0, 0.3, (queries, CLASSES + 1)), rng.normal(-4, 0.3, (queries, CLASSES))
    detr[:, -1] += 6
    for row, (label, score, box) in zip(rng.permutation(queries), TRUTH):
        boxes[row] = np.array(centre(box)) / 64
        # Softmax and sigmoid of these are the score.
        detr[row] = np.log((1 - score) / CLASSES)
        detr[row, label] = np.log(score)
        kin[row, label] = np.log(score / (1 - score))
    constant("detr", [("logits", detr[None]), ("pred_boxes", boxes[None])])
    constant("rt_detr", [("logits", kin[None]), ("pred_boxes", boxes[None])])

    listed = np.array([[*box, score, label] for label, score, box in TRUTH] + [[0, 0, 0, 0, 0, 0]] * 3)
    constant("end_to_end", [("output0", listed[None])])
    constant("end_to_end3", [("labels", listed[:, 5]), ("boxes", listed[:, :4]), ("scores", listed[:, 4])])
    ssd = listed[:, [1, 0, 3, 2]] / 64
    constant(
        "ssd",
        [
            ("detection_multiclass_scores", np.full((1, 6, 4), 0.1)),
            ("detection_boxes", ssd[None]),
            ("detection_classes", listed[None, :, 5] + 1),
            ("detection_scores", listed[None, :, 4]),
            ("num_detections", np.array([3.0])),
        ],
    )
    external("outside_above", "../outside.bin")
    external("outside_absolute", str(Path("/etc/hostname")))
    large = helper.make_node("Expand", ["x", "shape"], ["y"])
    shape = [("shape", np.array([1, 3, 1000, 1000], np.int64))]
    save("large", [large], [("x", "f32", [1, 3, 1, 1])], [("y", "f32", [1, 3, 1000, 1000])], shape)
    nan = rows(False).T[None]
    nan[0, :, 3] = np.nan
    nan[0, 0, 4] = np.inf
    constant("yolov8_nan", [("output0", nan)])
    broken()
    constant("yolov8_none", [("output0", np.zeros((1, 4 + CLASSES, cells)))])

    # Nothing found; and three outputs whose names tell nothing, of which classes are whole numbers.
    constant("end_to_end_none", [("labels", np.zeros(0)), ("boxes", np.zeros((0, 4))), ("scores", np.zeros(0))])
    cast = helper.make_node("Cast", ["whole"], ["1"], to=TensorProto.INT64)
    one = [("box", listed[:3, :4].astype(np.float32)), ("whole", listed[:3, 5].astype(np.float32))]
    score = ("score", listed[:3, 4].astype(np.float32))
    zero = [helper.make_node("ReduceSum", ["images"], ["sum"], keepdims=0), helper.make_node("Mul", ["sum", "z"], ["n"])]
    nodes = [*zero, helper.make_node("Add", ["box", "n"], ["0"]), cast, helper.make_node("Add", ["score", "n"], ["2"])]
    ports = [("0", "f32", [3, 4]), ("1", "i64", [3]), ("2", "f32", [3])]
    inside = [*one, score, ("z", np.array(0, np.float32))]
    names = {"names": "{0: 'cat', 1: 'dog', 2: 'zebra'}"}
    save("end_to_end_unnamed", nodes, [("images", "f32", [1, 3, 64, 64])], ports, inside, names)
    # Each row says how many rows there are.
    ones = [helper.make_node("Mul", ["x", "zero"], ["none"]), helper.make_node("Add", ["none", "one"], ["ones"])]
    ones.append(helper.make_node("ReduceSum", ["ones", "across"], ["row"], keepdims=1))
    ones.append(helper.make_node("Div", ["ones", "row"], ["shares"]))
    ones.append(helper.make_node("ReduceSum", ["shares"], ["all"], keepdims=1))
    ones.append(helper.make_node("ReduceSum", ["none", "across"], ["zeros"], keepdims=1))
    ones.append(helper.make_node("Add", ["zeros", "all"], ["y"]))
    inside = [("zero", np.array(0, np.float32)), ("one", np.array(1, np.float32)), ("across", np.array([1], np.int64))]
    save("rows", ones, [("x", "f32", ["n", "m"])], [("y", "f32", ["n", 1])], inside)
    # Its output has a row for each dimension, and not for each row of its input.
    save("shape", [helper.make_node("Shape", ["x"], ["y"])], [("x", "f32", ["n", "m"])], [("y", "i64", [2])])
    both = [("x", "f32", [1, 3, 4, 4]), ("sizes", "f32", [1, 2])]
    save("two_inputs", [helper.make_node("Add", ["x", "x"], ["y"]), helper.make_node("Add", ["sizes", "sizes"], ["s"])],
         both, [("y", "f32", [1, 3, 4, 4]), ("s", "f32", [1, 2])])
    mean = helper.make_node("ReduceMean", ["x"], ["m"], axes=[2, 3], keepdims=0)
    wide = helper.make_node("Concat", ["m", "m", "m"], ["y"], axis=1)
    half = helper.make_node("Cast", ["m"], ["half"], to=TensorProto.FLOAT16)
    save("grey", [mean, wide, half], [("x", "f32", ["n", 1, 28, 28])], [("y", "f32", ["n", 3]), ("half", "f16", ["n", 1])])

    # Where they are in the picture of 37 x 23 pixels, letterboxed into 64 x 64.
    _, scale, left, top = letterbox(picture(37, 23), 64, 64, True)
    clip = lambda x, y: (min(max((x - left) / scale, 0), 37), min(max((y - top) / scale, 0), 23))
    places = []
    for label, score, (x1, y1, x2, y2) in TRUTH:
        places.append({"class": label, "score": score, "box": [*clip(x1, y1), *clip(x2, y2)]})
    return places


def bilinear(grid, width, height):
    """A grid of numbers in another size, as torch's interpolate without align_corners."""
    return cv2.resize(grid.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)


def segmenters():
    """A subject as U2-Net tells it, and things in boxes with their share of each of eight grids."""
    rng = np.random.default_rng(4)
    y, x = np.mgrid[0:20, 0:20]
    hill = 3 * np.exp(-((x - 11) ** 2 + (y - 8) ** 2) / 18) - 1 + rng.normal(0, 0.05, (20, 20))
    constant("u2net", [("d0", hill[None, None]), ("d1", rng.normal(size=(1, 1, 20, 20)))])
    # As rembg's session does.
    hill = hill.astype(np.float32)
    scores = (hill - hill.min()) / (hill.max() - hill.min())
    grey = Image.fromarray((scores * 255).astype(np.uint8), mode="L").resize((37, 23), Image.LANCZOS)

    grids = np.stack([bilinear(rng.normal(size=(4, 4)), 16, 16) for _ in range(8)])
    cells = 8 * 8 + 4 * 4 + 2 * 2
    table = np.zeros((cells, 4 + CLASSES + 8), np.float32)
    table[:, :4] = rng.uniform(4, 60, (cells, 4))
    table[:, 4 : 4 + CLASSES] = rng.uniform(0, 0.2, (cells, CLASSES))
    masks = []
    for row, (label, score, box) in zip(rng.permutation(cells), TRUTH + DOUBLES):
        table[row, :4], table[row, 4 : 4 + CLASSES] = centre(box), 0.01
        table[row, 4 + label] = score
        table[row, 4 + CLASSES :] = rng.normal(size=8)
        if (label, score, box) not in TRUTH:
            continue
        # As ultralytics' process_mask_native, over the picture into which the input of 64 x 64 was stretched.
        sum = np.tensordot(table[row, 4 + CLASSES :], grids.astype(np.float32), 1)
        whole = bilinear(sum, 37, 23)
        left, top, right, bottom = np.array(box) * [37 / 64, 23 / 64, 37 / 64, 23 / 64]
        across, down = np.arange(37)[None], np.arange(23)[:, None]
        inside = (across >= left) & (across < right) & (down >= top) & (down < bottom)
        masks.append({"class": label, "score": score, "mask": ((whole > 0) & inside).astype(int).ravel().tolist()})
    constant("yolov8_seg", [("output0", table.T[None]), ("output1", grids[None])])
    return {"salient": np.asarray(grey).ravel().tolist(), "masks": masks}


def poses():
    """One person as MoveNet tells them, and two as YOLOv8 does."""
    rng = np.random.default_rng(5)
    one = np.stack([rng.uniform(0.1, 0.9, 17), rng.uniform(0.1, 0.9, 17), rng.uniform(0.1, 1, 17)], -1)
    constant("movenet", [("Identity", one[None, None])])
    cells = 8 * 8 + 4 * 4 + 2 * 2
    table = np.zeros((cells, 5 + 51), np.float32)
    table[:, :4], table[:, 4] = rng.uniform(4, 60, (cells, 4)), rng.uniform(0, 0.2, cells)
    people = []
    for row, (_, score, box) in zip(rng.permutation(cells), TRUTH[:2]):
        table[row, :4], table[row, 4] = centre(box), score
        points = np.stack([rng.uniform(4, 60, 17), rng.uniform(4, 60, 17), rng.uniform(0.1, 1, 17)], -1)
        table[row, 5:] = points.ravel()
        people.append(points.ravel())
    constant("yolov8_pose", [("output0", table.T[None])])
    # Across, down in the picture of 37 x 23 pixels that was stretched, and score.
    scale = np.array([37, 23, 1])
    flat = lambda points: [round(float(v), 5) for v in (points * scale).ravel()]
    return {
        "movenet": [flat(one[:, [1, 0, 2]])],
        "yolov8_pose": [flat(p.reshape(17, 3) * [1 / 64, 1 / 64, 1]) for p in people],
    }


def main():
    reference = {
        "inputs": inputs(),
        "heads": heads(),
        "detectors": detectors(),
        "segmenters": segmenters(),
        "poses": poses(),
    }
    rgb = picture(37, 23)
    Image.fromarray(rgb).save(HERE / "picture.png")
    reference["picture"] = hashlib.sha256(rgb.tobytes()).hexdigest()
    (HERE / "reference.json").write_text(json.dumps(reference) + "\n")


if __name__ == "__main__":
    main()
