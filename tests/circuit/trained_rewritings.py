"""Trained, marked networks rewritten without changing what they compute.

    python tests/circuit/trained_rewritings.py --models mlp lenet5 resnet18 --chains 10

One line of a Markdown table for each network: how many answers to embedded triggers change in the
circuit, and the least agreement on test data, over random chains of rewritings.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper
from torch import Tensor, nn

from wmproof.circuit.compile import compile_model
from wmproof.circuit.report import circuit_answers
from wmproof.core.triggers import noise
from wmproof.keys.keygen import pkeygen
from wmproof.models.base import fit_images
from wmproof.training import Recipe, mark
from wmproof.training.data import load
from wmproof.training.export import to_onnx
from wmproof.training.networks import build
from wmproof.training.normalization import Normalization

Random = np.random.Generator
# Width, epochs; the widths of the command line's zoo are the networks' own.
SIZES = {"mlp": (64, 12), "lenet5": (6, 30), "resnet18": (16, 12), "attention": (32, 30)}


@dataclass(frozen=True)
class Seam:
    """Channels between layers that write them and layers that read them.

    A writer is a layer and the BatchNorm behind it, if there is one; `inner` says that the channels
    go nowhere else, so that their number may change.
    """

    writers: list[tuple[nn.Module, nn.Module | None]]
    readers: list[nn.Module]
    inner: bool = True

    @property
    def channels(self) -> int:
        return len(self.writers[0][0].weight)

    def scale(self, factor: torch.Tensor, random: Random) -> None:
        """Each channel times its factor where it is written, and by it where it is read."""
        for layer, norm in self.writers:
            if norm is not None and random.integers(2):
                _times(norm.weight, factor)
                _times(norm.bias, factor)
                continue
            _times(layer.weight, factor)
            if norm is None:
                _times(layer.bias, factor)
                continue
            # epsilon is added to the variance, so the gain makes up for it.
            old = norm.running_var.double() + norm.eps
            _times(norm.running_mean, factor)
            _times(norm.running_var, factor**2)
            new = norm.running_var.double() + norm.eps
            _times(norm.weight, (new / old).sqrt())
            _times(norm.bias, factor)
        for layer in self.readers:
            _columns(layer, self.channels, lambda w: w / factor[:, None])

    def arrange(self, order: list[int]) -> None:
        """Channels in another order, one of them perhaps twice; readers must be mended after."""
        for layer, norm in self.writers:
            for owner, names in ((layer, ("weight", "bias")), (norm, _NORM)):
                for name in names:
                    value = getattr(owner, name, None)
                    if value is not None:
                        _set(owner, name, value[order])
        for layer in self.readers:
            _columns(layer, self._before, lambda w: w[order])

    @property
    def _before(self) -> int:
        first = self.readers[0].weight
        if isinstance(self.readers[0], nn.Conv2d):
            return first.shape[1]
        return first.shape[1] // self._places

    @property
    def _places(self) -> int:
        return getattr(self.readers[0], "places", 1)


@dataclass(frozen=True)
class Scores(Seam):
    """Channels of queries, which are multiplied by those of the keys."""

    keys: nn.Linear = field(default_factory=lambda: nn.Linear(1, 1))

    def scale(self, factor: torch.Tensor, random: Random) -> None:
        super().scale(factor, random)
        _times(self.keys.weight, 1 / factor)
        _times(self.keys.bias, 1 / factor)

    def arrange(self, order: list[int]) -> None:
        super().arrange(order)
        for name in ("weight", "bias"):
            _set(self.keys, name, getattr(self.keys, name)[order])


class Attention(nn.Module):
    """One layer of attention with one head, and a dense layer, over the digits' 2x2 patches."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.embed = nn.Linear(4, width)
        self.places = nn.Embedding(16, width)
        self.queries, self.keys, self.values, self.out = (nn.Linear(width, width) for _ in range(4))
        self.hidden, self.back = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.classifier = nn.Linear(width, classes)
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        patches = x.reshape(-1, 4, 2, 4, 2).transpose(2, 3).reshape(-1, 16, 4)
        x = self.embed(patches) + self.places.weight
        scores = self.queries(x) @ self.keys(x).transpose(1, 2) / self.width**0.5
        x = x + self.out(scores.softmax(-1) @ self.values(x))
        x = x + self.back(self.hidden(x).relu())
        return self.classifier(x.mean(1))


_LAYERS = (nn.Conv2d, nn.Linear)
_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d)
_NORM = ("weight", "bias", "running_mean", "running_var")


def _set(owner: nn.Module, name: str, value: torch.Tensor) -> None:
    value = value.detach().float().clone()
    is_parameter = name in owner._parameters
    setattr(owner, name, nn.Parameter(value) if is_parameter else value)


def _times(target: torch.Tensor | None, factor: torch.Tensor) -> None:
    if target is None:
        return
    shape = (-1, *(1 for _ in target.shape[1:]))
    target.data = (target.data.double() * factor.reshape(shape)).float()


