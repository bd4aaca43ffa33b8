"""What two routes differ by."""

from collections.abc import Iterable

from sde_momentum.symbolic.coordinates._components import in_coordinates, in_dimension
from sde_momentum.symbolic.coordinates._direction_difference import direction_difference
from sde_momentum.symbolic.coordinates._directions import direction_of
from sde_momentum.symbolic.coordinates._polynomial import JetPolynomial
from sde_momentum.symbolic.coordinates._route import CoordinateEquation, equation_with
from sde_momentum.symbolic.coordinates._settling import settled
from sde_momentum.symbolic.equation._limit import Limit, NoDiffusion
from sde_momentum.symbolic.graphs._tensor_expression import TensorExpression

Components = dict[tuple, JetPolynomial]


def difference(limit: Limit | NoDiffusion, dimension: int) -> dict:
    """Derive `limit` again by the second route and subtract, exactly.

    Args:
        limit: what `modified_equation` returned.
        dimension: number of components, 1 or 2.

    Returns:
        What is compared → first route minus second route. Keys are `("drift", variable, component)`,
        `("covariance", variable, variable, component, component)`, `("initial_shift", variable, component)`, or, where
        one of the two found no diffusion, `("obstruction", (variable, component), …)`. All values are zero when the
        routes agree. For steps of fixed length, as of sign descent, they are False where the difference vanishes
        identically.

    Raises:
        ValueError: the second route does not read the rule.

    Example:
        >>> from sde_momentum.optimizers import sgdm
        >>> from sde_momentum.symbolic import modified_equation
        >>> any(difference(modified_equation(sgdm(), order=2), dimension=2).values())
        False
    """
    if direction_of(limit.rule) is not None:
        return direction_difference(limit, dimension)
    describes = "slow" if limit.describes == "slow" else "x"
    coefficients = tuple(in_dimension(c, dimension) for e in _expressions(limit) for _, c in e)
    second = equation_with(limit.rule, limit.regime, limit.order, dimension, describes, coefficients)
    if isinstance(limit, NoDiffusion) and limit.part == "covariance" and second.exists:
        return _block_difference(limit, second)
    both_exist = second.exists and isinstance(limit, Limit)
    ours = _limit_components(limit, second) if isinstance(limit, Limit) else _obstruction_components(limit, second)
    theirs = _equation_components(second)
    keys = [key for key in {**ours, **theirs} if both_exist == (key[0] != "obstruction")]
    zero = second.ring.zero
    return {key: settled(ours.get(key, zero) - theirs.get(key, zero)) for key in keys}


def _block_difference(limit: NoDiffusion, second: CoordinateEquation) -> Components:
    """A block that is too large for a covariance, against the leading part of that of the second route."""
    found: Components = {}
    for (v, w), block in limit.obstruction.items():
        rows = second.covariance.get((v, w), ())
        lowest = min((value.lowest for row in rows for value in row if value), default=0)
        for (i, j), value in in_coordinates(block, second.dimension, second.ring).items():
            theirs = rows[i][j].at(lowest).raised(lowest) if rows else second.ring.zero
            found["covariance", v, w, i, j] = value - theirs
    return found


def _expressions(limit: Limit | NoDiffusion) -> Iterable[TensorExpression]:
    if isinstance(limit, NoDiffusion):
        return limit.obstruction.values()
    return [*limit.drift.values(), *limit.covariance.values(), *limit.initial_shift.values()]


def _limit_components(limit: Limit, second: CoordinateEquation) -> Components:
    """The first route's drift, covariance and shift in the second route's ring."""
    found: Components = {}
    for name in ("drift", "covariance", "initial_shift"):
        for variables, expression in getattr(limit, name).items():
            head = (name, variables) if isinstance(variables, str) else (name, *variables)
            for free, value in in_coordinates(expression, second.dimension, second.ring).items():
                found[*head, *free] = value
    return found


def _obstruction_components(limit: NoDiffusion, second: CoordinateEquation) -> Components:
    """Coefficients of the derivatives of f: components whose coordinates differ in order only belong together."""
    found: Components = {}
    places = {coordinate: place for place, coordinate in enumerate(second.ring.coordinates)}
    for variables, expression in limit.obstruction.items():
        for free, value in in_coordinates(expression, second.dimension, second.ring).items():
            key = ("obstruction", *sorted(zip(variables, free, strict=True), key=places.__getitem__))
            found[key] = found.get(key, second.ring.zero) + value
    return found


def _equation_components(second: CoordinateEquation) -> Components:
    found: Components = {}
    for name in ("drift", "initial_shift"):
        for variable, components in getattr(second, name).items():
            found |= {(name, variable, i): value for i, value in enumerate(components)}
    for (v, w), rows in second.covariance.items():
        found |= {("covariance", v, w, i, j): value for i, row in enumerate(rows) for j, value in enumerate(row)}
    found |= {("obstruction", *index): value for index, value in second.obstruction.items()}
    return found
