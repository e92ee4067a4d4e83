"""How a model ends: which answers its numbers are, and which logits they come from.

A group of triggers is hit by the sum of its pictures' logits, whoever adds them up: a claim in zero
knowledge does so inside the circuit, where a last Softmax, LogSoftmax, Sigmoid or Tanh is left out,
and who has the file asks ONNX Runtime for the very tensor before it. So a thief who appends such an
operator, or removes it, changes no hit. Where nobody can look, `undone` takes shares for what they
are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wmproof.errors import InputError
from wmproof.models.strict import MAIN_DOMAINS, nodes_of

if TYPE_CHECKING:
    import onnx

SQUASHING = frozenset({"Softmax", "LogSoftmax", "Sigmoid", "Tanh"})
# These answer with a class, TopK with the classes of the largest scores in their order.
CLASSIFYING = frozenset({"ArgMax", "TopK"})
# Behind the last operator these change no number, and none's place but by its axes' names.
MOVING = frozenset(
    {"Identity", "Squeeze", "Unsqueeze", "Flatten", "Cast", "Reshape"}
    | {"Dropout", "Concat", "Transpose"}
)
_FLOATS = frozenset({1, 10, 11, 16})  # ONNX's FLOAT, FLOAT16, DOUBLE and BFLOAT16
# A number behind one of these is a sum, and no probability.
_LINEAR = ("Gemm", "MatMul", "Conv", "Einsum", "LSTM", "GRU", "RNN", "Attention")
_SUM = 0.01  # of the rounding of floats in a sum of shares
_DIGITS = 6


def is_move(node: onnx.NodeProto) -> bool:
    """Whether a node hands on the numbers that come first, every one, in their order."""
    if node.domain not in MAIN_DOMAINS or node.op_type not in MOVING or not node.input:
        return False
    match node.op_type:
        case "Dropout":
            return not any(node.input[2:])  # the third input can turn it on
        case "Concat":
            return len(node.input) == 1
        case "Transpose":
            axes = [list(a.ints) for a in node.attribute if a.name == "perm"]
            return axes == [sorted(axes[0])] if axes else False
        case _:
            return True


@dataclass(frozen=True)
class Ending:
    """The last operator of a file that does more than move numbers."""

    operator: str = ""
    """Its name in ONNX's own domain, or nothing."""
    logits: str = ""
    """Name of the tensor that is added up over a group: before the operator, where that is one of
    `SQUASHING`, and the output otherwise."""
    doubtful: bool = False
    """Whether one score might be a probability or not."""

    @property
    def is_class(self) -> bool:
        """Whether one number for a picture is the class itself, whatever its type."""
        return self.operator in CLASSIFYING

    @property
    def is_probability(self) -> bool:
        """Whether one score is above 1/2 for class 1, and not above 0."""
        return self.operator == "Sigmoid"

    @property
    def of_logits(self) -> Ending:
        """How the tensor `logits` ends."""
        return Ending() if self.operator in SQUASHING else self

    def __call__(self, output: NDArray[Any], count: int) -> NDArray[Any]:
        """Scores (n, classes) or classes (n,) of what a model returned for n images.

        Anything else is returned as it came.

        InputError if it is one score for each image, and doubtful.
        """
        if not output.size or len(output) != count or output.dtype.kind not in "fiu":
            return output
        flat = output.reshape(count, -1)
        if self.operator == "TopK":
            return flat[:, 0].astype(np.int64)
        if max(output.shape[1:], default=1) != flat.shape[1] or flat.shape[1] > 1:
            return flat if max(output.shape[1:], default=1) == flat.shape[1] else output
        one = flat[:, 0]
        if one.dtype.kind != "f" or self.is_class:
            return one.astype(np.int64)
        if self.doubtful:
            raise doubtful_score()
        limit = 0.5 if self.is_probability else 0.0
        return np.stack([np.full_like(one, limit), one], axis=1)


