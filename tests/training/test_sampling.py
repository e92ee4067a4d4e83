import torch

from wmproof.training.sampling import TriggerRotation, augment, batch_order


def test_order_is_a_permutation_that_seed_and_epoch_decide():
    order = batch_order(105, 10, seed=1, epoch=2)
    assert [len(batch) for batch in order] == [10] * 10 + [5]
    assert torch.equal(torch.cat(order).sort().values, torch.arange(105))
    again, other_epoch, other_seed = (
        torch.cat(batch_order(105, 10, seed, epoch)) for seed, epoch in ((1, 2), (1, 3), (2, 2))
    )
    assert torch.equal(torch.cat(order), again)
    assert not torch.equal(again, other_epoch)
    assert not torch.equal(again, other_seed)


def test_no_batch_of_a_single_image():
    assert [len(batch) for batch in batch_order(101, 10, seed=0, epoch=0)] == [10] * 9 + [11]
    assert [len(batch) for batch in batch_order(1, 10, seed=0, epoch=0)] == [1]


def test_triggers_take_turns():
    rotation = TriggerRotation(count=7, per_batch=3, seed=0)
    drawn = torch.cat([rotation.indices(step) for step in range(14)])
    for start in range(0, 42, 7):
        assert drawn[start : start + 7].sort().values.tolist() == list(range(7))


def test_triggers_of_a_step_do_not_depend_on_what_was_asked_before():
    forward = TriggerRotation(7, 3, seed=0)
    drawn = [forward.indices(step) for step in range(20)]
    resumed = TriggerRotation(7, 3, seed=0)
    assert all(torch.equal(drawn[step], resumed.indices(step)) for step in (13, 14, 2, 19))


def test_more_triggers_a_batch_than_there_are():
    drawn = TriggerRotation(count=2, per_batch=5, seed=0).indices(3)
    assert len(drawn) == 5
    assert set(drawn.tolist()) == {0, 1}


def _images(count=40):
    return torch.randint(1, 256, (count, 2, 6, 9), dtype=torch.uint8)


def test_augmentation_shifts_and_mirrors_and_nothing_else():
    images = _images()
    changed = augment(images, 2, flip=True, seed=0, step=0)
    assert changed.shape == images.shape
    assert changed.dtype == torch.uint8
    padded = torch.nn.functional.pad(images, (2, 2, 2, 2))
    mirrored = torch.nn.functional.pad(images.flip(3), (2, 2, 2, 2))
    seen = set()
    for item in range(len(images)):
        seen |= {
            (kind, dy, dx)
            for kind, source in enumerate((padded, mirrored))
            for dy in range(5)
            for dx in range(5)
            if torch.equal(changed[item], source[item, :, dy : dy + 6, dx : dx + 9])
        }
        assert seen
    assert {kind for kind, _, _ in seen} == {0, 1}
    assert len(seen) > 10


def test_augmentation_depends_on_seed_and_step_only():
    images = _images()
    one = augment(images, 1, flip=False, seed=0, step=5)
    assert torch.equal(one, augment(images, 1, flip=False, seed=0, step=5))
    assert not torch.equal(one, augment(images, 1, flip=False, seed=0, step=6))
    assert not torch.equal(one, augment(images, 1, flip=False, seed=1, step=5))
    assert torch.equal(images, augment(images, 0, flip=False, seed=0, step=0))
