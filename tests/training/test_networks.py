import pytest
import torch

from wmproof.errors import InputError
from wmproof.training.networks import NETWORKS, build

WIDTHS = {"mlp": 16, "lenet5": 4, "vgg11": 2, "resnet18": 2}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("shape", [(1, 8, 8), (1, 28, 28), (3, 32, 32), (3, 5, 17), (2, 48, 40)])
def test_any_shape_and_class_count(name, shape):
    network = build(name, shape, 7, width=WIDTHS[name]).eval()
    assert network(torch.zeros(3, *shape)).shape == (3, 7)


def test_original_sizes():
    counts = {
        "lenet5": (build("lenet5", (1, 28, 28), 10), 61_706),
        "resnet18": (build("resnet18", (3, 32, 32), 10), 11_173_962),
        "vgg11": (build("vgg11", (3, 32, 32), 10), 9_228_362),
    }
    for name, (network, expected) in counts.items():
        assert sum(p.numel() for p in network.parameters()) == expected, name


@pytest.mark.parametrize("name", NETWORKS)
def test_seed_decides_the_weights_and_leaves_the_generator_alone(name):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, two, other = (
        build(name, (1, 8, 8), 10, width=WIDTHS[name], seed=seed).state_dict() for seed in (3, 3, 4)
    )
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert any(not torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize(
    ("name", "shape", "classes", "width"),
    [
        ("alexnet", (1, 8, 8), 10, 4),
        ("mlp", (1, 8, 8), 1, 4),
        ("mlp", (1, 8, 8), 10, 0),
        ("mlp", (1, 0, 8), 10, 4),
        ("lenet5", (1, 3, 8), 10, 4),
    ],
)
def test_impossible_networks_are_refused(name, shape, classes, width):
    with pytest.raises(InputError):
        build(name, shape, classes, width=width)
