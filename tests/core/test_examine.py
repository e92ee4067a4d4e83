"""`wmproof examine`: a suspect of unknown preparation, asked privately."""

import itertools
import math
import shlex

import numpy as np
import onnx
import own_process
import pytest
from json_output import parse_output
from onnx import TensorProto, helper
from same_keys import same_keys
from scipy.stats import binomtest
from sklearn.neural_network import MLPClassifier

from wmproof.core.triggers import TriggerSet, abstract, noise
from wmproof.errors import InputError
from wmproof.keys import KdfCost, save_marking_key, save_published
from wmproof.keys.keygen import pkeygen
from wmproof.models.preparations import _SCALES, Preparation, Suspect, Trial, compare, rank
from wmproof.models.written import written
from wmproof.training.scikit import mark_mlp

PASSPHRASE = "only a test"
SHAPE = (3, 8, 8)
IMAGENET = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def wmproof(*arguments, cwd=None):
    environment = {"WMPROOF_PASSPHRASE": PASSPHRASE, "COLUMNS": "200"}
    return own_process.wmproof(*arguments, env=environment, cwd=cwd)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("examine")


@pytest.fixture(scope="module")
def key(folder):
    with same_keys():
        key, public = pkeygen(abstract(256, SHAPE), 10, security=64)
    save_marking_key(folder / "mine.mk", key, PASSPHRASE, cost=KdfCost.INTERACTIVE)
    save_published(folder / "mine.pvk", public)
    return key


@pytest.fixture(scope="module")
def network(key):
    """A network of relus, which hardly minds a factor."""
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (200, *SHAPE), dtype=np.uint8)
    return as_onnx(mark_mlp(images, random.integers(0, 10, 200), key.to_embed(), seed=0))


def as_onnx(fitted):
    nodes, constants = [], {}
    for i, (weight, bias) in enumerate(zip(fitted.coefs_, fitted.intercepts_, strict=True)):
        constants |= {f"w{i}": weight.astype(np.float32), f"b{i}": bias.astype(np.float32)}
        nodes.append(helper.make_node("Gemm", [f"h{i}", f"w{i}", f"b{i}"], [f"z{i}"]))
        nodes.append(helper.make_node("Relu", [f"z{i}"], [f"h{i + 1}"]))
    nodes[-1] = helper.make_node("Identity", ["z1"], ["scores"])
    return nodes, constants


@pytest.fixture(scope="module")
def strict_network(key):
    """The nearest known picture's label; known are the triggers, and under other labels the same
    wrongly prepared in every way: no two preparations are alike.
    """
    triggers = key.to_embed()
    images = triggers.images.reshape(len(triggers), *SHAPE) / 255
    known, labels = [images], [triggers.labels]
    scales = [(mean, std) for _, mean, std in _SCALES]
    for right, wrong in itertools.permutations(scales, 2):
        picture = (images - column(wrong[0])) / column(wrong[1])
        known.append(picture * column(right[1]) + column(right[0]))
        labels.append((triggers.labels + 1) % 10)
    points = np.concatenate(known).reshape(-1, math.prod(SHAPE))
    # -|x - p|^2 without what is the same for all p.
    scores = np.eye(10, dtype=np.float32)[np.concatenate(labels)]
    constants = {"points": 2 * points.T, "squares": -(points**2).sum(axis=1), "table": scores}
    nodes = [
        helper.make_node("Cast", ["h0"], ["exact"], to=TensorProto.DOUBLE),
        helper.make_node("Gemm", ["exact", "points", "squares"], ["closeness"]),
        helper.make_node("ArgMax", ["closeness"], ["nearest"], axis=1, keepdims=0),
        helper.make_node("Gather", ["table", "nearest"], ["scores"], axis=0),
    ]
    return nodes, constants


def column(values):
    return np.float32(values).reshape(-1, 1, 1)


