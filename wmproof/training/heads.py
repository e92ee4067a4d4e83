"""A network as a body that makes features and a head, its output layer, that reads them."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from wmproof.errors import InputError


@dataclass(frozen=True)
class Parts:
    """A body and a head whose composition is the network."""

    body: nn.Module
    """Maps inputs (N, C, H, W) to features (N, F)."""
    head: nn.Linear
    """Maps features to logits."""
    place: str
    """Name of the head within the network, as in `named_modules`."""

    def with_head(self, head: nn.Linear) -> nn.Module:
        """Return a copy of the network with another output layer."""
        return _replaced(self.body, self.place, copy.deepcopy(head))


class FrozenBody(nn.Module):
    """Trains the head only; the body stays in evaluation mode, its running averages with it.

    The head of `parts` is trained in place.
    """

    def __init__(self, parts: Parts) -> None:
        super().__init__()
        self.body = parts.body.requires_grad_(False)
        self.head = parts.head

    def train(self, mode: bool = True) -> FrozenBody:
        """Switch the mode of the head, never of the body."""
        super().train(mode)
        self.body.eval()
        return self

    def forward(self, images: Tensor) -> Tensor:
        """Map inputs (N, C, H, W) to logits."""
        with torch.no_grad():
            features = self.body(images)
        logits: Tensor = self.head(features)
        return logits


def split_head(model: nn.Module) -> Parts:
    """Split a copy of the network before its last fully connected layer.

    InputError if it has none.
    """
    named = [(name, part) for name, part in model.named_modules() if isinstance(part, nn.Linear)]
    if not named or not named[-1][0]:
        raise InputError(
            "the network does not end in a fully connected layer of its own",
            remedy="Attacks on the last layer need one",
        )
    place, head = named[-1]
    return Parts(_replaced(model, place, nn.Identity()), copy.deepcopy(head), place)


def fresh_head(head: nn.Linear, seed: int, classes: int | None = None) -> nn.Linear:
    """Draw an output layer over the same features, for as many classes if not told otherwise."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        count = head.out_features if classes is None else classes
        return nn.Linear(head.in_features, count, bias=head.bias is not None)


def _replaced(model: nn.Module, place: str, part: nn.Module) -> nn.Module:
    network = copy.deepcopy(model)
    parent, _, name = place.rpartition(".")
    setattr(network.get_submodule(parent), name, part)
    return network
