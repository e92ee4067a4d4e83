"""Every entry of a segment is 0 or 1.

With u = 1 - 2 x, which is 1 or -1 exactly if x is a bit, the claim is sum_x eq(tau, x) u(x)^2 = 1
for a random tau: one sumcheck, which ends in the square of one message.

*Soundness*: n / |K| for tau, n variables, and 3 n / |K| for the sumcheck.
"""

from wmproof.argument.algebra.element import HALF, ONE
from wmproof.argument.channel import Expression, VerifierChannel, constant
from wmproof.argument.sumcheck import verifier as sumcheck_verifier
from wmproof.relation.segments import Segment, SegmentClaim


def verify(channel: VerifierChannel, segment: Segment) -> SegmentClaim[Expression]:
    """Reduce to one claim about the segment, at one random point.

    The values committed in `segment` are to be 0 or 1. ProofError if a message is missing.
    """
    label = f"{segment.name}/bits"
    tau = channel.challenges(f"{label}/tau", segment.bits)
    r, value = sumcheck_verifier.verify(channel, label, constant(ONE), tau, degree=2)
    (sign,) = channel.receive(f"{label}/sign", 1)
    channel.require_product(f"{label}/square", sign, sign, value)
    return SegmentClaim(segment, r, sign.times(-HALF).plus(HALF))
