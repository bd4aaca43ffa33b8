"""Equal steps counted by an integer."""

from typing import Any

import diffrax as dfx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


class UniformSteps(dfx.AbstractStepSizeController):
    """Steps from t1·k/n to t1·(k+1)/n, with k and n integers, so that the last one ends at t1 exactly.

    diffrax's `ConstantStepSize` divides t1 by a step to find how many there are, which rounding can change by one.

    Args:
        t1: End of the run. Time starts at 0.
        number: How many steps, n.
    """

    t1: Float[Array, ""]
    number: Int[Array, ""]

    def end(self, step: Int[Array, "..."]) -> Float[Array, "..."]:
        """The time after so many steps."""
        return self.t1 * (step.astype(self.t1.dtype) / self.number.astype(self.t1.dtype))

    def wrap(self, direction: Any) -> "UniformSteps":
        """Time runs forward only."""
        del direction
        return self

    def init(self, terms, t0, t1, y0, dt0, args, func, error_order) -> tuple[Float[Array, ""], Int[Array, ""]]:
        """The end of the first step, and the number of the step that follows."""
        del terms, t0, t1, y0, dt0, args, func, error_order
        return self.end(jnp.int32(1)), jnp.int32(2)

    def adapt_step_size(self, t0, t1, y0, y1_candidate, args, y_error, error_order, controller_state):
        """Accept the step; the next one ends on the next grid time."""
        del t0, y0, y1_candidate, args, y_error, error_order
        return True, t1, self.end(controller_state), False, controller_state + 1, dfx.RESULTS.successful
