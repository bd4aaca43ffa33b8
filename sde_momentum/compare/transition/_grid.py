"""Chebyshev grids in one and two dimensions: points, derivatives, values anywhere."""

from functools import lru_cache

import numpy as np
from numpy.polynomial import chebyshev
from scipy.special import erfc


@lru_cache(maxsize=16)
def _axis(count):
    """Nodes on [-1, 1] with the matrices from values to coefficients and to derivatives."""
    nodes = -np.cos(np.pi * np.arange(count) / (count - 1))
    to_coefficients = np.linalg.inv(chebyshev.chebvander(nodes, count - 1))
    slopes = np.stack([chebyshev.chebval(nodes, chebyshev.chebder(row)) for row in np.eye(count)], axis=1)
    return nodes, to_coefficients, slopes @ to_coefficients


# Place and width of the collar's fall on [-1, 1], by dimension: two dimensions afford fewer nodes, hence a softer fall.
_COLLAR = {1: (0.88, 0.05), 2: (0.8, 0.1)}
# Width of the split between outward and inward motion, as a fraction of the largest motion on the face.
_SPLIT = 0.1


class ChebyshevGrid:
    r"""Tensor grid of Chebyshev points on a box, with a smooth collar.

    The collar is a function $\omega$ that is one on the core of the box and falls to zero at its faces. Noise is
    multiplied by it, and so is drift that would leave the box: the process is then one that stays inside, its
    transition operator is well posed without boundary conditions, and its functions stay smooth. What is changed lies
    where the tail probability is negligible, and the refinement, which also moves the box, reports it.

    Args:
        domain: `(low, high)` per axis, shape `(d, 2)`, d = 1 or 2.
        count: nodes per axis.
    """

    def __init__(self, domain, count):
        self.domain = np.atleast_2d(np.asarray(domain, dtype=float))
        self.dimension, self.count = len(self.domain), count
        nodes, self._to_coefficients, self._derivative = _axis(count)
        self._center, self._half = self.domain.mean(axis=1), np.diff(self.domain, axis=1)[:, 0] / 2
        axes = self._center[:, None] + self._half[:, None] * nodes
        self.points = np.stack([part.ravel() for part in np.meshgrid(*axes, indexing="ij")])
        place, width = _COLLAR[self.dimension]
        profile = 0.5 * erfc((np.abs(nodes) - place) / width)
        # Shifted to vanish at the faces: cutting it off there would be a jump, felt at 1e-8 all over the grid.
        profile = (profile - profile[0]) / (profile[count // 2] - profile[0])
        self._collar = np.stack([part.ravel() for part in np.meshgrid(*[profile] * self.dimension, indexing="ij")])
        side = np.sign(nodes) * (np.abs(nodes) > 0.5)
        self._side = np.stack([part.ravel() for part in np.meshgrid(*[side] * self.dimension, indexing="ij")])

    @property
    def collar(self):
        """Factor of the noise at each grid point, shape `(N,)`."""
        return self._collar.prod(axis=0)

    def confine(self, displacement):
        """Multiply by the collar the part of a displacement that leads out of the box; what leads in is kept.

        The split is smooth, for a kink in the drift would cost the grid its accuracy; a face that nothing crosses is
        left alone altogether.

        Args:
            displacement: drift, or mean step, at the grid points; shape `(d, N)`.
        """
        result = np.array(displacement, dtype=float)
        for axis, collar in enumerate(self._collar):
            for side in (-1, 1):
                near = self._side[axis] == side
                outward = side * displacement[axis][near]
                scale = np.abs(outward[collar[near] == 0]).max()
                if np.any(outward[collar[near] == 0] > 0):
                    smooth = (outward + np.hypot(outward, _SPLIT * scale)) / 2
                    result[axis][near] -= side * (1 - collar[near]) * smooth
        return result

    def vandermonde(self, points):
        """Chebyshev polynomials of each axis at arbitrary points, clipped into the box.

        Args:
            points: shape `(d, ...)`.

        Returns:
            One array of shape `(..., count)` per axis.
        """
        shape = (-1,) + (1,) * (np.ndim(points) - 1)
        local = np.clip((points - self._center.reshape(shape)) / self._half.reshape(shape), -1, 1)
        return [chebyshev.chebvander(part, self.count - 1) for part in local]

    def interpolation(self, bases, weights):
        """Matrix from values at the grid points to weighted sums of the interpolant over points.

        Args:
            bases: from `vandermonde` at points of shape `(d, q, N)`: arrays of shape `(q, N, count)`.
            weights: shape `(q,)`.

        Returns:
            Array of shape `(N, count^d)`.
        """
        if self.dimension == 1:
            return np.tensordot(weights, bases[0], 1) @ self._to_coefficients
        first, second = (np.ascontiguousarray(np.swapaxes(basis @ self._to_coefficients, 0, 1)) for basis in bases)
        pairs = np.swapaxes(first * weights[:, None], 1, 2) @ second
        return pairs.reshape(len(pairs), -1)

    def evaluate(self, values, point):
        """Functions given at the grid points, at one point of the box; shape `(functions,)`."""
        bases = self.vandermonde(np.reshape(point, (self.dimension, 1, 1)))
        return (self.interpolation(bases, np.ones(1)) @ values)[0]

    def derivatives(self):
        """Matrix of d/dx along each axis, shape `(count, count)`, acting on the values of that axis."""
        return [self._derivative / half for half in self._half]


def stretched(domain, factor):
    """The box with each side stretched about its center; shape `(d, 2)`."""
    domain = np.atleast_2d(np.asarray(domain, dtype=float))
    center, half = domain.mean(axis=1), np.diff(domain, axis=1)[:, 0] / 2
    return np.stack([center - factor * half, center + factor * half], axis=1)
