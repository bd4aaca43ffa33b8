"""Reshuffled epochs make dependent steps, which no diffusion limit and no closed moment describes."""

from typing import Any


def require_independent_steps(problem: Any, owner: str, remedy: str = "") -> None:
    """Refuse a problem whose noise is correlated between steps.

    Args:
        problem: loss and noise; anything without `independent_steps` passes.
        owner: who needs independent steps, for the message.
        remedy: what else can be done, a clause that starts with a comma.

    Raises:
        ValueError: the problem walks through epochs.
    """
    if getattr(problem, "independent_steps", True):
        return
    raise ValueError(
        f"{owner} needs independent steps, but this problem walks through epochs: its noise nearly cancels over each. "
        "Pass replacement=True or reshuffle=False when making the problem, or problem.gaussian() to ask about "
        f"independent Gaussian noise of the same covariance{remedy}."
    )
