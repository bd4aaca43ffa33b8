"""Whether a function treats every path by itself, with operations that a loop over the paths can hold."""

from typing import Any

_WORDS = """
abs acos add and asin asinh atan atan2 atanh bitcast_convert_type cbrt ceil clamp convert_element_type copy copy_p cos
cosh div eq erf erfc exp exp2 expm1 floor ge gt integer_pow is_finite le log log1p logistic lt max min mul ne neg
nextafter not or pow rem round rsqrt select_n shift_left shift_right_arithmetic shift_right_logical sign sin sinh sqrt
square stop_gradient sub tan tanh xor
"""
# What XLA sees through: the components of the noise taken apart, and scalars spread over the paths.
_TRANSPARENT = {"broadcast_in_dim", "dynamic_slice", "expand_dims", "reshape", "slice", "squeeze"}
_ALLOWED = frozenset(_WORDS.split()) | _TRANSPARENT


def is_elementwise(program: Any) -> bool:
    """Whether a jaxpr, those of its calls included, holds elementwise operations only."""
    for equation in program.eqns:
        inner = [getattr(value, "jaxpr", value) for value in equation.params.values()]
        inner = [each for each in inner if hasattr(each, "eqns")]
        if not inner and equation.primitive.name not in _ALLOWED:
            return False
        if equation.primitive.name in ("while", "scan", "cond") or not all(map(is_elementwise, inner)):
            return False
    return True
