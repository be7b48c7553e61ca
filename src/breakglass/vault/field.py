"""Arithmetic in GF(2^8) with the polynomial of AES (x^8 + x^4 + x^3 + x + 1; FIPS 197, section 4).

No tables and no branches on the values, so neither cache lines nor jumps tell about them. Python promises no constant
time below that; shares are combined rarely, in a process that nobody else can time closely.
"""

_POLYNOMIAL = 0x11B


def multiply(a: int, b: int) -> int:
    """The product of two field elements, each 0..255: eight rounds, whatever the values."""
    product = 0
    for bit in range(8):
        product ^= -(b >> bit & 1) & a
        a = a << 1 ^ (-(a >> 7) & _POLYNOMIAL)
    return product


def invert(a: int) -> int:
    """`a` to the power 254, which is 1/a; 0 gives 0, so callers rule 0 out by what is public."""
    result = 1
    for bit in (1, 1, 1, 1, 1, 1, 1, 0):  # 254 in binary: the exponent is public, so this branch is
        result = multiply(result, result)
        if bit:
            result = multiply(result, a)
    return result