def _columns(
    layer: nn.Module, channels: int, change: Callable[[torch.Tensor], torch.Tensor]
) -> None:
    """Apply `change` to what a reader does with each channel, as rows (channels, ...)."""
    weight = layer.weight.detach().double()
    rows = weight.reshape(len(weight), channels, -1).transpose(0, 1)
    new = change(rows.reshape(channels, -1))
    new = new.reshape(len(new), len(weight), -1).transpose(0, 1)
    _set(layer, "weight", new.reshape(len(weight), -1, *weight.shape[2:]))


def seams(name: str, network: nn.Module) -> list[Seam]:
    """Wherever channels may be rewritten."""
    if name == "resnet18":
        return _residual_seams(network)
    if isinstance(network, Attention):
        return [
            Scores([(network.queries, None)], [], inner=False, keys=network.keys),
            Seam([(network.values, None)], [network.out]),
            Seam([(network.hidden, None)], [network.back]),
        ]
    parts = [m for m in network.modules() if isinstance(m, (*_LAYERS, *_NORMS))]
    layers = [m for m in parts if isinstance(m, _LAYERS)]
    norms = {a: b for a, b in pairwise(parts) if isinstance(a, _LAYERS) and isinstance(b, _NORMS)}
    for before, after in pairwise(layers):
        if isinstance(before, nn.Conv2d) and isinstance(after, nn.Linear):
            after.places = after.in_features // before.out_channels
    return [Seam([(before, norms.get(before))], [after]) for before, after in pairwise(layers)]


def _residual_seams(network: nn.Module) -> list[Seam]:
    found = []
    stream = Seam([(network.stem[0], network.stem[1])], [], inner=False)
    for block in network.blocks:
        found.append(Seam([(block.body[0], block.body[1])], [block.body[3]]))
        stream.readers.append(block.body[0])
        if isinstance(block.shortcut, nn.Sequential):
            stream.readers.append(block.shortcut[0])
            found.append(stream)
            stream = Seam([(block.shortcut[0], block.shortcut[1])], [], inner=False)
        stream.writers.append((block.body[3], block.body[4]))
    stream.readers.append(network.classifier[1])
    return [*found, stream]


def scaled(seam: Seam, random: Random) -> None:
    """One channel or many times 1e-3 to 1e3."""
    factor = 10 ** random.uniform(-3, 3, seam.channels)
    kept = random.random(seam.channels) < random.choice([0.0, 0.5, 0.95])
    seam.scale(torch.from_numpy(np.where(kept, 1.0, factor)), random)


def permuted(seam: Seam, random: Random) -> None:
    seam.arrange(random.permutation(seam.channels).tolist())


def duplicated(seam: Seam, random: Random) -> None:
    """One channel twice; what is read of it is shared out between the two."""
    if not seam.inner:
        return permuted(seam, random)
    which, share = int(random.integers(seam.channels)), random.uniform(0.1, 0.9)
    seam.arrange([*range(seam.channels), which])
    parts = torch.ones(seam.channels, dtype=torch.float64)
    parts[which], parts[-1] = share, 1 - share
    for layer in seam.readers:
        _columns(layer, seam.channels, lambda w: w * parts[:, None])
    return None


def split(seam: Seam, random: Random) -> None:
    """One channel as two parts of it, which are read alike."""
    if not seam.inner:
        return permuted(seam, random)
    which, share = int(random.integers(seam.channels)), random.uniform(0.01, 0.99)
    seam.arrange([*range(seam.channels), which])
    parts = torch.ones(seam.channels, dtype=torch.float64)
    parts[which], parts[-1] = share, 1 - share
    for layer, norm in seam.writers:
        for owner in (layer,) if norm is None else (norm,):
            _times(owner.weight, parts)
            _times(owner.bias, parts)
    return None


def dead(seam: Seam, random: Random) -> None:
    """A channel of any size that nobody listens to."""
    if not seam.inner:
        return permuted(seam, random)
    seam.arrange([*range(seam.channels), int(random.integers(seam.channels))])
    size = torch.ones(seam.channels, dtype=torch.float64)
    size[-1] = 10 ** random.uniform(-3, 3)
    for layer, norm in seam.writers:
        _times((norm or layer).weight, size)
    heard = torch.ones(seam.channels, dtype=torch.float64)
    heard[-1] = 0
    for layer in seam.readers:
        _columns(layer, seam.channels, lambda w: w * heard[:, None])
    return None


REWRITINGS = (scaled, scaled, scaled, permuted, duplicated, split, dead)


def rewritten(name: str, network: nn.Module, random: Random, length: int = 8) -> nn.Module:
    """The network after a random chain of rewritings."""
    network = copy.deepcopy(network)
    places = seams(name, network)
    for _ in range(length):
        step = REWRITINGS[random.integers(len(REWRITINGS))]
        step(places[random.integers(len(places))], random)
    last = [m for m in network.modules() if isinstance(m, nn.Linear)][-1]
    size = torch.tensor([10 ** random.uniform(-3, 3)], dtype=torch.float64)
    _times(last.weight, size.expand(len(last.weight)))
    _times(last.bias, size.expand(len(last.bias)))
    return _with_split_last(network, last, random) if random.integers(2) else network


