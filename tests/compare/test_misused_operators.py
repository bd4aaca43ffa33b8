"""Transition operators refuse nonsense in one sentence that names the argument, before anything is computed."""

from functools import lru_cache

import numpy as np
import pytest

from sde_momentum.compare import NoiseLaw, chain_expectation, sde_expectation, transition_weak_error
from sde_momentum.compare.transition._box import box_sde_expectation, box_serves

CHAIN = {
    "step": lambda x, xi: 0.9 * x + 0.1 * xi,
    "observables": [np.square],
    "start": 1.0,
    "steps": 3,
    "noise": NoiseLaw.rademacher(),
}
EQUATION = {
    "drift": lambda x: -x,
    "diffusion": lambda x: 0.3 + 0 * x,
    "observables": [np.square],
    "start": 1.0,
    "time": 1.0,
}
PLANE = {"observables": [lambda z: z[0]], "start": [1.0, 2.0]}
STUDY = {
    "step": lambda x, xi, eta: x - eta * (x + xi),
    "drift": lambda x, eta: -x,
    "diffusion": lambda x, eta: np.sqrt(eta) + 0 * x,
    "observables": {"second": np.square},
    "start": 0.5,
    "time": 1.0,
    "learning_rates": (0.5, 0.25, 0.125, 0.0625),
    "noise": NoiseLaw.gaussian(),
}