def doubtful_score() -> InputError:
    """The error for one score of which nobody can say what it is."""
    return InputError(
        "ends in one score, and whether it is a probability is not plain",
        where="ONNX model",
        remedy="Export the model with its last Sigmoid as one operator, or without it",
    )


def find_ending(model: onnx.ModelProto, output: str) -> Ending:
    """Find how a file ends whose functions are put in, see `strict.inlined`.

    InputError if nothing computes the output, or it is a list of classes that begins with another
    one than that of the largest score.
    """
    producers = {name: node for node in model.graph.node for name in node.output if name}
    if output not in producers:
        raise InputError("is never computed", where=f"output {output}")
    name, floats, seen = output, True, set()
    while name in producers and name not in seen and is_move(producers[name]):
        seen.add(name)
        floats &= all(a.i in _FLOATS for a in producers[name].attribute if a.name == "to")
        name = producers[name].input[0]
    last = producers.get(name)
    operator = last.op_type if last is not None and last.domain in MAIN_DOMAINS else ""
    if last is not None and operator == "TopK":
        _check_list(last, name)
    squashed = last is not None and operator in SQUASHING and floats and bool(last.input)
    return Ending(
        operator,
        last.input[0] if squashed and last is not None else output,
        operator != "Sigmoid" and _may_be_probability(producers, name),
    )


def _check_list(node: onnx.NodeProto, name: str) -> None:
    """Refuse what begins with another number than the class of the largest score."""
    where = f"node {node.name or 'TopK'}"
    if name != node.output[1]:
        raise InputError(
            "answers with the largest scores and not with their classes",
            where=where,
            remedy="Name its other output with --output, or export the scores themselves",
        )
    if any(a.name in {"largest", "sorted"} and not a.i for a in node.attribute):
        raise InputError("lists the smallest scores, or in no order", where=where)


def _may_be_probability(producers: dict[str, onnx.NodeProto], name: str) -> bool:
    """Whether a Sigmoid of whatever kind stands behind the last sum of products."""
    waiting, seen = [name], set()
    while waiting:
        name = waiting.pop()
        if name in seen or name not in producers:
            continue
        seen.add(name)
        node = producers[name]
        if any("Sigmoid" in inner.op_type for inner in nodes_of(node)):
            return True
        if not any(word in node.op_type for word in _LINEAR):
            waiting.extend(node.input)
    return False


def undone(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logits behind scores of a model that nobody can look into.

    Scores that are distributions for all pictures, with nothing below 0 or above 1 and a sum of 1,
    are taken for a Softmax's: their logarithms are the logits up to a number for each picture that
    its classes share, which changes no comparison of sums over the same pictures. Others are taken
    for logits. Services round: where all scores have so few digits, each may be off by half of the
    last one, and a sum by as much for each class. A share of 0, which floats or rounding make of
    whatever is far below the others, counts as half of the smallest above 0 among all these scores:
    no picture can veto a class, and where all shares are 0 or 1 the sums are counts of answers.
    `scores` are float64 (n, classes), of all pictures that are asked about.

    Returns
    -------
    ndarray of float64, shape (n, classes)
    """
    if not scores.size or not ((scores >= 0) & (scores <= 1)).all():
        return scores
    off = _SUM + scores.shape[1] * _last_digit(scores) / 2
    if (abs(scores.sum(axis=1) - 1) > off).any():
        return scores
    least = np.log(scores[scores > 0].min(initial=1.0)) - np.log(2)
    logs: NDArray[np.float64] = np.log(np.where(scores > 0, scores, np.nan))
    return np.where(scores > 0, logs, least)


def _last_digit(scores: NDArray[np.float64]) -> float:
    """What the last decimal digit of all scores stands for; 0 where they are not rounded."""
    for digits in range(1, _DIGITS + 1):
        if (abs(scores - scores.round(digits)) <= 1e-3 * 10.0**-digits).all():
            return 10.0**-digits
    return 0.0
