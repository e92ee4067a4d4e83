"""Go's own `note` and `tlog` read what we write, and the reverse, and refuse what we refuse."""

import base64
import json
import os
import random
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from log_support import LOG, WITNESS, entry, seeded_log
from needs import needs

from wmproof.errors import FormatError, VerificationError, WmproofError
from wmproof.publication.log.audit import audit
from wmproof.publication.log.checkpoint import open_checkpoint, parse_checkpoint
from wmproof.publication.log.cosignature import verify_cosignatures
from wmproof.publication.log.merkle import (
    EMPTY_ROOT,
    leaf_hash,
    verify_consistency,
    verify_inclusion,
)
from wmproof.publication.log.note import (
    Note,
    NoteSignature,
    SignatureKind,
    parse_note,
    parse_verifier_key,
    verify_note,
)
from wmproof.publication.log.paths import consistency_path, inclusion_path
from wmproof.publication.log.reader import LogReader
from wmproof.publication.log.signing import NoteSigner, cosign, sign_checkpoint
from wmproof.publication.log.witness import Witness

GOPATH = Path("/usr/share/gocode")
ORIGIN = "go.sum database tree"  # the one that tlog.FormatTree writes
GO_LOG = NoteSigner("example.com/go", SignatureKind.ED25519, bytes(range(9, 41)))
ROUNDS = 1500


def skey(signer):
    encoded = base64.b64encode(b"\x01" + signer.seed).decode()
    return f"PRIVATE+KEY+{signer.name}+{signer.verifier_key.key_id.hex()}+{encoded}"


def b64(data):
    return base64.b64encode(data).decode()


