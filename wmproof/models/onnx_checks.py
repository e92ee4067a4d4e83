"""What an ONNX file must not do before anything is made of it: it may be hostile."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wmproof.errors import FormatError, InputError

# Functions of a file are put in where they are called: few bytes can call each other often.
MOST_NODES = 2**17
_DEEPEST = 100
_RECURSION = "has functions that call themselves, or each other too deeply"


def check_model(model: Any, where: str) -> None:
    """Refuse a model that reads other files, or that is too large once its functions are put in.

    Parameters
    ----------
    model : onnx.ModelProto
    where : str

    Raises
    ------
    FormatError
        A tensor anywhere in it, in a function or a subgraph too, is in another file.
    InputError
        It has more than `MOST_NODES` operators, or a function calls itself.
    """
    _check_self_contained(model, where)
    _check_nodes(model, where)


def _check_self_contained(model: Any, where: str) -> None:
    """No digest covers weights in other files, and a path could point anywhere."""
    from onnx import TensorProto

    for message in _messages(model):
        if isinstance(message, TensorProto) and message.data_location == TensorProto.EXTERNAL:
            raise FormatError(
                "keeps weights in another file",
                where=where,
                remedy="Save the model as one file: onnx.save(model, path)",
            )


def _check_nodes(model: Any, where: str) -> None:
    functions = {(item.domain, item.name, item.overload): item for item in model.functions}
    sizes: dict[tuple[str, str, str], int] = {}

    def count(body: Any, callers: frozenset[tuple[str, str, str]]) -> int:
        total = 0
        for node in _nodes(body):
            name = (node.domain, node.op_type, node.overload)
            if name in functions:
                if name in callers or len(callers) > _DEEPEST:
                    raise InputError(_RECURSION, where=where)
                if name not in sizes:
                    sizes[name] = count(functions[name], callers | {name})
                total += sizes[name]
            total += 1
        return total

    found = count(model.graph, frozenset())
    if found > MOST_NODES:
        raise InputError(f"has {found} operators; {MOST_NODES} are the most", where=where)


def _nodes(body: Any) -> Iterator[Any]:
    """The nodes of a graph or a function, those of subgraphs too."""
    for node in body.node:
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _nodes(graph)


def _messages(message: Any) -> Iterator[Any]:
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for item in value if field.is_repeated else (value,):
                yield from _messages(item)