@lru_cache
def study():
    return transition_weak_error(**STUDY)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"step": 3}, TypeError, "`step` must be a function, got 3"),
        ({"step": lambda x, xi: None}, TypeError, "`step` must return real numbers, got NoneType"),
        ({"step": lambda x, xi: 1j * x}, TypeError, "`step` must return real numbers, got dtype complex128"),
        ({"step": lambda x, xi: np.ones(7)}, ValueError, r"`step` must return the shape of the state, here \(2,\)"),
        (PLANE | {"step": lambda z, xi: z.T}, ValueError, r"`step` .* state, here \(2, 3\), got \(3, 2\)"),
        (PLANE | {"step": lambda z, xi: [z[0], 1.0]}, ValueError, "`step` must return one array, got parts of diff"),
        ({"observables": np.square}, TypeError, "`observables` must be a sequence of functions of x, such as .np"),
        ({"observables": {"second": np.square}}, TypeError, "`observables` must be a sequence of functions"),
        ({"observables": ["second"]}, TypeError, "`observables` must be a sequence of functions .* got .'second'"),
        ({"observables": "second"}, TypeError, "`observables` must be a sequence of functions .* got 'second'"),
        ({"observables": None}, TypeError, "`observables` must be a sequence of functions .* got None"),
        ({"observables": []}, ValueError, "`observables` is empty: pass at least one"),
        ({"observables": [lambda x: 1.0]}, ValueError, r"observable 0 must return one number per state, shape \(2,\)"),
        ({"start": None}, TypeError, "`start` must hold real numbers, got NoneType"),
        ({"start": "one"}, TypeError, "`start` must hold real numbers, got dtype <U3"),
        ({"start": {"x": 1.0}}, TypeError, "`start` must hold real numbers, got dict"),
        ({"start": np.nan}, ValueError, "`start` must be finite, got nan"),
        ({"start": [0.0, np.inf]}, ValueError, "`start` must be finite"),
        ({"start": []}, ValueError, "`start` has 0 components"),
        ({"start": np.ones((2, 2))}, ValueError, r"`start` has 4 components, in shape \(2, 2\)"),
        ({"steps": 0}, ValueError, "`steps` must be at least 1, got 0"),
        ({"steps": -1}, ValueError, "`steps` must be at least 1, got -1"),
        ({"steps": 1.5}, TypeError, "`steps` must be a whole number, got 1.5"),
        ({"steps": True}, TypeError, "`steps` must be a whole number, got True"),
        ({"steps": 10**6}, ValueError, "`steps` = 1000000 would take too long, at most 200000 .* AffineChain"),
        (PLANE | {"steps": 150_000}, ValueError, "`steps` = 150000 would take too long, at most 100000 do"),
        ({"noise": "gaussian"}, TypeError, "noise must be a NoiseLaw, got str: use NoiseLaw.gaussian"),
        ({"domain": [[2.0, 3.0]]}, ValueError, r"`domain` must hold the start \[1.0\]"),
        ({"domain": [[1, 0]]}, ValueError, "`domain` must hold finite limits, the lower one first"),
        ({"domain": [[-np.inf, 3]]}, ValueError, "`domain` must hold finite limits"),
        ({"domain": [0, 3]}, ValueError, r"`domain` must hold the two limits of each component, shape \(1, 2\)"),
        ({"domain": [[0, 3], [0, 3]]}, ValueError, r"`domain` must hold the two limits .* shape \(1, 2\)"),
        ({"domain": "wide"}, ValueError, r"`domain` must hold the two limits .* got 'wide'"),
        ({"start": [1.0] * 3, "domain": [[0, 3]] * 3}, ValueError, "a box serves one or two components, not 3: leave"),
        ({"domain": [[0, 3]], "noise": NoiseLaw.gaussian(5)}, ValueError, "a box cannot sum over 5 normals"),
        ({"tolerance": 0}, ValueError, "`tolerance` must be positive and finite, got 0"),
        ({"tolerance": -1}, ValueError, "`tolerance` must be positive and finite, got -1"),
        ({"tolerance": np.nan}, ValueError, "`tolerance` must be a number, got nan"),
        ({"tolerance": np.inf}, ValueError, "`tolerance` must be positive and finite, got inf"),
        ({"tolerance": "1e-8"}, TypeError, "`tolerance` must be a number, got '1e-8'"),
    ],
)
def test_a_chain(changes, error, message):
    """What is no chain, start, noise, box or tolerance."""
    if "noise" in changes and "domain" in changes:
        changes = changes | {"step": lambda x, xi: x + xi[0]}
    with pytest.raises(error, match=message):
        chain_expectation(**(CHAIN | changes))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"time": -1}, ValueError, "`time` must be positive and finite, got -1"),
        ({"time": 0}, ValueError, "`time` must be positive and finite, got 0"),
        ({"time": np.inf}, ValueError, "`time` must be positive and finite, got inf"),
        ({"time": np.nan}, ValueError, "`time` must be a number, got nan"),
        ({"time": "1"}, TypeError, "`time` must be a number, got '1'"),
        ({"drift": 1.0}, TypeError, "`drift` must be a function, got 1.0"),
        ({"diffusion": 0.3}, TypeError, "`diffusion` must be a function, got 0.3"),
        ({"drift": lambda x: np.ones(5)}, ValueError, r"`drift` must return the shape of the state, here \(2,\)"),
        ({"diffusion": lambda x: np.ones(5)}, ValueError, r"`diffusion` must return .* here \(2,\), got \(5,\)"),
        (PLANE | {"diffusion": lambda z: z}, ValueError, r"`diffusion` .* here \(2, noises, 3\), got \(2, 3\)"),
        (PLANE | {"diffusion": lambda z: np.eye(2)}, ValueError, r"`diffusion` .* \(2, noises, 3\), got \(2, 2\)"),
        (PLANE | {"drift": lambda z: -z[0]}, ValueError, r"`drift` must return .* here \(2, 3\), got \(3,\)"),
        ({"start": np.nan}, ValueError, "`start` must be finite"),
        ({"domain": [[2, 3]]}, ValueError, "`domain` must hold the start"),
        ({"tolerance": 0.0}, ValueError, "`tolerance` must be positive and finite"),
        ({"observables": []}, ValueError, "`observables` is empty"),
    ],
)
def test_an_equation(changes, error, message):
    """What is no duration, coefficient, start, box or tolerance."""
    with pytest.raises(error, match=message):
        sde_expectation(**(EQUATION | changes))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"step": None}, TypeError, "`step` must be a function, got None"),
        ({"step_time": 0.1}, TypeError, "`step_time` must be a function, got 0.1"),
        ({"limit_start": 0}, TypeError, "`limit_start` must be a function, got 0"),
        ({"limit_observables": {"second": np.square}}, TypeError, "`limit_observables` must be a function, "),
        ({"limit_observables": lambda eta: [np.square]}, TypeError, "`limit_observables` must map names to functions"),
        ({"limit_start": lambda eta: np.nan}, ValueError, "`limit_start` must be finite, got nan"),
        ({"limit_domain": [[2, 3]]}, ValueError, "`limit_domain` must hold the start"),
        ({"domain": [[2, 3]]}, ValueError, "`domain` must hold the start"),
        ({"step_time": lambda eta: 0.0}, ValueError, "`step_time.learning_rate.` must be positive and finite, got 0.0"),
        ({"observables": [np.square]}, TypeError, "`observables` must map names to functions of x"),
        ({"observables": {"second": 2}}, TypeError, "`observables` must map names to functions of x"),
        ({"observables": {}}, ValueError, "`observables` is empty"),
        ({"learning_rates": 0.1}, TypeError, "`learning_rates` must be a sequence of numbers, got 0.1"),
        ({"learning_rates": "ab"}, TypeError, "`learning_rates` must be a sequence of numbers, got 'ab'"),
        ({"learning_rates": ()}, ValueError, "`learning_rates` must be at least one positive"),
        ({"learning_rates": (0.5, -0.25)}, ValueError, "`learning_rates` must be at least one positive and finite"),
        ({"time": -1}, ValueError, "`time` must be positive and finite"),
        ({"time": "1"}, TypeError, "`time` must be a number"),
        ({"noise": None}, TypeError, "noise must be a NoiseLaw, got NoneType"),
        ({"learning_rates": (0.5, 0.3)}, ValueError, "whole number of steps"),
    ],
)
def test_a_study(changes, error, message):
    """A study is refused as a whole, before its first learning rate is computed."""
    with pytest.raises(error, match=message):
        transition_weak_error(**(STUDY | changes))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"observable": "third"}, ValueError, "`observable` must be one of second, got 'third'"),
        ({"claim": 1}, ValueError, "`options` must be one of remainder_exponent, .* got 'claim'"),
        ({"errors": 1}, ValueError, "`options` must be one of .* got 'errors'"),
        ({"claimed_order": "1"}, TypeError, "claimed_order"),
        ({"confidence": 2}, ValueError, "`confidence` must lie strictly between 0 and 1, got 2"),
    ],
)
def test_a_fit_of_a_study(arguments, error, message):
    """Observables and options that there are not."""
    with pytest.raises(error, match=message):
        study().fit(**arguments)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: NoiseLaw.gaussian(0), ValueError, "`dimension` must be at least 1, got 0"),
        (lambda: NoiseLaw.gaussian(-1), ValueError, "`dimension` must be at least 1, got -1"),
        (lambda: NoiseLaw.gaussian(1.5), TypeError, "`dimension` must be a whole number, got 1.5"),
        (lambda: NoiseLaw.gaussian(1, 0), ValueError, "`count` must be at least 1, got 0"),
        (lambda: NoiseLaw.gaussian(1, 1), ValueError, "`count` = 1 point per axis is no noise: take at least 2"),
        (lambda: NoiseLaw.gaussian(1, 2.0), TypeError, "`count` must be a whole number, got 2.0"),
        (lambda: NoiseLaw.gaussian(1, 400), ValueError, "400 points on each of 1 axes are too many, at most 300"),
        (lambda: NoiseLaw.gaussian(3, 200), ValueError, "200 points on each of 3 axes are too many, .* lower `count`"),
        (lambda: NoiseLaw.gaussian(21), ValueError, "2 points on each of 21 axes are too many, .* fewer normals"),
        (lambda: NoiseLaw.finite([]), ValueError, "`points` must be a sequence of at least one value"),
        (lambda: NoiseLaw.finite(None), ValueError, "`points` must be a sequence .* got None"),
    ],
)
def test_a_noise(make, error, message):
    """Rules that are no noise, or that no memory holds."""
    with pytest.raises(error, match=message):
        make()


