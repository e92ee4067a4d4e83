"""Which training images and which triggers go into which batch."""

from collections.abc import Iterator

import torch
from torch import Tensor

from wmproof.training.reproducible import permutation, stream


def batch_order(count: int, batch_size: int, seed: int, epoch: int) -> list[Tensor]:
    """Split a fresh order of the training set into batches; the last one may be shorter.

    A last batch of a single image joins the one before it: batch normalisation cannot take it.
    """
    batches = list(torch.split(permutation(count, seed, "order", epoch), batch_size))
    if len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


class TriggerRotation:
    """Draws k triggers a step, so that each is shown once before any is shown again.

    Parameters
    ----------
    count : int
        Size of the trigger set.
    per_batch : int
        The paper's k.
    seed : int
        Seed of the run.
    """

    def __init__(self, count: int, per_batch: int, seed: int) -> None:
        self._count = count
        self._per_batch = per_batch
        self._seed = seed
        self._round = -1
        self._order = torch.empty(0, dtype=torch.int64)

    def indices(self, step: int) -> Tensor:
        """Indices of the triggers of one step, int64 (k,), whatever was asked before."""
        start = step * self._per_batch
        return torch.tensor(
            [self._at(position) for position in range(start, start + self._per_batch)]
        )

    def _at(self, position: int) -> int:
        number, offset = divmod(position, self._count)
        if number != self._round:
            self._round = number
            self._order = permutation(self._count, self._seed, "triggers", number)
        return int(self._order[offset])


def augment(images: Tensor, shift: int, *, flip: bool, seed: int, step: int) -> Tensor:
    """Shift each image by up to `shift` pixels over a black border, and mirror half of them.

    Returns a tensor of the same shape, dtype and device.

    Parameters
    ----------
    images : Tensor
        uint8 or float32 (N, C, H, W).
    shift : int
        Largest shift in each direction; 0 for none.
    flip : bool
        Mirror left and right.
    seed, step : int
        The stream to draw from.
    """
    count, _, height, width = images.shape
    generator = torch.Generator().manual_seed(stream(seed, "augment", step))
    moves = torch.randint(0, 2 * shift + 1, (2, count, 1), generator=generator)
    mirrored = torch.rand((count, 1), generator=generator) < (0.5 if flip else 0.0)
    columns = torch.arange(width).expand(count, -1)
    columns = torch.where(mirrored, width - 1 - columns, columns) + moves[1]
    rows = torch.arange(height) + moves[0]
    padded = torch.nn.functional.pad(images, (shift, shift, shift, shift))
    items = torch.arange(count)[:, None, None].to(images.device)
    rows, columns = rows.to(images.device), columns.to(images.device)
    picked = padded.movedim(1, 3)[items, rows[:, :, None], columns[:, None, :]]
    return picked.movedim(3, 1)


def split_evenly(count: int, size: int) -> Iterator[slice]:
    """Cut `count` items into slices of at most `size`."""
    for start in range(0, count, size):
        yield slice(start, min(start + size, count))
