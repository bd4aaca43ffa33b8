"""Talay–Tubaro extrapolation."""

import jax.tree_util as jtu
from jaxtyping import PyTree


def extrapolate(fine: PyTree, coarse: PyTree, order: int = 1) -> PyTree:
    r"""Remove the leading error of a weak approximation from its values at steps h and 2h.

        (2^p E_h − E_2h) / (2^p − 1),

    for a method of weak order p whose error has an expansion in powers of h; it has order p + 1. Give the two levels
    the same noise (`CounterPath.coarsen(2)` for the coarse one) and pass values path by path: the spread of the
    returned values is then the right standard error, and hardly above that of the fine level.

    Args:
        fine: values with step h, any pytree of arrays, single paths or means.
        coarse: values of the same shape with step 2h.
        order: p, the weak order of the method.

    Returns:
        The extrapolated values.

    Raises:
        ValueError: `order` < 1.

    Example:
        >>> extrapolate(fine=1.1, coarse=1.2, order=1)
        1.0000000000000002

    References:
        D. Talay, L. Tubaro, "Expansion of the global error for numerical schemes solving stochastic differential
        equations", Stoch. Anal. Appl. 8 (1990), 483–509.
    """
    if order < 1:
        raise ValueError(f"order must be at least 1, got {order}")
    factor = 2**order
    return jtu.tree_map(lambda f, c: (factor * f - c) / (factor - 1), fine, coarse)
