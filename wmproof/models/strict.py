"""What could be read in two ways is refused: a file means to us what it means to ONNX Runtime.

Whoever hands in the file chooses every byte of it. Where the standard leaves a choice, or where a
reader might look at one of two things of the same name, two programs see two models.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from wmproof.errors import InputError
from wmproof.models.onnx_checks import messages

if TYPE_CHECKING:
    import onnx

MAIN_DOMAINS = frozenset({"", "ai.onnx"})
# Domains whose operators ONNX Runtime brings along, whatever a file's functions say.
_BUILT_IN = ("ai.onnx", "com.microsoft", "com.ms", "org.pytorch.aten")
_OLDEST = 7  # ONNX Runtime promises nothing for older operator sets
# What is on or off; a runtime may take another number for either, and does for `ceil_mode`.
_FLAGS = frozenset(
    {"allowzero", "antialias", "ceil_mode", "channels_last", "count_include_pad", "exclude_outside"}
    | {"fmod", "keepdims", "noop_with_empty_axes", "saturate", "select_last_index", "storage_order"}
    | {"training_mode", "transA", "transB", "upper"}
)
_EXPORT = "Export the model again with a current exporter"


def check_one_reading(model: onnx.ModelProto) -> None:
    """Look for what two readers of a file may take differently.

    InputError if it has such names, domains, functions or truth values.
    """
    check_functions(model)
    _check_names(model.graph)
    _check_truth(model)
    for node in _nodes([model.graph, *model.functions]):
        _once(f"node {node.name or node.op_type}", (a.name for a in node.attribute), "attribute")


def check_flags(model: onnx.ModelProto) -> None:
    """Look for flags that are neither on nor off, in a model whose functions are put in.

    InputError if there is one.
    """
    for node in _nodes([model.graph]):
        for attribute in node.attribute:
            if attribute.name in _FLAGS and attribute.i not in {0, 1}:
                where = f"node {node.name or node.op_type}"
                raise _refuse(f"has {attribute.name} = {attribute.i}, which is 0 or 1", where)


def check_functions(model: onnx.ModelProto) -> None:
    """Look for functions that a runtime may take for others, or leave aside.

    InputError if there are operator sets or functions with two meanings.
    """
    _check_domains(model)
    _check_functions(model)


def inlined(model: onnx.ModelProto, where: str) -> onnx.ModelProto:
    """Return the model with its functions put in where they are called.

    InputError as `check_functions`, or if a call does not fit its function, or the result is
    too large.
    """
    if not model.functions:
        return model
    from onnx import inliner

    check_functions(model)
    try:
        result = inliner.inline_local_functions(model)
    except Exception as error:  # whatever its C++ meets
        reason = " ".join(str(error).split())[:200]
        raise _refuse(f"has functions that cannot be put in ({reason})", where) from None
    if not result.graph.node:
        raise _refuse("has no operators once its functions are put in", where)
    functions = {(f.domain, f.name) for f in model.functions}
    for node in _nodes([result.graph]):
        if (node.domain, node.op_type) in functions:
            raise _refuse(f"calls {node.domain}.{node.op_type}, which cannot be put in", where)
    return result


def _refuse(what: str, where: str = "ONNX model") -> InputError:
    return InputError(what, where=where, remedy=_EXPORT)


def _domain(name: str) -> str:
    return "" if name in MAIN_DOMAINS else name


def _check_domains(model: onnx.ModelProto) -> None:
    _once(
        "ONNX model", (_domain(o.domain) or "ai.onnx" for o in model.opset_import), "operator set"
    )
    versions = {_domain(o.domain): o.version for o in model.opset_import}
    if versions.get("", _OLDEST) < _OLDEST:
        raise _refuse(f"uses operator set {versions['']}; {_OLDEST} is the oldest with one meaning")
    for function in model.functions:
        where = f"function {function.domain}.{function.name}"
        _once(
            where, (_domain(o.domain) or "ai.onnx" for o in function.opset_import), "operator set"
        )
        for entry in function.opset_import:
            ours = versions.get(_domain(entry.domain), entry.version)
            if entry.version != ours:
                raise _refuse(f"uses operator set {entry.version}, the model uses {ours}", where)


def _check_functions(model: onnx.ModelProto) -> None:
    import onnx

    names = [f"{f.domain}.{f.name}.{f.overload}" for f in model.functions]
    _once("ONNX model", names, "function")
    for function in model.functions:
        domain = function.domain
        built_in = any(domain == d or domain.startswith(f"{d}.") for d in _BUILT_IN)
        if domain in MAIN_DOMAINS or built_in or onnx.defs.has(function.name, domain):
            raise _refuse(
                "has the domain of built-in operators, which runtimes take instead of it",
                f"function {domain or 'ai.onnx'}.{function.name}",
            )


def _check_names(graph: onnx.GraphProto) -> None:
    _once("ONNX model", (t.name for t in graph.initializer), "initializer")
    _once("ONNX model", (v.name for v in graph.input), "input")
    _once("ONNX model", (v.name for v in graph.output), "output")
    if graph.sparse_initializer:
        raise _refuse("has sparse initializers, which are not read")
    known = [v.name for v in graph.input]
    known += [t.name for t in graph.initializer if t.name not in set(known)]
    _once("ONNX model", [*known, *(n for node in graph.node for n in node.output if n)], "tensor")


def _check_truth(model: onnx.ModelProto) -> None:
    """A truth value of 256 is true, and false in one byte."""
    import onnx

    for tensor in messages(model):
        if isinstance(tensor, onnx.TensorProto) and tensor.data_type == onnx.TensorProto.BOOL:
            values = {*tensor.raw_data, *tensor.int32_data}
            if not values <= {0, 1}:
                raise _refuse("has truth values other than 0 and 1", f"tensor {tensor.name}")


def _once(where: str, names: Iterable[str], what: str) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise _refuse(f"has two of the {what} {twice[0]!r}", where)


def _nodes(bodies: Iterable[Any]) -> Iterator[onnx.NodeProto]:
    for body in bodies:
        for node in body.node:
            yield node
            yield from _nodes(g for a in node.attribute for g in (a.g, *a.graphs))


def nodes_of(node: onnx.NodeProto) -> Iterator[onnx.NodeProto]:
    """A node and all that its subgraphs hold."""
    yield node
    yield from _nodes(g for a in node.attribute for g in (a.g, *a.graphs))