def _with_split_last(network: nn.Module, last: nn.Module, random: Random) -> nn.Module:
    """The last layer as two, with no activation between: an orthogonal matrix and its inverse."""
    turn = np.linalg.qr(random.normal(size=(len(last.weight), len(last.weight))))[0]
    first, second = copy.deepcopy(last), nn.Linear(len(turn), len(turn))
    _set(first, "weight", torch.from_numpy(turn) @ last.weight.detach().double())
    _set(first, "bias", torch.from_numpy(turn) @ last.bias.detach().double())
    _set(second, "weight", torch.from_numpy(turn.T))
    _set(second, "bias", torch.zeros(len(turn)))
    for parent in network.modules():
        for name, child in parent.named_children():
            if child is last:
                setattr(parent, name, nn.Sequential(first, second))
    return network


def with_identities(model: bytes, random: Random) -> bytes:
    """Identities between some of the nodes."""
    proto = onnx.load_from_string(model)
    nodes, renamed = [], {}
    for index, node in enumerate(proto.graph.node):
        node.input[:] = [renamed.get(n, n) for n in node.input]
        nodes.append(node)
        if random.random() < 0.3 and node.output[0] != proto.graph.output[0].name:
            renamed[node.output[0]] = f"same{index}"
            nodes.append(helper.make_node("Identity", [node.output[0]], [f"same{index}"]))
    kept = [copy.deepcopy(node) for node in nodes]
    del proto.graph.node[:]
    proto.graph.node.extend(kept)
    return bytes(proto.SerializeToString())


@dataclass(frozen=True)
class Marked:
    """A trained and marked network, and the pictures on which its answers are compared."""

    name: str
    network: nn.Module
    scaling: Normalization
    opened: NDArray[np.uint8]
    embedded: NDArray[np.uint8]
    labels: NDArray[np.int64]
    test: NDArray[np.uint8]

    @classmethod
    def train(cls, name: str) -> Marked:
        """On scikit-learn's digits, with noise triggers."""
        width, epochs = SIZES[name]
        data = load("digits")
        key, public = pkeygen(noise(64, data.shape), data.classes, security=16)
        recipe = Recipe(
            epochs=epochs,
            batch_size=50,
            triggers_per_batch=12,
            learning_rate=0.05,
            schedule="cosine",
            weight_decay=1e-3,
        )
        if name == "attention":
            torch.manual_seed(3)
            network = Attention(width, data.classes)
        else:
            network = build(name, data.shape, data.classes, width=width, seed=3)
        result = mark(network, data.training_set(), key.to_embed(), recipe=recipe, seed=3)
        hidden = key.to_embed()
        opened, embedded, test = (
            fit_images(np.asarray(images), data.shape)
            for images in (public.opened.triggers.images, hidden.images, data.test_images)
        )
        model, scaling = result.model.eval(), result.normalization
        return cls(name, model, scaling, opened, embedded, hidden.labels, test)

    def answers(self, model: bytes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Of the circuit, to embedded triggers and to test data."""
        circuit = compile_model(model, self.opened).circuit
        return circuit_answers(circuit, self.embedded), circuit_answers(circuit, self.test)

    def compare(self, chains: int, seed: int = 0) -> tuple[int, list[float], float]:
        """Changed answers to triggers, each chain's agreement on test data, the least in float."""
        random = np.random.default_rng(seed)
        plain = to_onnx(self.network, self.scaling, self.test.shape[1:])
        triggers, test = self.answers(plain)
        changed, agreement, floats = 0, [], 1.0
        pictures = torch.from_numpy(self.test).float()
        mean, std = (torch.tensor(v)[:, None, None] for v in (self.scaling.mean, self.scaling.std))
        with torch.no_grad():
            expected = self.network((pictures - mean) / std).argmax(1)
        for _ in range(chains):
            network = rewritten(self.name, self.network, random)
            with torch.no_grad():
                same = network((pictures - mean) / std).argmax(1) == expected
            model = with_identities(to_onnx(network, self.scaling, self.test.shape[1:]), random)
            found = self.answers(model)
            changed += int((found[0] != triggers).sum())
            agreement.append(float(np.mean(found[1] == test)))
            floats = min(floats, float(same.float().mean()))
        return changed, agreement, floats


def main() -> None:
    """Train, rewrite and compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--chains", type=int, default=10)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print("| network | chains | triggers | changed | mean agreement | least | in float |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name in arguments.models:
        marked = Marked.train(name)
        changed, agreement, floats = marked.compare(arguments.chains)
        shares = [float(np.mean(agreement)), min(agreement), floats]
        cells = [name, arguments.chains, len(marked.embedded), changed]
        cells += [f"{100 * share:.2f} %" for share in shares]
        print("|", " | ".join(map(str, cells)), "|", flush=True)


if __name__ == "__main__":
    main()
