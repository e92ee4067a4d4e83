r"""SHA-256 openings: Com(m; r) = SHA-256(D || m || 0* || r) of every slot.

The state after the block D is public. For each further compression n = (slot, block) the witness
holds bits, of which bit i of a word has significance 2^i: the working variables a_t and e_t after
each round t, the message schedule w_t, carries, and the state h that enters. With a = a_(t-1), ...,
d = a_(t-4) and e, f, g, h likewise (h's words before round 0), for each round over the integers,

    a_t = h + S1(e) + Ch(e, f, g) + K_t + w_t + S0(a) + Maj(a, b, c)   mod 2^32
    e_t = d + h + S1(e) + Ch(e, f, g) + K_t + w_t                       mod 2^32
    w_t = s1(w_(t-2)) + w_(t-7) + s0(w_(t-15)) + w_(t-16)               mod 2^32, t >= 16

in halves of 16 bits whose carries are bits too: both sides stay below 2^20, so equality modulo p
is equality. With signs u = 1 - 2 x, xor of three bits is a product of three signs, Maj(x, y, z) =
(x + y + z) / 2 + (uvw - 1) / 4 and Ch = g + e (f - g): everything is a product of at most three
linear functions of bits.

For random tau and lambda the six half equations of all rounds become one equation, products(tau) +
linear(tau) = 0, with eq(tau, (n, t)) and a plain sum over the bits of a word. `linear(tau)` is a
message, and one sumcheck ends the products in their factors at a random point r. Then *one* linear
form of the witness bits checks, with powers of gamma,

- every factor at r, and linear(tau);
- the additions behind the last round: next state = h + (a_63, ..., e_60), where the next state is
  the next block's h, or the public digest; and that the first h is the public initial state;
- the message: bytes of w_0 .. w_15 against what the slot's message is, which is linear in other
  segments (`commitment.openings.MessageSource`).

The last two are identities of polynomials multilinear in n, whose coefficients were committed
before r was drawn, so they are checked at r's own coordinates.

Blocks are cut into runs of powers of two, each an instance of all this; the block of randomness
and the padding block stand alone.
"""
