"""A trained network as one ONNX file that takes uint8 pixels."""

import contextlib
import copy
import io
import os
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np
import onnx
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils.fusion import fuse_linear_bn_eval

from wmproof._base.files import check_target, write_file
from wmproof.core.shown import Report
from wmproof.errors import InputError
from wmproof.training.normalization import Normalization, Normalized

OPSET = 18  # the current exporter's lowest
_LARGEST = 2**31 - 2**20  # bytes of weights: protobuf's limit, less some for the graph
_CLEAR_MARGIN = 1e-3
_BATCH = 500


@dataclass(frozen=True)
class ExportCheck(Report):
    """How ONNX Runtime and torch agreed on the exported model."""

    images: int
    """How many were compared."""
    agreeing: int
    """Images that both give the same class."""
    largest_difference: float
    """Between two logits."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as `json.dumps` takes it."""
        return asdict(self)


def to_onnx(
    model: nn.Module,
    normalization: Normalization,
    shape: tuple[int, int, int],
    *,
    exporter: str = "auto",
) -> bytes:
    """Serialise a network with its normalisation in front.

    The graph takes `images`, uint8 (batch, C, H, W) with a free batch size, and gives `logits`,
    float32 (batch, classes): Cast, Sub, Mul, then the network. Batch normalisations that follow a
    convolution, or a fully connected layer in an `nn.Sequential`, are folded into it. All weights
    are inside, and nothing that says where the network's source is.

    Parameters
    ----------
    model : nn.Module
        Maps normalised images to logits.
    normalization : Normalization
        What its training images went through.
    shape : tuple[int, int, int]
        Channels, height and width.
    exporter : str
        torch's 'dynamo', its older 'torchscript', or 'auto': the older one only for what the other
        cannot express, or where this torch has no other.

    Raises
    ------
    InputError
        There is no such exporter, or the network cannot be expressed in ONNX, or has more weights
        than one file can hold.
    """
    if exporter not in ("auto", *EXPORTERS):
        known = ", ".join(map(repr, ("auto", *EXPORTERS)))
        raise InputError(f"exporter is {exporter!r}; {known} are known")
    _check_size(model)
    whole = Normalized(copy.deepcopy(model), normalization).cpu().eval().requires_grad_(False)
    _fold_after_linear(whole)
    example = torch.zeros((2, *shape), dtype=torch.uint8)
    failure: Exception | None = None
    for name in EXPORTERS if exporter == "auto" else (exporter,):
        try:
            with _silence():
                exported = EXPORTERS[name](whole, example)
            break
        except Exception as error:  # an exporter raises whatever its many stages raise
            failure = failure or error
    else:
        words = (str(failure).splitlines() or [type(failure).__name__])[0]
        absent = isinstance(failure, ImportError)
        raise InputError(
            f"the network cannot be exported: {words}",
            remedy="Install the extra: pip install 'wmproof[train]'" if absent else None,
        ) from failure
    _forget_source(exported)
    onnx.checker.check_model(exported, full_check=True)
    return bytes(exported.SerializeToString(deterministic=True))


def _check_size(model: nn.Module) -> None:
    """Refuse what protobuf would, after minutes and in words of its own."""
    tensors = (*model.parameters(), *model.buffers())
    size = sum(tensor.nbytes for tensor in tensors if not is_lazy(tensor))
    if size > _LARGEST:
        raise InputError(
            f"the weights take {size / 1e9:.1f} GB, and one ONNX file holds 2 GB",
            remedy="Export it by torch.onnx.export with external_data=True, and give the commands "
            "--mean and --std",
        )


def _by_dynamo(model: nn.Module, example: Tensor) -> onnx.ModelProto:
    """Export by torch's current exporter, from one tensor with an open batch."""
    program: Any = torch.onnx.export(
        model,
        (example,),
        dynamo=True,
        verbose=False,
        opset_version=OPSET,
        input_names=["images"],
        output_names=["logits"],
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        external_data=False,
    )
    exported: onnx.ModelProto = program.model_proto
    return exported


def _by_torchscript(model: nn.Module, example: Tensor) -> onnx.ModelProto:
    """Export by torch's older exporter, from one tensor with an open batch."""
    buffer = io.BytesIO()
    torch.onnx.export(
        model,
        (example,),
        cast("Any", buffer),  # whose type names paths only
        dynamo=False,
        opset_version=OPSET,
        input_names=["images"],
        output_names=["logits"],
        dynamic_axes={"images": {0: "batch"}, "logits": {0: "batch"}},
    )
    exported = onnx.load_from_string(buffer.getvalue())
    _unshare_weights(exported.graph)
    return exported


EXPORTERS: dict[str, Callable[[nn.Module, Tensor], onnx.ModelProto]] = {
    "dynamo": _by_dynamo,
    "torchscript": _by_torchscript,
}
"""torch's exporters, in the order in which they are tried."""


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Keep the exporters' own remarks, which concern their developers, to themselves."""
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        yield


def _forget_source(message: Any) -> None:
    """Take away stack traces: paths of this machine, and lines of the owner's program."""
    for field, value in message.ListFields():
        if field.name in ("doc_string", "metadata_props"):
            message.ClearField(field.name)
        elif field.message_type is not None:
            for part in [value] if hasattr(value, "ListFields") else value:
                _forget_source(part)


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
    check_target(path, overwrite=overwrite)
    channels, height, width = images.shape[1:]
    exported = to_onnx(model, normalization, (channels, height, width))
    check = compare_with_torch(exported, model, normalization, images)
    write_file(path, exported, overwrite=overwrite)
    return check
