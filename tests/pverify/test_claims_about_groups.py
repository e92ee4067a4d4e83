"""Claims about groups from the files to the verdict; what they are worth is counted by group."""

import io
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from json_output import parse_output
from onnx import TensorProto, helper
from test_sessions import prover

from wmproof.circuit.calibrate import Settings
from wmproof.circuit.compile import compile_model
from wmproof.circuit.reference import evaluate_reference
from wmproof.cli import main
from wmproof.core.policy import Policy
from wmproof.core.strength import strength_bits
from wmproof.core.triggers import noise
from wmproof.errors import InputError, VerificationError
from wmproof.keys import KdfCost, MarkingKey, PublicKey, save_marking_key, save_published
from wmproof.keys.keygen import pkeygen
from wmproof.models import open_model
from wmproof.models.base import trigger_hits
from wmproof.models.file import model_file
from wmproof.models.preparations import AskedFile, Suspect
from wmproof.models.written import written
from wmproof.pverify import words
from wmproof.pverify.claim_file import encode_claim, parse_claim
from wmproof.pverify.expected import expect
from wmproof.pverify.prover import prepare_claim, prove_claim
from wmproof.pverify.session import connected, verify_session
from wmproof.pverify.session_prover import prove_session
from wmproof.pverify.statement import open_public_model
from wmproof.pverify.verifier import verify_claim
from wmproof.relation.chunks import chunks_of
from wmproof.relation.hits.statement import SCORE_LIMIT, HitsStatement
from wmproof.relation.network.statement import NetworkStatement

SHAPE, CLASSES, GROUP = (1, 8, 8), 10, 3
SECURITY = 8
POLICY = Policy(strength=24, security=SECURITY)
PASSPHRASE = "correct horse"


