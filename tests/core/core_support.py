"""Real parts that several test modules use: small ONNX files, a trained network, a subprocess."""

import subprocess

import numpy as np
import onnx
from json_output import parse_output
from onnx import TensorProto, helper
from own_process import run

from wmproof.core.triggers import TriggerSet
from wmproof.keys import KdfCost
from wmproof.models.written import written

PASSPHRASE = "correct horse battery staple"
CHEAP = KdfCost.INTERACTIVE


def mlp_onnx(
    layers,
    input_shape,
    *,
    batch="N",
    dtype=TensorProto.UINT8,
    output="logits",
    declared_shape=None,
    opset=17,
) -> onnx.ModelProto:
    """A network of (weights, biases) layers with ReLU between them, over pixels / 255."""
    size = int(np.prod(input_shape))
    nodes = [
        helper.make_node("Cast", ["pixels"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["cast", "flat"], ["flattened"]),
        helper.make_node("Div", ["flattened", "white"], ["h0"]),
    ]
    weights = {"flat": np.array([-1, size]), "white": np.float32(255)}
    for i, (w, b) in enumerate(layers):
        weights |= {f"w{i}": np.asarray(w, np.float32), f"b{i}": np.asarray(b, np.float32)}
        last = i == len(layers) - 1
        nodes.append(helper.make_node("Gemm", [f"h{i}", f"w{i}", f"b{i}"], [f"z{i}"]))
        if not last:
            nodes.append(helper.make_node("Relu", [f"z{i}"], [f"h{i + 1}"]))
    classes = len(layers[-1][1])
    nodes.append(helper.make_node("Identity", [f"z{len(layers) - 1}"], ["logits"]))
    declared = [batch, *(input_shape if declared_shape is None else declared_shape)]
    ends = {"pixels": (dtype, declared), "logits": (TensorProto.FLOAT, [batch, classes])}
    if output == "label":
        nodes.append(helper.make_node("ArgMax", ["logits"], ["label"], axis=1, keepdims=0))
        ends = {"pixels": (dtype, declared), "label": (TensorProto.INT64, [batch])}
    return written(nodes, ends, weights, name="mlp", opset=opset)


def random_layers(input_shape, classes, seed=0, hidden=16):
    rng = np.random.default_rng(seed)
    size = int(np.prod(input_shape))
    return [
        (rng.normal(size=(size, hidden)), rng.normal(size=hidden)),
        (rng.normal(size=(hidden, classes)), rng.normal(size=classes)),
    ]


def digits() -> tuple[np.ndarray, np.ndarray]:
    """Scikit-learn's digits as uint8 (n, 8, 8) with their labels."""
    from sklearn.datasets import load_digits

    data = load_digits()
    return (data.images * 15).astype(np.uint8), data.target.astype(np.int64)


def trained_layers(extra: TriggerSet | None = None, seed: int = 1):
    """A network trained on the digits, and on the triggers of `extra` as well: Mark, in short."""
    from sklearn.neural_network import MLPClassifier

    images, labels = digits()
    if extra is not None:
        images = np.concatenate([images, *[extra.images] * 8])
        labels = np.concatenate([labels, *[extra.labels] * 8])
    network = MLPClassifier((128,), random_state=seed, batch_size=100)
    pixels = images.reshape(len(images), -1) / 255
    for _ in range(100):
        network.partial_fit(pixels, labels, classes=range(10))
        if network.score(pixels, labels) == 1:
            break
    return list(zip(network.coefs_, network.intercepts_, strict=True))


def wmproof(*arguments, cwd, env=None, stdin=subprocess.DEVNULL, **options):
    """Run the real command line in a process of its own, as the installed program does."""
    environment = {"WMPROOF_PASSPHRASE": PASSPHRASE} | (env or {})
    code = "from wmproof.cli import main; main()"
    return run("-c", code, *arguments, cwd=cwd, env=environment, stdin=stdin, **options)


def as_json(result):
    assert result.stderr == ""
    return parse_output(result.stdout)


def complains(result, *words, code=2):
    """One clear error: the exit code, the words, and no traceback."""
    assert result.returncode == code, (result.returncode, result.stdout, result.stderr)
    text = result.stderr if result.stderr.strip() else result.stdout
    assert "Traceback" not in result.stderr
    for word in words:
        assert word in " ".join(text.split()), text
