"""A trained network as one ONNX file that takes uint8 pixels."""

from __future__ import annotations

import copy
import io
import os
import warnings
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_linear_bn_eval

from wmproof._files import write_file
from wmproof.errors import InputError
from wmproof.training.normalization import Normalization, Normalized

OPSET = 17
_CLEAR_MARGIN = 1e-3
_BATCH = 500


@dataclass(frozen=True)
class ExportCheck:
    """How ONNX Runtime and torch agreed on the exported model.

    Parameters
    ----------
    images : int
        How many were compared.
    agreeing : int
        Images that both give the same class.
    largest_difference : float
        Between two logits.
    """

    images: int
    agreeing: int
    largest_difference: float


def to_onnx(model: nn.Module, normalization: Normalization, shape: tuple[int, int, int]) -> bytes:
    """Serialise a network with its normalisation in front.

    The graph takes `images`, uint8 (batch, C, H, W) with a free batch size, and gives `logits`,
    float32 (batch, classes): Cast, Sub, Mul, then the network. Batch normalisations that follow a
    convolution, or a fully connected layer in an `nn.Sequential`, are folded into it. All weights
    are inside.

    Parameters
    ----------
    model : nn.Module
        Maps normalised images to logits.
    normalization : Normalization
        What its training images went through.
    shape : tuple[int, int, int]
        Channels, height and width.

    Raises
    ------
    InputError
        The network cannot be expressed in ONNX.
    """
    whole = Normalized(copy.deepcopy(model), normalization).cpu().eval()
    _fold_after_linear(whole)
    example = torch.zeros((2, *shape), dtype=torch.uint8)
    buffer = io.BytesIO()
    try:
        with warnings.catch_warnings():
            # The newer exporter leaves reshapes and reductions that circuits would have to undo.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                whole,
                (example,),
                cast("Any", buffer),  # whose type names paths only
                dynamo=False,
                opset_version=OPSET,
                input_names=["images"],
                output_names=["logits"],
                dynamic_axes={"images": {0: "batch"}, "logits": {0: "batch"}},
            )
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        raise InputError(f"the network cannot be exported: {str(error).splitlines()[0]}") from error
    graph = onnx.load_from_string(buffer.getvalue())
    _unshare_weights(graph.graph)
    onnx.checker.check_model(graph, full_check=True)
    return bytes(graph.SerializeToString(deterministic=True))


def _fold_after_linear(model: nn.Module) -> None:
    """Fold batch normalisations into fully connected layers; the exporter does convolutions."""
    for sequence in [m for m in model.modules() if isinstance(m, nn.Sequential)]:
        for place in range(len(sequence) - 1):
            linear, normalisation = sequence[place], sequence[place + 1]
            if isinstance(linear, nn.Linear) and isinstance(normalisation, nn.BatchNorm1d):
                sequence[place] = fuse_linear_bn_eval(linear, normalisation)
                sequence[place + 1] = nn.Identity()


def _unshare_weights(graph: onnx.GraphProto) -> None:
    """Store equal weights twice, where the exporter stored them once behind an Identity."""
    weights = {weight.name: weight for weight in graph.initializer}
    for node in list(graph.node):
        node.doc_string = ""
        if node.op_type == "Identity" and node.input[0] in weights:
            duplicate = graph.initializer.add()
            duplicate.CopyFrom(weights[node.input[0]])
            duplicate.name = node.output[0]
            weights[duplicate.name] = duplicate
            graph.node.remove(node)


def compare_with_torch(
    exported: bytes, model: nn.Module, normalization: Normalization, images: Tensor
) -> ExportCheck:
    """Ask ONNX Runtime and torch about the same images.

    Parameters
    ----------
    images : Tensor
        uint8 (N, C, H, W), N at least 1.

    Raises
    ------
    InputError
        They differ on an image whose two best logits are clearly apart.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(exported, options, providers=["CPUExecutionProvider"])
    whole = Normalized(copy.deepcopy(model), normalization).cpu().eval()
    agreeing, largest, clear_differences = 0, 0.0, 0
    for part in torch.split(images.cpu(), _BATCH):
        with torch.inference_mode():
            expected = whole(part)
        actual = torch.from_numpy(np.asarray(session.run(["logits"], {"images": part.numpy()})[0]))
        largest = max(largest, float((expected - actual).abs().max()))
        same = expected.argmax(dim=1) == actual.argmax(dim=1)
        best = expected.topk(2, dim=1).values
        clear = best[:, 0] - best[:, 1] > _CLEAR_MARGIN * (1 + best[:, 0].abs())
        agreeing += int(same.sum())
        clear_differences += int((clear & ~same).sum())
    if clear_differences:
        raise InputError(
            f"ONNX Runtime and torch disagree on {clear_differences} of {len(images)} images",
            where="export",
        )
    return ExportCheck(len(images), agreeing, largest)


def export_onnx(
    model: nn.Module,
    normalization: Normalization,
    path: str | os.PathLike[str],
    *,
    images: Tensor,
    overwrite: bool = False,
) -> ExportCheck:
    """Write a network as ONNX once ONNX Runtime agrees with torch on real images.

    Parameters
    ----------
    model : nn.Module
        Maps normalised float32 images (N, C, H, W) to logits.
    normalization : Normalization
        What its training images went through; it becomes part of the file.
    path : path
        Where to.
    images : Tensor
        uint8 (N, C, H, W), N at least 1, to compare on; they also give the shape.
    overwrite : bool
        Replace a file that exists.

    Raises
    ------
    InputError
        The network cannot be exported, the answers differ, or the file cannot be written.
    """
    channels, height, width = images.shape[1:]
    exported = to_onnx(model, normalization, (channels, height, width))
    check = compare_with_torch(exported, model, normalization, images)
    write_file(path, exported, overwrite=overwrite)
    return check
