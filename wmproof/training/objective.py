"""What a batch costs: the one part of a training step that attacks replace."""

from typing import Protocol

from torch import Tensor, nn


class Objective(Protocol):
    """A loss over one batch, the triggers in it included."""

    def __call__(self, network: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
        """Give the mean loss, a scalar.

        Parameters
        ----------
        network : nn.Module
            In training mode, which it is to be left in; maps inputs to logits.
        inputs : Tensor
            Normalised float32 (N, C, H, W), on the network's device.
        labels : Tensor
            int64 (N,).
        """

    def digest(self) -> str:
        """Tell this objective from others, for checkpoints."""


class CrossEntropy:
    """The negative log likelihood of the labels (section 5.1 of the paper)."""

    def __call__(self, network: nn.Module, inputs: Tensor, labels: Tensor) -> Tensor:
        """Give the mean over the batch."""
        return nn.functional.cross_entropy(network(inputs), labels)

    def digest(self) -> str:
        """Name it."""
        return "cross entropy"
