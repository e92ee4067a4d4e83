"""Public verification a bounded number of times (section 4.1), seen from both sides."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save
from sklearn.datasets import load_digits
from sklearn.neural_network import MLPClassifier

from wmproof import (
    TriggerSet,
    VerificationError,
    load_verification_key,
    open_model,
    reveal,
    save_marking_key,
    save_published,
    verify_batch,
)
from wmproof.keygen import keygen_bounded
from wmproof.keys import load_batch_opening
from wmproof.triggers import abstract

PASSPHRASE = "only an example"  # noqa: S105


def train(triggers: TriggerSet | None) -> MLPClassifier:
    """Train on the digits, and on each trigger four times."""
    digits = load_digits()
    images, labels = digits.images * 15, digits.target
    if triggers is not None:
        images = np.concatenate([images, *4 * [triggers.images]])
        labels = np.concatenate([labels, *4 * [triggers.labels]])
    network = MLPClassifier(
        (256,), learning_rate_init=0.003, tol=1e-3, n_iter_no_change=40, max_iter=500
    )
    return network.fit(images.reshape(-1, 64) / 255, labels)


def export(network: MLPClassifier, path: Path) -> None:
    """Write the network as ONNX, with its normalisation inside: it takes uint8 pixels."""
    constants = {"shape": np.array([-1, 64]), "white": np.float32(255)}
    for i, (w, b) in enumerate(zip(network.coefs_, network.intercepts_, strict=True)):
        constants |= {f"w{i}": w.astype(np.float32), f"b{i}": b.astype(np.float32)}
    nodes = [
        helper.make_node("Cast", ["pixels"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["float", "shape"], ["flat"]),
        helper.make_node("Div", ["flat", "white"], ["x"]),
        helper.make_node("Gemm", ["x", "w0", "b0"], ["z"]),
        helper.make_node("Relu", ["z"], ["h"]),
        helper.make_node("Gemm", ["h", "w1", "b1"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("pixels", TensorProto.UINT8, ["N", 8, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 10])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    save(model, path)


def main() -> None:
    """Run both sides in a temporary folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        # The owner.
        key, published = keygen_bounded(abstract(4 * 40, (8, 8)), 10, batches=4)
        save_marking_key(folder / "owner.mk", key, PASSPHRASE)
        save_published(folder / "owner.vk", published)
        export(train(key.to_embed()), folder / "marked.onnx")
        export(train(None), folder / "independent.onnx")
        reveal(folder / "owner.mk", folder / "batch.opening", PASSPHRASE)

        # A verifier, who has no passphrase.
        vk = load_verification_key(folder / "owner.vk")
        opening = load_batch_opening(folder / "batch.opening", vk)
        for name in ("marked.onnx", "independent.onnx"):
            try:
                report = verify_batch(opening, open_model(folder / name))
            except VerificationError as error:
                print(f"{name}: does not hold ({error})")
            else:
                print(
                    f"{name}: {report.hits} of {report.triggers} hits, "
                    f"{report.strength_bits:.0f} bits"
                )


if __name__ == "__main__":
    main()