class Peer:
    """The Go program."""

    def __init__(self, program):
        self.process = subprocess.Popen(
            [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __call__(self, do, **fields):
        answer = self.ask(do, **fields)
        assert answer["Ok"], answer["Error"]
        return answer

    def ask(self, do, **fields):
        encoded = {name: encode(value) for name, value in fields.items()}
        self.process.stdin.write(json.dumps({"Do": do, **encoded}) + "\n")
        self.process.stdin.flush()
        return decode(json.loads(self.process.stdout.readline()))


def encode(value):
    if isinstance(value, bytes):
        return b64(value)
    return [encode(one) for one in value] if isinstance(value, list | tuple) else value


def decode(answer):
    for name in ("Note", "Text", "Root"):
        answer[name] = base64.b64decode(answer[name] or "")
    answer["Proof"] = [base64.b64decode(one) for one in answer["Proof"] or ()]
    return answer


@pytest.fixture(scope="module")
def go(tmp_path_factory):
    needs("go", str(GOPATH / "src/golang.org/x/mod"))
    folder = tmp_path_factory.mktemp("go")
    source = Path(__file__).parent / "go" / "peer.go"
    environment = {"GO111MODULE": "off", "GOPATH": str(GOPATH), "GOFLAGS": ""}
    if "HOME" not in os.environ and "XDG_CACHE_HOME" not in os.environ:
        environment["GOCACHE"] = str(folder / "cache")
    command = ["go", "build", "-o", str(folder / "peer"), str(source)]
    built = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=False
    )
    assert not built.returncode, built.stderr
    peer = Peer(folder / "peer")
    yield peer
    peer.process.stdin.close()
    assert peer.process.wait(60) == 0


def test_go_reads_our_notes_and_we_read_its(go):
    text = f"{ORIGIN}\n3\n{b64(bytes(range(32)))}\n"
    signed = Note(text, (LOG.signature(text.encode()),))
    keys = [str(LOG.verifier_key), str(WITNESS.verifier_key)]
    both = Note(text, (*signed.signatures, cosign(text, WITNESS, 1_700_000_000)))
    opened = go("open", Note=both.to_bytes(), Vkeys=keys)
    assert opened["Text"].decode() == text
    assert opened["Keys"] == ["+".join(key.split("+")[:2]) for key in keys]
    assert go("sign", Text=text.encode(), Skey=skey(LOG))["Note"] == signed.to_bytes()
    theirs = go(
        "sign",
        Note=signed.to_bytes(),
        Skey=b64(WITNESS.seed),
        Time=1_700_000_000,
        Vkeys=[keys[1], keys[0]],
    )["Note"]
    assert theirs == both.to_bytes()
    assert verify_cosignatures(parse_note(theirs), [WITNESS.verifier_key])
    found = go("tree", Text=text.encode())
    assert (found["Size"], found["Root"]) == (3, bytes(range(32)))
    assert found["Text"].decode() == parse_checkpoint(text).text
    # What Go cannot verify it counts as unverified, and opens the note.
    pq = NoteSigner("pq", SignatureKind.ML_DSA_COSIGNATURE, bytes(32))
    three = Note(text, (*both.signatures, cosign(text, pq, 5)))
    assert go("open", Note=three.to_bytes(), Vkeys=keys)["Unsigned"] == 1


def test_go_reads_our_log_and_checks_our_proofs(go, tmp_path):
    """700 entries are three tiles of leaves, one partial, and a partial tile above them."""
    log = seeded_log(tmp_path / "log", 300)
    old = log.checkpoint(LOG).checkpoint
    log.append_all([entry(i) for i in range(300, 700)])
    log.checkpoint(LOG)
    reader = LogReader(log.folder)
    head = reader.checkpoint
    common = {"Size": head.size, "Root": head.root}
    opened = go("open", Note=reader.checkpoint_bytes, Vkeys=[str(LOG.verifier_key)])
    assert opened["Text"].decode() == head.text
    chance = random.Random(5)
    for index in (0, 255, 256, 511, 512, 699, *(chance.randrange(700) for _ in range(40))):
        ours = list(reader.prove_inclusion(index).path)
        assert go("inclusion", Folder=str(log.folder), Index=index, **common)["Proof"] == ours
        leaf = leaf_hash(entry(index))
        go("check inclusion", Proof=ours, Index=index, Leaf=leaf, **common)
        assert not go.ask("check inclusion", Proof=ours[:-1], Index=index, Leaf=leaf, **common)[
            "Ok"
        ]
    ours = list(reader.prove_consistency(old).path)
    fields = {"Old": 300, **common}
    assert go("consistency", Folder=str(log.folder), **fields)["Proof"] == ours
    go("check consistency", Proof=ours, OldRoot=old.root, **fields)
    assert not go.ask("check consistency", Proof=ours, OldRoot=bytes(32), **fields)["Ok"]


def test_we_read_a_log_that_go_wrote(go, tmp_path):
    entries = [entry(i) for i in range(600)]
    made = go("write", Folder=str(tmp_path), Entries=entries, Skey=skey(GO_LOG))
    reader = LogReader(tmp_path, GO_LOG.verifier_key, origin=ORIGIN)
    assert reader.checkpoint.root == made["Root"]
    assert audit(reader) == 600
    assert list(reader.entries()) == entries
    for index in (0, 256, 599):
        reader.prove_inclusion(index)
    request = reader.consistency_request(0).to_bytes()
    witness = Witness(tmp_path / "w", WITNESS, clock=lambda: 5)
    line = witness.add_checkpoint(request, GO_LOG.verifier_key, origin=ORIGIN)
    both = made["Note"] + line.line().encode()
    keys = [str(GO_LOG.verifier_key), str(WITNESS.verifier_key)]
    assert len(go("open", Note=both, Vkeys=keys)["Keys"]) == 2


def test_proofs_of_both_at_random_sizes(go):
    """Proofs are the same bytes; one that was changed is refused by both or by neither."""
    chance = random.Random(7)
    for _ in range(60):
        size = chance.randrange(1, 40)
        leaves = [leaf_hash(bytes([chance.randrange(9)])) for _ in range(size)]

        def hash_of(start, end, leaves=leaves):
            return root_of(leaves[start:end])

        root, index, old = hash_of(0, size), chance.randrange(size), chance.randrange(1, size + 1)
        path = changed(inclusion_path(hash_of, index, size), chance)
        ours = holds(verify_inclusion, leaves[index], index, size, root, path)
        fields = {"Size": size, "Root": root}
        theirs = go.ask("check inclusion", Proof=path, Index=index, Leaf=leaves[index], **fields)
        assert ours == theirs["Ok"], (size, index, path)
        path = changed(consistency_path(hash_of, old, size), chance)
        old_root = hash_of(0, old)
        ours = holds(verify_consistency, old, old_root, size, root, path)
        theirs = go.ask("check consistency", Proof=path, Old=old, OldRoot=old_root, **fields)
        assert ours == theirs["Ok"], (size, old, path)


def root_of(leaves):
    from wmproof.publication.log.merkle import node_hash

    if len(leaves) < 2:
        return leaves[0] if leaves else EMPTY_ROOT
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return node_hash(root_of(leaves[:half]), root_of(leaves[half:]))


def changed(path, chance):
    path = list(path)
    match chance.randrange(6):
        case 0:
            path.append(bytes(32))
        case 1 if path:
            path.pop(chance.randrange(len(path)))
        case 2 if path:
            path[chance.randrange(len(path))] = bytes(32)
        case 3:
            path.reverse()
    return path


def holds(verify, *arguments):
    try:
        verify(*arguments)
    except VerificationError:
        return False
    return True


def note_seeds():
    checkpoint = parse_checkpoint(f"{LOG.name}\n3\n{b64(bytes(range(32)))}\n")
    signed = sign_checkpoint(checkpoint, LOG)
    stranger = NoteSignature("stranger", b"abcd", bytes(70))
    lines = (*signed.signatures, stranger, cosign(signed.text, WITNESS, 77))
    poem = "two lines\n\nand an empty one\n"
    return [
        signed.to_bytes(),
        Note(signed.text, lines).to_bytes(),
        Note(signed.text, lines[::-1]).to_bytes(),
        Note(poem, (stranger, LOG.signature(poem.encode()), stranger)).to_bytes(),
    ]


SPELLED = ("— ", "\n", "\n\n", " ", "=", "==", "+", "A", "AAAAAAA=", "AAAAAAB=", "\u00a0", "\u2003")
SPELLED += ("— x AAAAAAA=\n", "— x AAAAAAB=\n", "— x AAAA\n", "\r", "\x00", "\x7f", "\u0085")
SPELLED += ("\ufeff", "\u200b", "stranger", LOG.name, WITNESS.name, "é", "\u180e", "\u001f")
PIECES = (*(piece.encode() for piece in SPELLED), b"\xff", b"\xe2\x80", b"\xed\xa0\x80")


def mutated(seed, chance):
    data = bytearray(seed)
    for _ in range(chance.choice((0, 1, 1, 1, 2, 3))):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(7):
            case 0:
                data[at:at] = chance.choice(PIECES)
            case 1:
                data[at : at + 1] = chance.choice(PIECES)
            case 2:
                del data[at : at + chance.randrange(1, 6)]
            case 3 if at < len(data):
                data[at] ^= 1 << chance.randrange(8)
            case 4:
                lines = bytes(data).splitlines(keepends=True)
                place = chance.randrange(len(lines))
                lines.insert(chance.randrange(len(lines)), lines[place])
                data = bytearray(b"".join(lines))
            case 5:
                lines = bytes(data).splitlines(keepends=True)
                chance.shuffle(lines)
                data = bytearray(b"".join(lines))
            case 6:
                # The last characters of a base64 text have bits that mean nothing.
                at = bytes(data).find(b"=", at)
                if at > 0:
                    data[at - 1] = chance.choice(b"ABCDwxyz0189+/")
    return bytes(data)


def opened(data):
    """Open a note as note.Open does: by any of two keys, and with no wrong signature of either."""
    note, found = parse_note(data), []
    log, witness = LOG.verifier_key, WITNESS.verifier_key
    if note.by(log):
        verify_note(note, log)
        found.append(log)
    found += [one.witness for one in verify_cosignatures(note, [witness])]
    if not found:
        raise VerificationError("log-signature", "nobody known has signed")
    return note.text, {f"{key.name}+{key.key_id.hex()}" for key in found}


def test_mutated_notes_are_refused_by_both_or_by_neither(go):
    """Apart from two differences, which docs/log-format.md names."""
    chance, seen = random.Random(11), Counter()
    keys = [str(LOG.verifier_key), str(WITNESS.verifier_key)]
    seeds = note_seeds()
    for _ in range(ROUNDS):
        data = mutated(chance.choice(seeds), chance)
        theirs = go.ask("open", Note=data, Vkeys=keys)
        try:
            text, names = opened(data)
        except WmproofError as error:
            seen["refused"] += 1
            if theirs["Ok"]:
                seen[documented(error, data)] += 1
            continue
        seen["accepted"] += 1
        assert theirs["Ok"], (theirs["Error"], data)
        assert (theirs["Text"].decode(), set(theirs["Keys"])) == (text, names)
    assert min(seen["accepted"], seen["refused"]) > ROUNDS / 10, seen
    assert set(seen) <= {"accepted", "refused", "spelling", "repeated"}


def documented(error, data):
    """Name the difference, or fail."""
    if isinstance(error, FormatError) and "not in canonical base64" in str(error):
        return "spelling"
    note = parse_note(data)
    repeated = any(len(note.by(key.verifier_key)) > 1 for key in (LOG, WITNESS))
    assert repeated, (error, data)
    return "repeated"


def test_mangled_verifier_keys_are_refused_by_both(go):
    text, chance = str(LOG.verifier_key), random.Random(3)
    accepted = 0
    for _ in range(300):
        data = mutated(text.encode(), chance).decode(errors="replace")
        try:
            key = parse_verifier_key(data)
        except FormatError:
            # Go takes key ids in capitals, and base64 whose last bits mean nothing.
            if go.ask("vkey", Vkeys=[data])["Ok"]:
                name, _, rest = data.partition("+")
                assert (name, rest.lower()) == (LOG.name, rest.lower())
                assert base64.b64decode(rest[9:])[1:] == LOG.verifier_key.public
            continue
        accepted += 1
        assert key == LOG.verifier_key
        go("vkey", Vkeys=[data])
    assert accepted


def test_a_log_of_go_is_opened_by_its_origin(go):
    text = f"{ORIGIN}\n0\n{b64(EMPTY_ROOT)}\n"
    data = go("sign", Text=text.encode(), Skey=skey(GO_LOG))["Note"]
    signed = open_checkpoint(data, GO_LOG.verifier_key, origin=ORIGIN)
    assert signed.checkpoint.size == 0
