"""A real OpenTimestamps calendar: it aggregates digests and mines them into a block of its own."""

import time

from bitcoin.core import CBlock, CBlockHeader, CMutableTransaction, CTxIn, CTxOut
from bitcoin.core.script import OP_RETURN, CScript
from opentimestamps.bitcoin import make_timestamp_from_block
from opentimestamps.core.notary import PendingAttestation
from opentimestamps.core.op import OpAppend, OpSHA256
from opentimestamps.core.serialize import BytesSerializationContext
from opentimestamps.core.timestamp import Timestamp, make_merkle_tree

REGTEST_BITS = 0x207FFFFF
KIND = "application/vnd.opentimestamps.v1"


def serialized(timestamp) -> bytes:
    context = BytesSerializationContext()
    timestamp.serialize(context)
    return context.getbytes()


class Calendar:
    """Speaks POST /digest and GET /timestamp/HEX."""

    def __init__(self):
        self.url = ""
        self.leaves = {}
        self.headers = {}

    def answer(self, method, path, body):
        if method == "POST" and path == "/digest":
            reply = Timestamp(body)
            leaf = reply.ops.add(OpAppend(len(self.leaves).to_bytes(4, "big"))).ops.add(OpSHA256())
            self.leaves[leaf.msg] = Timestamp(leaf.msg)
            leaf.attestations.add(PendingAttestation(self.url))
            return 200, KIND, serialized(reply)
        found = self.leaves.get(bytes.fromhex(path.removeprefix("/timestamp/")))
        if found is None or not found.ops:
            return 404, "text/plain", b"Pending confirmation in Bitcoin blockchain"
        return 200, KIND, serialized(found)

    def mine(self, height, when=None):
        """Put the root of all leaves into a transaction, and that into a mined block."""
        tip = make_merkle_tree(list(self.leaves.values()))
        output = CTxOut(0, CScript([OP_RETURN, tip.msg]))
        transactions = [CMutableTransaction([CTxIn()], [CTxOut(n)]) for n in (1, 2)]
        transactions.append(CMutableTransaction([CTxIn()], [output]))
        root = CBlock(vtx=transactions).calc_merkle_root()
        stamped = int(time.time()) if when is None else when
        nonce = 0
        while True:
            fields = (2, b"\0" * 32, root, stamped, REGTEST_BITS, nonce)
            header = CBlockHeader(*fields)
            if int.from_bytes(header.GetHash(), "little") < 0x7FFFFF << 232:
                break
            nonce += 1
        block = CBlock(*fields, vtx=transactions)
        tip.merge(make_timestamp_from_block(tip.msg, block, height))
        self.headers[height] = header.serialize()

    def header_file(self) -> bytes:
        return b"".join(b"%d %s\n" % (h, d.hex().encode()) for h, d in self.headers.items())
