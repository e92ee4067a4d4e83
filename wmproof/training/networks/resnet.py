"""ResNet-18 (He et al., 'Deep residual learning', 2016) with the stem that small images need."""

from torch import Tensor, nn


class ResNet18(nn.Module):
    """Eight basic blocks; a 3x3 stem without pooling, so that 32x32 images keep their detail.

    `width` is the number of feature maps of the first stage; 64 gives the original. Of the images'
    shape only the channels matter.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int, width: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(*_convolution(shape[0], width, 1), nn.ReLU())
        blocks: list[nn.Module] = []
        maps = width
        for stage in range(4):
            blocks.append(BasicBlock(maps, width << stage, 1 if stage == 0 else 2))
            maps = width << stage
            blocks.append(BasicBlock(maps, maps, 1))
        self.blocks = nn.Sequential(*blocks)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(maps, classes))

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, C, H, W) to logits (N, classes)."""
        logits: Tensor = self.classifier(self.pool(self.blocks(self.stem(images))))
        return logits


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and the identity, or a 1x1 convolution where the shape changes."""

    def __init__(self, channels: int, maps: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *_convolution(channels, maps, stride), nn.ReLU(), *_convolution(maps, maps, 1)
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels != maps:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, maps, 1, stride=stride, bias=False), nn.BatchNorm2d(maps)
            )
        self.activation = nn.ReLU()

    def forward(self, images: Tensor) -> Tensor:
        """Map feature maps to feature maps."""
        output: Tensor = self.activation(self.body(images) + self.shortcut(images))
        return output


def _convolution(channels: int, maps: int, stride: int) -> list[nn.Module]:
    return [
        nn.Conv2d(channels, maps, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(maps),
    ]