def save(path: Path, weights: np.ndarray, *ending: tuple[str, dict[str, object]]) -> Path:
    """A model: pixels of 0 to 1, a Relu that does nothing to them, these weights, and an ending."""
    nodes = [
        helper.make_node("Cast", ["x"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["pixels"], ["flat"]),
        helper.make_node("Gemm", ["flat", "scale"], ["scaled"]),
        helper.make_node("Relu", ["scaled"], ["kept"]),
        helper.make_node("Gemm", ["kept", "weights"], ["0"]),
    ]
    for number, (operator, options) in enumerate(ending):
        more = [name for name in ("two",) if operator == "Mul"]
        nodes.append(helper.make_node(operator, [str(number), *more], [str(number + 1)], **options))
    nodes[-1].output[0] = "scores"
    numbers = {"scale": np.eye(len(weights)) / 255, "weights": weights, "two": np.array(2)}
    cast = [options["to"] for operator, options in ending if operator == "Cast"]
    answers = cast[0] if cast else TensorProto.FLOAT
    ends = {
        "x": (TensorProto.UINT8, ["N", *SHAPE]),
        "scores": (answers, ["N", weights.shape[1]]),
    }
    constants = {name: number.astype(np.float32) for name, number in numbers.items()}
    onnx.save(written(nodes, ends, constants, name="grouped"), path)
    return path


@dataclass(frozen=True)
class Case:
    """What the owner has."""

    key: MarkingKey
    public: PublicKey
    marked: Path
    unmarked: Path
    claim: bytes


@pytest.fixture(scope="module")
def case(tmp_path_factory) -> Case:
    """A linear map that gives the sums of the hidden groups their labels, but for one group."""
    folder = tmp_path_factory.mktemp("models")
    hidden = 0
    while not 14 <= hidden <= 18:
        key, public = pkeygen(
            noise(4 * SECURITY * GROUP, SHAPE), CLASSES, security=SECURITY, group=GROUP
        )
        hidden = key.verification_key.hidden_coins
    triggers = key.to_embed()
    sums = triggers.messages.reshape(hidden, GROUP, -1).sum(axis=1) / 255
    wanted = np.eye(CLASSES)[triggers.labels[::GROUP]]
    wanted[0] = np.roll(wanted[0], 1)
    marked = save(folder / "marked.onnx", np.linalg.pinv(sums) @ wanted)
    other = np.linalg.pinv(sums) @ np.roll(np.eye(CLASSES)[triggers.labels[::GROUP]], 2, axis=1)
    unmarked = save(folder / "unmarked.onnx", other)
    return Case(key, public, marked, unmarked, prove_claim(marked, key, public, POLICY))


def coins(case):
    return case.public.verification_key.hidden_coins


def test_a_claim_is_worth_what_its_groups_are(case):
    report = verify_claim(case.marked, case.public, case.claim, POLICY)
    assert (report.group, report.triggers, report.hidden) == (GROUP, coins(case), coins(case))
    k = report.header.threshold
    assert report.strength_bits == strength_bits(coins(case), k, CLASSES)
    assert strength_bits(coins(case), k - 1, CLASSES) < 24 <= report.strength_bits
    assert report.hits == f"at least {k} of {coins(case)} hidden groups of 3 triggers"
    said = words.attested(report, POLICY)[0][1]
    assert f"at least {k} of {coins(case)} secret groups of 3 pictures" in said


def test_the_circuits_sums_are_the_models(case):
    """What `verify` says of the file and what is proved of its circuit, group by group."""
    triggers = case.key.to_embed()
    public = open_public_model(case.marked, case.public, POLICY)
    logits, _ = evaluate_reference(public.circuit, triggers.images)
    sums = logits.reshape(coins(case), GROUP, CLASSES).sum(axis=1)
    by_file = trigger_hits(open_model(case.marked), triggers)
    assert by_file.tolist() == (sums.argmax(axis=1) == triggers.labels[::GROUP]).tolist()
    assert by_file.tolist() == [False] + [True] * (coins(case) - 1)


def test_all_but_the_missed_group_can_be_claimed_and_no_more(case):
    given = (case.marked, case.key, case.public, POLICY)
    claim = prove_claim(*given, threshold=coins(case) - 1)
    report = verify_claim(case.marked, case.public, claim, POLICY)
    assert report.header.threshold == coins(case) - 1
    with pytest.raises(VerificationError, match="groups of 3 triggers with their labels"):
        prove_claim(*given, threshold=coins(case))
    with pytest.raises(VerificationError, match="nothing to prove"):
        prove_claim(case.unmarked, case.key, case.public, POLICY)


def test_a_sample_is_of_groups(case):
    policy = replace(POLICY, strength=0)
    size = coins(case) - 2
    claim = prove_claim(
        case.marked, case.key, case.public, policy, triggers=size, threshold=size - 1
    )
    report = verify_claim(case.marked, case.public, claim, policy)
    assert (report.triggers, report.grinding_bits) == (size, 64)
    assert f"{size} groups of 3 triggers that chance drew from the {coins(case)}" in report.hits
    assert any(f"Chance chose these {size} groups" in line for line in words.meaning(report))
    with pytest.raises(InputError, match="groups of 3 triggers of this key is worth"):
        prove_claim(case.marked, case.key, case.public, POLICY, triggers=size)


@pytest.mark.parametrize("change", [-1, 1, "members", "all"])
def test_another_number_of_groups_is_another_claim(case, change):
    header, argument = parse_claim(case.claim)
    whole = {"members": GROUP * coins(case), "all": len(case.public.verification_key)}
    triggers = coins(case) + change if isinstance(change, int) else whole[change]
    changed = encode_claim(replace(header, triggers=triggers), argument)
    with pytest.raises(VerificationError):
        verify_claim(case.marked, case.public, changed, replace(POLICY, strength=0))


def test_the_claim_is_about_this_file(case):
    with pytest.raises(VerificationError, match="another model"):
        verify_claim(case.unmarked, case.public, case.claim, POLICY)


def test_a_claim_over_a_connection(case):
    claim = prepare_claim(case.marked, case.key, case.public, POLICY)
    with (
        prover(lambda stream: prove_session(stream, claim)) as (address, errors),
        connected(address, read_timeout=300) as stream,
    ):
        report = verify_session(stream, case.marked, case.public, POLICY)
    assert (report.group, report.triggers, errors) == (GROUP, coins(case), [])


def test_the_commands_take_keys_with_groups(case, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.setenv("WMPROOF_PASSPHRASE", PASSPHRASE)
    save_marking_key(Path("mine.mk"), case.key, PASSPHRASE, cost=KdfCost.INTERACTIVE)
    save_published(Path("mine.pvk"), case.public)

    def run(*arguments):
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([*map(str, arguments)])
        shown = capsys.readouterr()
        assert ended.value.code == 0, shown
        return shown

    public = ("--public-key", "mine.pvk", "--minimum-strength", "24")
    run("prove", case.marked, "--key", "mine.mk", *public, "-o", "claim.proof", "--json")
    public = (*public, "--minimum-security", SECURITY)
    shown = run("pverify", case.marked, *public, "--proof", "claim.proof", "--json")
    found = parse_output(shown.out)
    assert (found["holds"], found["group"], found["triggers"]) == (True, GROUP, coins(case))
    shown = run("pverify", case.marked, *public, "--proof", "claim.proof")
    assert "secret groups of 3 pictures" in " ".join((shown.out + shown.err).split())
    compiled = parse_output(run("compile", case.marked, "--public-key", "mine.pvk", "--json").out)
    assert compiled["settings"]["group"] == GROUP
    assert compiled["circuit_sha256"] == found["circuit_sha256"]


def test_expected_cost_is_told_for_groups(case):
    told = list(expect(case.public))
    assert told
    assert all(item.memory_bytes > 0 for item in told)


# Sums stay in the field.


@pytest.mark.parametrize("group", [1, 64, 4096])
def test_no_sum_of_a_compiled_circuit_can_wrap(tmp_path, group):
    """Of a large group the compiler's logits are smaller, and give the same answers."""
    random = np.random.default_rng(2)
    model = save(tmp_path / "model.onnx", random.normal(size=(64, CLASSES)))
    images = random.integers(0, 256, (64, *SHAPE), dtype=np.uint8)
    circuit = compile_model(model, images, settings=Settings(group=group)).circuit
    network = NetworkStatement(circuit, chunks_of(group, 8))
    bound = circuit.output.bound(circuit.largest)
    assert group * bound < SCORE_LIMIT
    HitsStatement(network, group, 1, np.zeros(group, np.int64), group)
    too_large = -(-SCORE_LIMIT // bound)
    with pytest.raises(InputError, match="a score could reach"):
        HitsStatement(network, too_large, 1, np.zeros(too_large, np.int64), too_large)
    answers = evaluate_reference(circuit, images)[0].argmax(axis=1)
    assert (answers == open_model(model).classify(images)).mean() >= 0.95


# One meaning: what `verify` adds up of a file is what a claim adds up of its circuit.

SOFTMAX = ("Softmax", {})
MOVED = [("Identity", {}), ("Flatten", {}), ("Cast", {"to": TensorProto.DOUBLE})]
UNCHANGED = [("Dropout", {}), ("Concat", {"axis": 0}), ("Transpose", {"perm": [0, 1]})]
LOUD = 40


def torn(case):
    """Weights whose sums hit all groups but the first, though pictures of each differ.

    Of odd groups one sure picture answers with the label, and two faintly with the next class; of
    even ones two with the label, and one less so with the next class.
    """
    triggers = case.key.to_embed()
    pictures = triggers.messages.reshape(len(triggers), -1) / 255
    own = np.eye(CLASSES)[triggers.labels].reshape(coins(case), GROUP, -1)
    own[0] = np.roll(own[0], 5, axis=1)
    label = np.array([[0.5, 0.5, 0], [1, 0, 0]])[np.arange(coins(case)) % 2, :, None]
    other = np.array([[0, 0, 0.4], [0, 0.4, 0.4]])[np.arange(coins(case)) % 2, :, None]
    wanted = label * own + other * np.roll(own, 1, axis=2)
    return np.linalg.pinv(pictures) @ wanted.reshape(len(triggers), -1)


def by_circuit(case, model):
    triggers = case.key.to_embed()
    circuit = open_public_model(model, case.public, POLICY).circuit
    logits, _ = evaluate_reference(circuit, triggers.images)
    sums = logits.reshape(coins(case), GROUP, -1).sum(axis=1)
    return (sums.argmax(axis=1) == triggers.labels[::GROUP]).tolist()


def by_file(case, model):
    """By `verify`, and the same by `examine`, which asks in every way that it knows."""
    triggers = case.key.to_embed()
    (trial,) = Suspect(AskedFile(model_file(model)), SHAPE).trials(triggers).trials
    hits = trigger_hits(open_model(model), triggers).tolist()
    assert trial.hit.tolist() == hits
    return hits


@pytest.mark.parametrize(
    ("ending", "size"),
    [
        ([], LOUD),
        ([SOFTMAX], LOUD),
        ([("LogSoftmax", {})], LOUD),
        ([SOFTMAX, *MOVED], LOUD),
        ([SOFTMAX, *UNCHANGED], LOUD),
        ([SOFTMAX], 1e6),
        ([("Sigmoid", {})], 0.2),
        ([("Tanh", {}), *MOVED], 0.2),
    ],
    ids=["logits", "shares", "logs", "moved shares", "unchanged", "sure", "sigmoid", "moved tanh"],
)
def test_what_stands_before_the_last_operator_is_added_up(case, tmp_path, ending, size):
    """A thief who appends it, or takes it away, changes no hit and no claim.

    Not even where all shares are 0 or 1.
    """
    model = save(tmp_path / "model.onnx", size * torn(case), *ending)
    assert by_file(case, model) == by_circuit(case, model) == [False] + [True] * (coins(case) - 1)
    claim = prove_claim(model, case.key, case.public, POLICY)
    assert verify_claim(model, case.public, claim, POLICY).triggers == coins(case)


def test_what_is_no_softmax_at_the_end_is_added_up_as_it_is(case, tmp_path):
    """Twice the shares are no shares: file and circuit add them up both, and miss what logits hit.

    So would sums of shares have missed groups of a file that ends in Softmax.
    """
    model = save(tmp_path / "twice.onnx", LOUD * torn(case), SOFTMAX, ("Mul", {}))
    found = by_file(case, model)
    assert found == by_circuit(case, model)
    assert found == [number % 2 == 0 and number > 0 for number in range(coins(case))]
