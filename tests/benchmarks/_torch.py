"""torchsde on W1, where it is installed."""

import time
import warnings
from collections.abc import Callable
from typing import Any

from tests.benchmarks._contender import Contender


def _faster(torch: Any, run: Callable[[], Any]) -> int:
    """All threads or one: on a busy machine torch's threads wait for each other, and one was 8 to 30 times faster."""
    seconds = {}
    for threads in (torch.get_num_threads(), 1):
        torch.set_num_threads(threads)
        run()
        start = time.perf_counter()
        run()
        seconds[threads] = time.perf_counter() - start
    return min(seconds, key=seconds.__getitem__)


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

    torch.set_num_threads(_faster(torch, run))
    return [Contender("torchsde Euler", run, paths, steps)], []