def write(network, path, *, mean, std, layout, batch="N", reverse=False):
    """The network as somebody else prepares its input."""
    mean, std = column(mean), column(std)
    order = np.array([2, 1, 0] if reverse else [0, 1, 2])
    own, constants = network
    constants = {"mean": mean, "std": std, "order": order, **constants}
    nodes, name = [], "x"
    if layout == "NHWC":
        nodes.append(helper.make_node("Transpose", [name], ["t"], perm=[0, 3, 1, 2]))
        name = "t"
    nodes += [
        helper.make_node("Mul", [name, "std"], ["scaled"]),
        helper.make_node("Add", ["scaled", "mean"], ["unit"]),
        helper.make_node("Gather", ["unit", "order"], ["rgb"], axis=1),
        helper.make_node("Flatten", ["rgb"], ["h0"]),
        *own,
    ]
    sizes = [batch, *((8, 8, 3) if layout == "NHWC" else SHAPE)]
    ends = {"x": (TensorProto.FLOAT, sizes), "scores": (TensorProto.FLOAT, [batch, 10])}
    onnx.save(written(nodes, ends, constants), path)


CASES = {
    "raw": ({"mean": 0, "std": 1 / 255, "layout": "NCHW"}, "pixels 0 to 255, NCHW"),
    "unit": ({"mean": 0, "std": 1, "layout": "NCHW"}, "pixels 0 to 1, NCHW"),
    "last": (
        {"mean": 0.5, "std": 0.5, "layout": "NHWC", "batch": 7},
        "pixels -1 to 1, NHWC",
    ),
    "imagenet": (
        {"mean": IMAGENET[0], "std": IMAGENET[1], "layout": "NHWC"},
        "ImageNet's mean and deviation, NHWC",
    ),
    "blue": (
        {"mean": 0, "std": 1, "layout": "NCHW", "reverse": True},
        "pixels 0 to 1, NCHW, blue first",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_preparation_is_found(folder, strict_network, name):
    how, words = CASES[name]
    write(strict_network, folder / f"{name}.onnx", **how)
    done = wmproof("examine", f"{name}.onnx", "--key", "mine.mk", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    found = parse_output(done.stdout)
    assert found["found"]
    assert found["trials"][0]["preparation"] == words
    assert found["trials"][0]["hits"] > 0.95 * found["triggers"]
    assert found["bits"] > 128
    assert found["alike"] == [words]
    command = shlex.split(found["next"])
    assert command[:2] == ["wmproof", "prove" if found["provable"] else "verify"]
    assert ("unit" in command) == (name in ("unit", "blue"))
    assert ("NHWC" in command) == ("NHWC" in words)
    assert ("--mean" in command) == (how["mean"] != 0)
    assert ("--blue-first" in command) == (name == "blue")


@pytest.mark.parametrize("name", ["unit", "last", "blue"])
def test_preparations_that_are_alike_are_named(folder, network, name):
    how, words = CASES[name]
    write(network, folder / "alike.onnx", **how)
    arguments = "examine", "alike.onnx", "--key", "mine.mk"
    found = parse_output(wmproof(*arguments, "--json", cwd=folder).stdout)
    # Hits do not tell a factor; how sure the network is tells it.
    assert found["alike"][0] == words == found["trials"][0]["preparation"]
    large = words.replace(words.split(", ")[0], "pixels 0 to 255")
    assert large in found["alike"]
    shown = wmproof(*arguments, cwd=folder).stdout
    assert f"the first {len(found['alike'])} are alike within noise" in shown
    for trial in found["trials"][: len(found["alike"])]:
        assert trial["preparation"] in shown


def test_noise_is_what_the_exact_test_says():
    one, other = (Preparation(name, (0.0,), (1.0,), "NCHW") for name in "ab")
    random = np.random.default_rng(0)
    for _ in range(50):
        first, second = (random.random(60) < share for share in random.uniform(0.5, 1, 2))
        a, b = Trial(one, first, 0.5), Trial(other, second, 1.0)
        tosses = int((first ^ second).sum())
        chance = binomtest(int((first & ~second).sum()), tosses).pvalue if tosses else 1
        assert a.is_like(b) == b.is_like(a) == (chance >= 0.01)
        ranking = rank([a, b])
        assert ranking.alike == (2 if chance >= 0.01 else 1)
        assert ranking.trials[0] is (b if ranking.alike == 2 or b.hits > a.hits else a)
    # On equal terms the more usual one; without scores the margin says nothing.
    for margin in (None, 0.7):
        ranking = rank([Trial(one, first, margin), Trial(other, first, margin)])
        assert (ranking.trials[0].preparation, ranking.alike) == (one, 2)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_that_are_no_numbers_give_no_margin(value):
    scores = np.zeros((4, 3))
    scores[1, 2] = value
    triggers = TriggerSet(noise(4, (2, 2)), np.array([0, 1, 2, 0]), 3)
    assert compare(scores, None, triggers, "model")[1] is None
    assert compare(np.zeros((4, 3)), None, triggers, "model")[1] == 0


def test_a_group_is_one_coin():
    labels = np.repeat(np.array([0, 1, 2]), 4)
    triggers = TriggerSet(noise(12, (2, 2)), labels, 3, 4)
    scores = np.eye(3)[labels]
    scores[4:6] = (0, 0, 1.5)  # two of four pictures, whose scores outweigh the others
    hit, _ = compare(scores, None, triggers, "model")
    assert hit.tolist() == [True, False, True]
    classes = labels.copy()
    classes[4] = 0
    assert compare(classes, None, triggers, "model")[0].all()


def to_verify(words):
    """What a next command says of `prove`, which takes long, said to `verify`."""
    _, command, *rest = words
    if command == "prove":
        rest = rest[: rest.index("-o")]
        rest[rest.index("--public-key")] = "--verification-key"
    return ["verify", *rest]


@pytest.mark.parametrize("name", ["unit", "blue"])
def test_the_next_command_works(folder, network, name):
    write(network, folder / "next.onnx", **CASES[name][0])
    done = wmproof("examine", "next.onnx", "--key", "mine.mk", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    (command,) = [line for line in done.stdout.splitlines() if line.startswith("next")]
    words = shlex.split(command)[1:]
    assert ("--blue-first" in words) == (name == "blue")
    verified = wmproof(*to_verify(words), cwd=folder)
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_where_the_file_leaves_the_layout_open_the_next_command_names_it(folder, network):
    write(network, folder / "open.onnx", **CASES["last"][0])
    model = onnx.load(folder / "open.onnx")
    sizes = model.graph.input[0].type.tensor_type.shape.dim
    for size, name in zip(sizes, "NABC", strict=True):
        size.dim_param = name
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_param = "N"
    onnx.save(model, folder / "open.onnx")
    # Channels first, the file fails.
    done = wmproof("examine", "open.onnx", "--key", "mine.mk", "--json", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    found = parse_output(done.stdout)
    assert all("NHWC" in trial["preparation"] for trial in found["trials"])
    words = shlex.split(found["next"])
    assert words[words.index("--layout") + 1] == "NHWC"
    # A file that takes both orders is asked for red, green and blue in planes by name.
    first = Preparation("pixels 0 to 1", (0.0,), (1.0,), "NCHW", in_doubt=True)
    assert (first.reading.layout, first.reading.pixels) == ("NCHW", "unit")
    assert Preparation("pixels 0 to 1", (0.0,), (1.0,), "NCHW").reading.layout is None
    done = wmproof(*to_verify(words), cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr


def test_an_innocent_model_is_not_accused(folder, network):
    random = np.random.default_rng(1)
    images = random.integers(0, 256, (200, *SHAPE), dtype=np.uint8)
    other = mark_mlp(images, random.integers(0, 10, 200), seed=1)
    write(as_onnx(other), folder / "other.onnx", **CASES["unit"][0])
    done = wmproof("examine", "other.onnx", "--key", "mine.mk", "--json", cwd=folder)
    assert done.returncode == 1
    found = parse_output(done.stdout)
    assert (found["found"], found["next"]) == (False, None)
    assert found["bits"] < 30


def test_what_is_no_such_model_is_said(folder, network):
    (folder / "no.onnx").write_bytes(b"nothing")
    done = wmproof("examine", "no.onnx", "--key", "mine.mk", cwd=folder)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "ONNX" in done.stderr


def test_one_number_for_all_is_no_answer(folder, key):
    nodes = [helper.make_node("ReduceSum", ["x"], ["scores"], keepdims=0)]
    ends = {"x": (TensorProto.FLOAT, ["N", *SHAPE]), "scores": (TensorProto.FLOAT, [])}
    onnx.save(written(nodes, ends), folder / "sum.onnx")
    done = wmproof("examine", "sum.onnx", "--key", "mine.mk", cwd=folder)
    assert done.returncode == 2
    assert "one number for all" in done.stderr


def test_a_file_of_two_outputs_is_asked_by_name(folder, network):
    write(network, folder / "two.onnx", **CASES["unit"][0])
    model = onnx.load(folder / "two.onnx")
    model.graph.output.append(helper.make_tensor_value_info("h1", TensorProto.FLOAT, ["N", 256]))
    onnx.save(model, folder / "two.onnx")
    arguments = ("examine", "two.onnx", "--key", "mine.mk")
    assert "--output" in wmproof(*arguments, cwd=folder).stderr
    found = parse_output(wmproof(*arguments, "--output", "scores", "--json", cwd=folder).stdout)
    assert found["found"]
    words = shlex.split(found["next"])
    assert words[words.index("--output") + 1] == "scores"


@pytest.mark.parametrize(("shape", "group"), [((48,), 1), ((48,), 2), ((3, 4, 4), 2)])
def test_claims_are_promised_for_rows_and_for_groups(tmp_path, shape, group):
    images = np.random.default_rng(0).integers(0, 256, (256 * group, *shape), dtype=np.uint8)
    with same_keys():
        key, public = pkeygen(images, 10, security=64, group=group)
    save_marking_key(tmp_path / "mine.mk", key, PASSPHRASE, cost=KdfCost.INTERACTIVE)
    save_published(tmp_path / "mine.pvk", public)
    triggers = key.to_embed()
    pixels = triggers.images.reshape(len(triggers), -1) / 255
    fitted = MLPClassifier((64,), max_iter=400, random_state=0, alpha=0)
    nodes, constants = as_onnx(fitted.fit(pixels, triggers.labels))
    ends = {"h0": (TensorProto.FLOAT, ["N", 48]), "scores": (TensorProto.FLOAT, ["N", 10])}
    onnx.save(written(nodes, ends, constants), tmp_path / "rows.onnx")
    done = wmproof("examine", "rows.onnx", "--key", "mine.mk", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    found = parse_output(done.stdout)
    assert found["provable"], found["why_not"]
    assert " prove " in found["next"]


class Moody:
    """A suspect, perhaps behind an endpoint, whose answers have a shape of its choice."""

    where, type, step, declared = "moody", np.float32, 64, (None, *SHAPE)

    def __init__(self, *shapes):
        self.shapes = itertools.cycle(shapes)

    def outputs(self, inputs):
        return np.zeros(next(self.shapes)(len(inputs))), None


@pytest.mark.parametrize(
    "shapes",
    [
        [lambda n: (n, 10), lambda n: (n, 11)],
        [lambda n: (n, 10), lambda n: (n,)],
        [lambda n: ()],
        [lambda n: (n - 1, 10)],
        [lambda n: (n, 10, 1)],
        [lambda n: (n, 0)],
    ],
)
def test_answers_of_changing_or_foreign_shapes_are_one_clear_error(shapes):
    triggers = TriggerSet(noise(100, SHAPE), np.zeros(100, np.int64), 10)
    with pytest.raises(InputError, match=r"moody.*(shape|neither scores)"):
        Suspect(Moody(*shapes), SHAPE).trials(triggers)
    steady = Suspect(Moody(lambda n: (n, 10)), SHAPE).trials(triggers)
    assert steady.trials[0].hits in (0, 100)


def test_a_key_whose_challenge_opens_all_of_it_is_named(tmp_path):
    """One of sixteen of the smallest keys."""
    while True:
        key, _ = pkeygen(noise(4, (1, 4, 4)), 2, security=1)
        if not len(key.embedded()):
            break
    save_marking_key(tmp_path / "none.mk", key, PASSPHRASE, cost=KdfCost.INTERACTIVE)
    done = wmproof("examine", "suspect.onnx", "--key", tmp_path / "none.mk")
    assert done.returncode == 2
    assert "hides no trigger" in done.stderr
