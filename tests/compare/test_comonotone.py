"""Comonotone coupling: the right law, as much correlation as the laws allow, and a smaller variance for it."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import chi2, kstest, t

from sde_momentum.compare import comonotone, telescope, weak_error
from sde_momentum.compare.coupling._quantile_noise import driven_by_normals
from sde_momentum.compare.errors._route_coupled import whose_noise
from sde_momentum.compare.question._question import Question
from sde_momentum.optimizers import sgd
from sde_momentum.problems import IndexDraw, NormalDraw, SignDraw, SkewedDraw, StudentDraw, double_well, minibatch
from sde_momentum.symbolic import Regime, modified_equation

NORMALS = np.asarray(NormalDraw(1).sample(7, jnp.arange(20_000), 0))[0]


@pytest.mark.parametrize(
    ("draw", "law"),
    [
        (SkewedDraw(1, degrees=3), lambda z: chi2(3).cdf(3 + np.sqrt(6) * z)),
        (StudentDraw(1, degrees=5), lambda z: t(5).cdf(z * np.sqrt(5 / 3))),
    ],
)
def test_components_have_their_law(draw, law):
    """The image of normals passes a Kolmogorov–Smirnov test at 5 SE (p > 6e-7); the normals themselves do not."""
    assert kstest(np.asarray(comonotone(draw)(jnp.asarray(NORMALS))), law).pvalue > 6e-7
    assert kstest(NORMALS, law).pvalue < 6e-7


def test_correlation_with_signs():
    """Corr(w, sign w) = √(2/π), within 5 SE of the sample; minibatches have no such map."""
    product = NORMALS * np.asarray(comonotone(SignDraw(1))(jnp.asarray(NORMALS)))
    assert abs(product.mean() - np.sqrt(2 / np.pi)) < 5 * product.std() / np.sqrt(len(product))
    assert comonotone(IndexDraw(5, 2)) is None


@pytest.mark.slow
def test_common_quantiles_save_variance():
    """At η = 0.05 skewed and Gaussian chain differ in variance at least five times less than when independent."""
    limit, setting = modified_equation(sgd(), order=1), {"t1": 1.0, "learning_rates": (0.05,), "progress": False}
    legs = telescope(
        sgd(), limit, double_well(draw=SkewedDraw(1, degrees=8)), 0.5, observables={"x": lambda x: x},
        num_paths=64, noise_paths=4096, **setting,
    )  # fmt: skip
    from sde_momentum.dynamics import chain
    from sde_momentum.ensembles import simulate

    alone = simulate(chain(sgd(), double_well(), learning_rate=0.05), 0.5, t1=1.0, num_paths=4096, seed=1,
                     progress=False)  # fmt: skip
    variance = 2 * float(alone["variance"].isel(time=-1, observable=0))
    coupled = 4096 * float(legs.dataset["standard_error"].sel(leg="noise shape").isel(time=-1).squeeze()) ** 2
    assert coupled < variance / 5, variance / coupled


LAWS = {
    "signs": double_well(draw=SignDraw(1)),
    "minibatches": minibatch(lambda x, rows: 0.5 * jnp.mean((x - rows) ** 2), jnp.array([0.0, 0.0, 0.0, 4.0]), 1),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LAWS)
def test_coupled_sampling_takes_the_noise_of_the_problem(name):
    """The errors are those of the exact sum over draws, within 5 SE and the solver's bias, and not the Gaussian twin's.

    In dominant noise the shape of the noise is of the size of the error.
    """
    problem, rule = LAWS[name], sgd()
    limit = modified_equation(rule, Regime.noise_dominated())
    setting = {"t1": 0.5, "learning_rates": (0.25, 0.125, 0.0625, 0.03125), "observables": {"x³": lambda x: x**3}}
    exact = weak_error(rule, limit, problem, 0.5, method="transition", **setting)
    twin = weak_error(rule, limit, problem.gaussian(), 0.5, method="transition", **setting)
    found = weak_error(rule, limit, problem, 0.5, method="coupled", num_paths=16_384, progress=False, **setting)
    assert "quantiles of normals" in found.dataset.attrs["method"]
    apart, bound = (found.dataset["error"] - exact.dataset["error"]), 5 * found.dataset["standard_error"]
    assert np.all(np.abs(apart) < bound + 2 * np.abs(found.dataset["solver_bias"]))
    # The control: the twin's errors are far from these at the first learning rates.
    far = np.abs(found.dataset["error"] - twin.dataset["error"]) / bound
    assert far.max() > 2


def test_several_parameters_leave_the_twin():
    """Minibatches of two parameters are no function of normals that is near them everywhere; the result says so."""
    problem = minibatch(lambda x, rows: jnp.mean((x - rows) ** 2), jnp.array([[0.0, 1.0], [2.0, 0.0], [1.0, 3.0]]), 1)
    assert driven_by_normals(problem, jnp.zeros(2)) is None
    assert driven_by_normals(double_well(), jnp.zeros(())) is None
    question = Question(sgd(), modified_equation(sgd(), order=1), problem, jnp.zeros(2), t1=1.0)
    assert whose_noise(question) == "the Gaussian twin of the noise"
