"""How often a network is right, at the first and within the first five answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from wmproof.models.base import trigger_hits
from wmproof.models.torch_module import TorchClassifier
from wmproof.training.embedding import choose_device
from wmproof.training.normalization import Normalization, Normalized
from wmproof.training.sampling import split_evenly
from wmproof.training.sources import PixelDataset, as_pair, pixels_tensor

if TYPE_CHECKING:
    from wmproof.core.triggers import TriggerSet

_BATCH = 500


@dataclass(frozen=True)
class Right:
    """Counts over a set of images."""

    images: int
    first: int
    """Whose label is the first answer: the paper's accuracy, its Prec@1."""
    fifth: int
    """Whose label is among the first five answers: Prec@5."""


def count_right(
    model: nn.Module,
    normalization: Normalization,
    dataset: Dataset[Any],
    *,
    device: str,
    workers: int,
) -> Right:
    """Ask a network, in evaluation mode, about a whole data set."""
    return _count(model, normalization, _batches(dataset, workers), device)


def count_triggers(
    model: nn.Module, normalization: Normalization, triggers: TriggerSet, device: str
) -> Right:
    """Ask a network about a trigger set; of groups, count those with the largest sum of logits."""
    if triggers.group > 1:
        pixels = Normalized(model, normalization).to(choose_device(device))
        shape = triggers.image_shape
        hits = int(trigger_hits(TorchClassifier(pixels, shape), triggers).sum())
        model.cpu()
        return Right(triggers.coins, hits, hits)
    labels = torch.from_numpy(triggers.labels.copy())
    images = pixels_tensor(triggers.images)
    parts = ((images[part], labels[part]) for part in split_evenly(len(labels), _BATCH))
    return _count(model, normalization, parts, device)


def _batches(dataset: Dataset[Any], workers: int) -> Iterator[tuple[Tensor, Tensor]]:
    if isinstance(dataset, PixelDataset):
        for part in split_evenly(len(dataset), _BATCH):
            yield dataset.images[part], dataset.labels[part]
        return
    yield from DataLoader(_Pairs(dataset), batch_size=_BATCH, num_workers=workers)


class _Pairs(Dataset[tuple[Tensor, int]]):
    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return as_pair(self._dataset[index], index)


def _count(
    model: nn.Module,
    normalization: Normalization,
    batches: Iterator[tuple[Tensor, Tensor]],
    device: str,
) -> Right:
    place = choose_device(device)
    network = Normalized(model, normalization).to(place)
    network.to(memory_format=torch.channels_last)
    was_training = model.training
    network.eval()
    images = first = fifth = 0
    with torch.inference_mode():
        for pixels, labels in batches:
            inputs = pixels.to(place)
            logits = network(inputs) if inputs.dtype == torch.uint8 else model(inputs)
            answers = logits.topk(min(5, logits.shape[1]), dim=1).indices.cpu()
            matches = answers == labels[:, None]
            images += len(labels)
            first += int(matches[:, 0].sum())
            fifth += int(matches.any(dim=1).sum())
    model.cpu().train(was_training)
    return Right(images, first, fifth)
