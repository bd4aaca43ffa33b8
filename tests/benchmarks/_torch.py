"""torchsde on W1, where it is installed."""

import warnings
from typing import Any

from tests.benchmarks._contender import Contender


def double_well(paths: int, steps: int, dt: float) -> tuple[list[Contender], list[str]]:
    """Euler's method of torchsde as its documentation calls it, and why it is left out where it is."""
    try:
        import torch
        import torchsde
    except ImportError:
        return [], ["torchsde is not installed; the extra `bench` has it"]

    class DoubleWell(torch.nn.Module):
        noise_type, sde_type = "diagonal", "ito"

        def f(self, t: Any, x: Any) -> Any:
            return x - x * x * x

        def g(self, t: Any, x: Any) -> Any:
            return torch.sqrt(0.5 + 0.5 * x * x)

    equation, x0, times = DoubleWell(), torch.zeros(paths, 1), torch.tensor([0.0, steps * dt])

    def run():
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torchsde.sdeint(equation, x0, times, method="euler", dt=dt)

    return [Contender("torchsde Euler", run, paths, steps)], []
