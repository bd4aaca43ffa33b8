"""Box–Muller with both outputs, in polynomials that fuse with the generator before it and the step after it.

For two independent uniform words: R = √(−2 ln u) and a uniform angle give (R cos θ, R sin θ), two independent standard
normals. The library calls for log, sin and cos would neither fuse nor vectorize, so each is a polynomial whose error is
below the rounding of the type:

- u = 2^e m with m ∈ [√½, √2) read off the bits; ln m by a polynomial in m − 1 (float32), or by 2 artanh z,
  z = (m − 1)/(m + 1) (float64);
- θ ∈ (−π/2, π/2) from the word read as a signed odd integer; bit 0 of the word, not used for θ, puts the
  first output on the left half of the circle.

The uniforms have 31 bits in float32 and 53 or more in float64, where small u keep full relative precision, so normals
reach 6.66 and 9.49 standard deviations. The float64 normals are refinements of the float32 ones: the leading words are
shared, and the two agree to rounding. The coefficients interpolate at Chebyshev points, computed with 40 digits.
"""

import functools
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from sde_momentum.solvers._philox import Words2

# sin(πx)/x and cos(πx) in x², |x| ≤ 1/2. Errors 1.4e-8 and 4.7e-8.
_SIN32 = (
    3.1415926400772032517,
    -5.1677100766683144093,
    2.5500773865289118653,
    -0.59829041128342753,
    0.0776559122760138694,
)
_COS32 = (
    0.99999995302751236872,
    -4.934792802489458993,
    4.0584107907625976165,
    -1.33187297278748505,
    0.219682423575378148,
)
# Errors 6.5e-19 and 6.4e-21.
_SIN64 = (
    *(3.1415926535897932378, -5.1677127800499696077, 2.5501640398773004745, -0.59926452931894468132),
    *(0.08214588657310289502, -0.0073704305059169434047, 0.00046629981618983938014, -0.000021903497074626017191),
    7.6978267682241906454e-7,
)
_COS64 = (
    *(0.99999999999999999999, -4.9348022005446793043, 4.0587121264167675439, -1.3352627688545549643),
    *(0.23533063035799501991, -0.025806891376592964032, 0.001929574187281234834, -0.00010463741681752138305),
    *(4.3007241727348469251e-6, -1.3435212950953200672e-7),
)
# ln(1+t)/t, √½ ≤ 1+t ≤ √2. Error 3.5e-8.
_LOG32 = (
    *(0.99999997413106707916, -0.49999996382123888121, 0.33334193286135078016, -0.25001352185496062304),
    *(0.19955933358383247443, -0.16577992896798862572, 0.14977401280127374896, -0.14269258206218832192),
    0.085333130829961519329,
)
# 2 artanh(z)/z in z², |z| ≤ (√2−1)/(√2+1). Error 2.3e-18.
_LOG64 = (
    *(1.9999999999999999977, 0.66666666666667645658, 0.39999999999302338113, 0.28571428760641679883),
    *(0.22222197056726046608, 0.18183631680229328804, 0.15312528148364190966, 0.14809710360655276698),
)
_HALF_SQRT_BITS32 = np.int32(0x3F3504F3)
_MANTISSA32 = np.int32(0x7FFFFF)
_HALF_SQRT_BITS64 = np.int64(0x3FE6A09E667F3BCD)
_MANTISSA64 = np.int64(0xFFFFFFFFFFFFF)


def _horner(coefficients: Sequence[float], x: Array) -> Array:
    value = jnp.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value = value * x + jnp.asarray(coefficient, x.dtype)
    return value


def _signed(word: Array) -> Array:
    return lax.bitcast_convert_type(word, jnp.int32)


def _circle(
    radius: Array, x: Array, sign_word: Array, sin: Sequence[float], cos: Sequence[float]
) -> tuple[Array, Array]:
    """(±R cos πx, R sin πx), the sign being bit 0 of a word that x does not depend on."""
    square = x * x
    first = radius * _horner(cos, square)
    return jnp.where((sign_word & 1) == 0, first, -first), radius * x * _horner(sin, square)


@functools.partial(jax.jit, inline=True)  # traced once for all the calls of a program
def box_muller_32(words: Words2) -> tuple[Array, Array]:
    """Two independent standard normals in float32 from two words."""
    one, half, scale = np.float32(1), np.float32(0.5), np.float32(2.0**-32)
    uniform = _signed(words[0] >> 1).astype(jnp.float32) + half  # u = uniform · 2⁻³¹
    bits = _signed(uniform) - _HALF_SQRT_BITS32
    exponent = (bits >> 23).astype(jnp.float32) - np.float32(31)
    mantissa = lax.bitcast_convert_type((bits & _MANTISSA32) + _HALF_SQRT_BITS32, jnp.float32) - one
    # To fold the factors below into the coefficients saves two operations, yet was a quarter slower under `tune_cpu`.
    log = mantissa * _horner(_LOG32, mantissa) + exponent * np.float32(math.log(2))
    x = _signed(words[1] | 1).astype(jnp.float32) * scale
    return _circle(jnp.sqrt(np.float32(-2) * log), x, words[1], _SIN32, _COS32)


@functools.partial(jax.jit, inline=True)  # traced once for all the calls of a program
def box_muller_64(high: Words2, low: Words2) -> tuple[Array, Array]:
    """Two independent standard normals in float64 from two pairs of words."""
    scale = 2.0**-32
    uniform = high[0].astype(jnp.float64) + (low[0].astype(jnp.float64) + 0.5) * scale  # u = uniform · 2⁻³²
    bits = lax.bitcast_convert_type(uniform, jnp.int64) - _HALF_SQRT_BITS64
    exponent = (bits >> 52).astype(jnp.float64) - 32.0
    mantissa = lax.bitcast_convert_type((bits & _MANTISSA64) + _HALF_SQRT_BITS64, jnp.float64)
    ratio = (mantissa - 1.0) / (mantissa + 1.0)
    log = ratio * _horner(_LOG64, ratio * ratio) + exponent * math.log(2)
    # Bit 0 of the leading word is the sign, so 2·low + 1 refines the even integer below it.
    fraction = (low[1].astype(jnp.float64) * 2 + 1) * scale
    x = (_signed(high[1] & np.uint32(0xFFFFFFFE)).astype(jnp.float64) + fraction) * scale
    return _circle(jnp.sqrt(-2.0 * log), x, high[1], _SIN64, _COS64)
