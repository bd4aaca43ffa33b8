"""The grid of times: what is accepted, and what one line says when it is not."""

import numpy as np
import pytest

from sde_momentum.ensembles._grid import time_grid


def test_save_times_do_not_depend_on_the_step():
    """Two runs with different steps carry bit-equal time coordinates (3 * 0.1 is not 30 * 0.01)."""
    coarse, fine = time_grid(1.0, 0.1, 10), time_grid(1.0, 0.01, 10)
    assert coarse.times == fine.times
    assert coarse.save_steps == tuple(range(1, 11))
    assert fine.save_steps == tuple(range(10, 101, 10))
    assert time_grid(1.0, 0.1, [0.3]).times == time_grid(1.0, 0.01, [0.3]).times == (0.3,)


@pytest.mark.parametrize("dt", [0.1, float(np.float32(0.1)), 1e-5, float(np.float32(1e-5))])
def test_rounded_steps_are_whole_steps(dt):
    """A step that went through float32 still divides the interval, and the grid's own step divides it exactly."""
    grid = time_grid(1.0, dt, None)
    assert grid.steps == round(1 / dt)
    assert grid.dt == 1.0 / grid.steps


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1.0, 0.3, None), r"t1=1 .*dt=0.3; the nearest are t1=0.9 and t1=1.2, or dt=0.3333333333"),
        ((0.1, 0.3, None), r"t1=0.1 .*the nearest are t1=0.3"),
        ((1.0, -0.1, None), r"dt must be a positive"),
        ((0.0, 0.1, None), r"t1 must be a positive"),
        ((float("nan"), 0.1, None), r"t1 must be a positive"),
        ((1.0, 0.1, 3), r"saves=3 does not divide the 10 steps .*nearest number is 2"),
        ((1.0, 0.1, 0), r"saves=0"),
        ((1.0, 0.1, True), r"saves must be a number"),
        ((1.0, 0.1, []), r"saves must be a number"),
        ((1.0, 0.1, [0.25]), r"saves holds 0.25.*nearest is 0.2"),
        ((1.0, 0.1, [1.1]), r"saves holds 1.1.*nearest is 1"),
        ((1.0, 0.1, [0.5, 0.2]), r"saves must be increasing"),
        ((1.0, 0.1, [0.0]), r"saves must hold a time after the start"),
        ((1.0, 1e-10, None), r"step counter"),
    ],
)
def test_bad_times_are_one_line(arguments, message):
    """Every bad time names the argument, what it got and the nearest good value, on one line."""
    with pytest.raises(ValueError, match=message) as error:
        time_grid(*arguments)
    assert "\n" not in str(error.value)
