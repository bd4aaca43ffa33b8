"""What the exact laws of affine chains and affine equations share: moments, composition, repetition."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np


class Moments(NamedTuple):
    """Mean and covariance, each with a leading axis over the requested steps or times.

    Attributes:
        mean: shape `(times, d)`, or `(d,)` for one law.
        covariance: shape `(times, d, d)`, or `(d, d)`.
    """

    mean: np.ndarray
    covariance: np.ndarray

    @property
    def second(self):
        """Second moments E z zᵀ, shape as `covariance`."""
        return self.covariance + self.mean[..., :, None] * self.mean[..., None, :]


@dataclass(frozen=True, eq=False)
class AffineSystem:
    """Matrix, offset and noise of an affine process, checked; chains and equations differ in what they do with them."""

    matrix: np.ndarray
    offset: np.ndarray = field(default=None)  # pyright: ignore[reportAssignmentType]
    noise: np.ndarray = field(default=None)  # pyright: ignore[reportAssignmentType]
    multiplicative: np.ndarray | None = None

    def __post_init__(self):
        names = ("matrix", "offset", "noise", "multiplicative")
        system = checked_system(self.matrix, self.offset, self.noise, self.multiplicative)
        for name, array in zip(names, system, strict=True):
            object.__setattr__(self, name, array)

    def second_moments(self, *, rate):
        """The linear map of the stacked moments under state-dependent noise, see `second_moment_operator`."""
        return second_moment_operator(self.matrix, self.offset, self.multiplicative, self.noise, rate=rate)

    def noise_spread(self):
        """What state-dependent noise adds to the map of covariances, shape `(d², d²)`."""
        size = len(self.offset)
        return np.einsum("aij,akl->ikjl", self.multiplicative, self.multiplicative).reshape(size**2, size**2)

    def stationary_covariance(self, operator, mean):
        """The covariance C with C = operator C + source, the source being the noise at the stationary mean."""
        size = len(mean)
        source = np.einsum("aij,j->ia", self.multiplicative, mean) + self.noise
        covariance = np.linalg.solve(np.eye(size**2) - operator, (source @ source.T).ravel()).reshape(size, size)
        return (covariance + covariance.T) / 2


class Transition(NamedTuple):
    """Law of an affine step: z ↦ matrix z + offset + noise of the given covariance."""

    matrix: np.ndarray
    offset: np.ndarray
    covariance: np.ndarray

    def then(self, later):
        """This step followed by a later one, independent of it."""
        return Transition(
            later.matrix @ self.matrix,
            later.matrix @ self.offset + later.offset,
            later.matrix @ self.covariance @ later.matrix.T + later.covariance,
        )

    def repeated(self, count):
        """This step `count` times, by doubling: O(log count) products and no cancellation."""
        size = len(self.offset)
        result, square = Transition(np.eye(size), np.zeros(size), np.zeros((size, size))), self
        while count:
            if count & 1:
                result = result.then(square)
            square, count = square.then(square), count >> 1
        return result

    def apply(self, mean, covariance):
        """Moments after the step."""
        return self.matrix @ mean + self.offset, self.matrix @ covariance @ self.matrix.T + self.covariance


def second_moment_operator(matrix, offset, multiplicative, additive, *, rate):
    r"""Linear map of the stacked $(P, \hat\mu\hat\mu^T)$, $\hat\mu = (1, \mu)$, for state-dependent noise.

    For a chain ($\mathtt{rate}$ false) $P' = APA^T + \sum_a A_aPA_a^T + \sum_a (A_a\mu + c_a)(A_a\mu + c_a)^T$; for an
    equation the same with $FP + PF^T$. Carrying the covariance beside the squared mean avoids subtracting the two.

    Returns:
        Matrix of shape `(d² + (d+1)²,)` twice.
    """
    size = len(offset)
    lifted = np.zeros((size + 1, size + 1))
    lifted[0, 0] = 0.0 if rate else 1.0
    lifted[1:, 0], lifted[1:, 1:] = offset, matrix
    noise = np.concatenate([additive.T[:, :, None], multiplicative], axis=2)
    spread = np.einsum("aij,akl->ikjl", multiplicative, multiplicative).reshape(size**2, size**2)
    source = np.einsum("aij,akl->ikjl", noise, noise).reshape(size**2, (size + 1) ** 2)
    both = np.zeros((size**2 + (size + 1) ** 2,) * 2)
    both[: size**2, : size**2] = _two_sided(matrix, rate) + spread
    both[: size**2, size**2 :] = source
    both[size**2 :, size**2 :] = _two_sided(lifted, rate)
    return both


def stack_moments(mean, covariance):
    """The vector that `second_moment_operator` acts on."""
    lifted = np.concatenate([[1.0], mean])
    return np.concatenate([covariance.ravel(), np.outer(lifted, lifted).ravel()])


def unstack_moments(vector, size):
    """Mean and covariance back from the stacked vector."""
    covariance = vector[: size**2].reshape(size, size)
    return vector[size**2 + 1 : size**2 + size + 1], (covariance + covariance.T) / 2


def _two_sided(matrix, rate):
    eye = np.eye(len(matrix))
    return np.kron(matrix, eye) + np.kron(eye, matrix) if rate else np.kron(matrix, matrix)


def checked_system(matrix, offset, noise, multiplicative):
    """Arrays of matching shapes, or a ValueError that names the one that does not match."""
    matrix = np.atleast_2d(np.asarray(matrix, dtype=float))
    size = len(matrix)
    if matrix.shape != (size, size):
        raise ValueError(f"matrix must be square, got shape {matrix.shape}")
    offset = np.zeros(size) if offset is None else np.atleast_1d(np.asarray(offset, dtype=float))
    if offset.shape != (size,):
        raise ValueError(f"offset must have shape ({size},) like the state, got {offset.shape}")
    if noise is None:
        noise = np.zeros((size, 0 if multiplicative is None else len(multiplicative)))
    noise = np.atleast_2d(np.asarray(noise, dtype=float))
    if noise.ndim != 2 or len(noise) != size:
        raise ValueError(f"noise must have shape ({size}, number of noises), got {noise.shape}: one column per noise")
    if multiplicative is not None:
        multiplicative = np.asarray(multiplicative, dtype=float)
        if multiplicative.shape != (noise.shape[1], size, size):
            raise ValueError(
                f"multiplicative must have shape ({noise.shape[1]}, {size}, {size}), one matrix per column of noise, "
                f"got {multiplicative.shape}: pad noise or multiplicative with zeros"
            )
    arrays = (matrix, offset, noise) if multiplicative is None else (matrix, offset, noise, multiplicative)
    if not all(np.all(np.isfinite(array)) for array in arrays):
        raise ValueError("matrix, offset, noise and multiplicative must be finite: check the learning rate")
    return matrix, offset, noise, multiplicative


def checked_start(mean, covariance, size):
    """Initial moments as arrays."""
    mean = np.atleast_1d(np.asarray(mean, dtype=float))
    covariance = np.zeros((size, size)) if covariance is None else np.asarray(covariance, dtype=float)
    if mean.shape != (size,) or covariance.shape != (size, size):
        raise ValueError(
            f"the start must have shape ({size},) and its covariance ({size}, {size}), "
            f"got {mean.shape} and {covariance.shape}"
        )
    return mean, covariance
