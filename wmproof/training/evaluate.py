"""How often a network is right, always in evaluation mode."""

import torch
from torch import Tensor, nn

from wmproof.training.sampling import split_evenly

_BATCH = 1000


def predict(model: nn.Module, images: Tensor) -> Tensor:
    """Classify images (N, C, H, W) in evaluation mode, restoring the mode after.

    Batch normalisation then uses its running averages, so an answer does not depend on which other
    images are in the batch: what a verifier will see. Returns int64 (N,), on the CPU.
    """
    device = next(model.parameters()).device
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            parts = [
                model(images[part].to(device)).argmax(dim=1).cpu()
                for part in split_evenly(len(images), _BATCH)
            ]
    finally:
        model.train(was_training)
    return torch.cat(parts)


def accuracy(model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Part of the images (N, C, H, W) that get their label, in [0, 1]."""
    return float((predict(model, images) == labels.cpu()).double().mean())
