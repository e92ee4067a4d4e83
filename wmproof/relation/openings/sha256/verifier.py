"""The verifier of SHA-256 openings; the package states the protocol."""

from wmproof.argument.algebra.element import ONE
from wmproof.argument.channel import Expression, VerifierChannel, combine, sum_of
from wmproof.argument.logup.statement import powers
from wmproof.argument.sumcheck import verifier as sumcheck_verifier
from wmproof.relation.boolean import statement as boolean
from wmproof.relation.linear_form import statement as linear_form
from wmproof.relation.openings.sha256.form import FACTORS, RunForm
from wmproof.relation.openings.sha256.openings import WORD_BITS, Openings, Run
from wmproof.relation.openings.sha256.weights import CUBES
from wmproof.relation.segments import SegmentClaim


def verify(channel: VerifierChannel, openings: Openings) -> list[SegmentClaim[Expression]]:
    """Reduce 'every commitment opens to its slot's message' to claims about segments.

    ProofError if a message is missing.
    """
    claims = []
    for run in openings.runs:
        claims.append(boolean.verify(channel, run.segment))
        claims += _verify_run(channel, openings, run)
    return claims


def _verify_run(
    channel: VerifierChannel, openings: Openings, run: Run
) -> list[SegmentClaim[Expression]]:
    label = run.segment.name
    instance_bits = openings.slot_bits + run.bits
    base = channel.challenge(f"{label}/lambda")
    tau = channel.challenges(f"{label}/tau", instance_bits + 6)
    (linear,) = channel.receive(f"{label}/linear", 1)
    point = [*tau, *sumcheck_verifier.halves(WORD_BITS)]
    claim = sumcheck_verifier.halved(linear, WORD_BITS).times(-ONE)
    r, value = sumcheck_verifier.verify(channel, label, claim, point, degree=3)
    factors = channel.receive(f"{label}/factors", FACTORS)
    pairs = channel.receive(f"{label}/pairs", len(CUBES))
    products = []
    for k, pair in enumerate(pairs):
        x, y, z = factors[3 * k : 3 * k + 3]
        channel.require_product(f"{label}/pair", x, y, pair)
        products.append(channel.multiply(pair, z))
    products.append(channel.multiply(*factors[3 * len(CUBES) :]))
    channel.require_zero(f"{label}/products", sum_of(products) - value)
    gamma, mu = channel.challenges(f"{label}/gamma", 2)
    rho = channel.challenges(f"{label}/rho", 6)
    form = RunForm(openings, run, base, tau, r, gamma, mu, rho)
    weighed = zip(powers(gamma, FACTORS + 1), [*factors, linear], strict=True)
    return linear_form.verify(
        channel, f"{label}/form", form.terms(), form.weights, combine(weighed)
    )
