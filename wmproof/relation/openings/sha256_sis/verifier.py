"""The verifier of openings of the two-layer commitment; the package states the protocol."""

from functools import partial

from wmproof.argument.algebra.element import ZERO
from wmproof.argument.channel import Expression, VerifierChannel, constant
from wmproof.argument.logup import verifier as lookup_verifier
from wmproof.relation.linear_form import statement as linear_form
from wmproof.relation.openings.sha256_sis.rows import ROW_BITS
from wmproof.relation.openings.sha256_sis.statement import SisStatement
from wmproof.relation.segments import SegmentClaim


class SisOpenings(SisStatement):
    """A statement that can be verified."""

    def verify(self, channel: VerifierChannel) -> list[SegmentClaim[Expression]]:
        """Reduce 'bytes r and m with v = A (r || m) for every slot' to claims about segments."""
        found = lookup_verifier.verify(channel, self.lookup)
        counts = found.multiplicities
        claims = [SegmentClaim(self.multiplicities, counts.point, counts.values[0])]
        claims += [
            SegmentClaim(segment, segment.from_lookup(group.point), group.values[0])
            for segment, group in zip(self.ranged, found.groups, strict=True)
        ]
        rows = self.combined(channel.challenges("openings/rho", ROW_BITS))
        for slots in self.slots:
            tau = channel.challenges(f"{slots.label}/tau", slots.slot_bits)
            weights = partial(self.weights, slots, rows, tau)
            label, terms = f"{slots.label}/opening", self.terms(slots, tau)
            claims += linear_form.verify(channel, label, terms, weights, constant(ZERO))
        return claims
