"""The vector and the example of the documents."""

import re

from log_support import LOG, ROOT, WITNESS
from own_process import python

from wmproof.publication.log.entry import digest_entry
from wmproof.publication.log.merkle import leaf_hash
from wmproof.publication.log.note import parse_verifier_key
from wmproof.publication.log.reader import LogReader
from wmproof.publication.log.store import create_log
from wmproof.publication.log.verifier import verify_logged
from wmproof.publication.log.witness import Witness

FORMAT = (ROOT / "docs" / "log-format.md").read_text()


def test_the_vector_of_the_format(tmp_path):
    _, keys, proof = re.findall(r"```\n(.*?)```", FORMAT, re.DOTALL)
    log_key, witness_key = map(parse_verifier_key, keys.splitlines())
    assert (log_key, witness_key) == (LOG.verifier_key, WITNESS.verifier_key)
    log = create_log(tmp_path / "log", LOG)
    entries = [digest_entry(bytes([i]) * 32) for i in range(3)]
    assert leaf_hash(entries[0]).hex() in FORMAT
    log.append_all(entries)
    log.checkpoint(LOG)
    request = LogReader(log.folder).consistency_request(0).to_bytes()
    witness = Witness(tmp_path / "w", WITNESS, clock=lambda: 1_700_000_000)
    log.add_cosignatures([witness.add_checkpoint(request, log_key)], [witness_key])
    assert LogReader(log.folder).prove_inclusion(1).to_bytes().decode() == proof
    report = verify_logged(proof.encode(), entries[1], log_key, witnesses=[witness_key])
    assert report.cosignatures[0].timestamp == 1_700_000_000


def test_the_example_runs():
    text = (ROOT / "docs" / "publication.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert python(example).stdout == "entry 0 of 1\n"
