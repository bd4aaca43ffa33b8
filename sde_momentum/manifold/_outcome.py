"""What a point turned out to be, as data."""

import enum


class Outcome(enum.IntEnum):
    """Verdict on a point with respect to the manifold of minimizers Γ.

    The verdict is data, not an exception, so that one bad replica does not stop an ensemble: it is stored as an integer
    array, and `Outcome(int(code)).message` turns one entry into a sentence.

    Example:
        >>> from sde_momentum.manifold import Outcome
        >>> Outcome(1).name
        'ISOLATED'
        >>> print(Outcome.SADDLE.message)
        stationary, but the Hessian has a negative eigenvalue: a saddle or a maximum, not a minimizer
    """

    ON_MANIFOLD = 0
    ISOLATED = 1
    SADDLE = 2
    DEGENERATE_GAP = 3
    NOT_STATIONARY = 4
    ESCAPED = 5
    UNFINISHED = 6
    UNDEFINED = 7
    NO_MANIFOLD_NEARBY = 8

    @property
    def message(self) -> str:
        """The verdict as a sentence."""
        return _MESSAGES[self]


_MESSAGES = {
    Outcome.ON_MANIFOLD: "on the manifold of minimizers",
    Outcome.ISOLATED: "an isolated minimum: the Hessian has no kernel, "
    "the manifold is a point and the slow equation is trivial",
    Outcome.SADDLE: "stationary, but the Hessian has a negative eigenvalue: a saddle or a maximum, not a minimizer",
    Outcome.DEGENERATE_GAP: "the Hessian's spectrum has no gap between zero and nonzero eigenvalues: "
    "the normal space is not defined (a singular point of the manifold, or too little precision)",
    Outcome.NOT_STATIONARY: "not on the manifold: the gradient does not vanish; apply limit_map first",
    Outcome.ESCAPED: "the gradient flow runs away to infinity: no limit exists",
    Outcome.UNFINISHED: "the gradient flow did not come to rest within max_steps",
    Outcome.UNDEFINED: "the loss, its derivatives or the noise covariance are not finite here",
    Outcome.NO_MANIFOLD_NEARBY: "the Hessian has a kernel, but minimizers do not continue along it: "
    "a degenerate minimum, not a point of a manifold of dimension dim ker H",
}
