"""What an ONNX model must not do before anything is made of it: it may be hostile."""

from collections.abc import Iterator
from typing import Any

from wmproof.errors import FormatError, InputError

# Functions of a file are put in where they are called: few bytes can call each other often.
MOST_NODES = 2**17
# Protocol buffers end here; with its weights and functions put in a model is one.
MODEL_LIMIT = 2**31 - 1
_DEEPEST = 100
_RECURSION = "has functions that call themselves, or each other too deeply"


def check_model(model: Any, where: str) -> None:
    """Refuse a model that is too large once its functions are put in.

    InputError if it has more than `MOST_NODES` operators or `MODEL_LIMIT` bytes, or a function
    calls itself.
    """
    functions = {(item.domain, item.name, item.overload): item for item in model.functions}
    sizes: dict[tuple[str, str, str], tuple[int, int]] = {}

    def count(body: Any, callers: frozenset[tuple[str, str, str]]) -> tuple[int, int]:
        total, size = 0, sum(node.ByteSize() for node in body.node)
        for node in _nodes(body):
            name = (node.domain, node.op_type, node.overload)
            if name in functions:
                if name in callers or len(callers) > _DEEPEST:
                    raise InputError(_RECURSION, where=where)
                if name not in sizes:
                    sizes[name] = count(functions[name], callers | {name})
                total, size = total + sizes[name][0], size + sizes[name][1]
            total += 1
        return total, size

    found, size = count(model.graph, frozenset())
    if found > MOST_NODES:
        raise InputError(f"has {found} operators; {MOST_NODES} are the most", where=where)
    if functions and size + sum(t.ByteSize() for t in model.graph.initializer) > MODEL_LIMIT:
        raise InputError(
            f"is larger than {MODEL_LIMIT} bytes once its functions are put in", where=where
        )


def check_pools(model: Any, where: str) -> None:
    """Refuse pools with channels last: of an empty result ONNX Runtime divides by its size.

    That ends the process. Whether a result is empty can depend on what is asked.

    InputError if there is one. ONNX Runtime makes them for itself, and `open_session` tells it not
    to.
    """
    for message in messages(model):
        if getattr(message, "op_type", None) != "QLinearAveragePool":
            continue
        for attribute in message.attribute:
            if attribute.name == "channels_last" and (attribute.i or attribute.ref_attr_name):
                raise InputError(
                    "has a QLinearAveragePool with channels last, which ONNX Runtime is not safe "
                    "to run",
                    where=where,
                    remedy="Give the model as it was before ONNX Runtime optimised it",
                )


def check_text(model: Any, where: str) -> None:
    """Refuse a name or another text that is not UTF-8: protobuf hands it out as bytes.

    Raises
    ------
    FormatError
    """
    for message in messages(model):
        for field, value in message.ListFields():
            if field.type != field.TYPE_STRING:
                continue
            if any(isinstance(text, bytes) for text in (value if field.is_repeated else (value,))):
                raise FormatError(f"has a text that is not UTF-8 ({field.full_name})", where=where)


def _nodes(body: Any) -> Iterator[Any]:
    """The nodes of a graph or a function, those of subgraphs too."""
    for node in body.node:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _nodes(graph)


def messages(message: Any) -> Iterator[Any]:
    """A message and all that is in it, in functions and subgraphs too."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for item in value if field.is_repeated else (value,):
                yield from messages(item)