def test_many_normals_are_noise():
    """Thirteen normals have two points an axis, not one: mean zero, covariance one."""
    law = NoiseLaw.gaussian(13)
    np.testing.assert_allclose((law.points * law.weights[:, None]).T @ law.points, np.eye(13), atol=1e-12)


def test_five_normals_on_a_line_are_left_to_frames():
    """A box would sum over millions of points: frames serve alone, and give the sum of five independent normals."""
    assert box_serves(1, NoiseLaw.gaussian(4))
    assert not box_serves(1, NoiseLaw.gaussian(5))
    found = chain_expectation(lambda x, xi: 0.9 * x + 0.1 * xi.sum(), [np.square], 1.0, 3, NoiseLaw.gaussian(5))
    assert found.converged
    assert found.values[0] == pytest.approx(0.9**6 + 0.05 * (1 + 0.9**2 + 0.9**4), abs=1e-10)


def test_the_box_of_an_equation_with_many_noises():
    """More columns than a tensor rule holds have the covariance of few: a box is found, and agrees with frames."""
    diffusion = lambda z: np.ones((1, 12, 1)) * 0.1 + 0 * z[:, None]
    arguments = (lambda z: -z, diffusion, [lambda z: z[0] ** 2], [1.0], 1.0)
    framed, exact = sde_expectation(*arguments), np.exp(-2) + 0.12 * (1 - np.exp(-2)) / 2
    boxed = box_sde_expectation(*arguments[:2], arguments[2], np.array([1.0]), 1.0, None, 5e-11)
    assert framed.values[0] == pytest.approx(exact, abs=1e-9)
    assert boxed.values[0] == pytest.approx(exact, abs=1e-9)
