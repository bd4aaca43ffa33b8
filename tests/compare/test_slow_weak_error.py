"""Optimizers over η⁻² steps against the slow equation: orders, agreement, controls, refusals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from sde_momentum.compare import Outcome, Verdict, slow_weak_error
from sde_momentum.compare.long_horizon._slow_flow import slow_flow, slow_start
from sde_momentum.compare.long_horizon._slow_setting import slow_setting
from sde_momentum.manifold import adam_slow_sde, slow_sde
from sde_momentum.optimizers import adagrad, adam, heavy_ball, nesterov, rmsprop, sgd, sgdm
from sde_momentum.problems import general, label_noise_parabola

PARABOLA = label_noise_parabola([1.0, 2.0, 3.0], 0.5)
START = PARABOLA.initial()
RATES = (0.04, 0.02, 0.01, 0.005)
TRACE = {"tr H": PARABOLA.hessian_trace}


def run(rules, **changed):
    settings = {"t1": 0.32, "learning_rates": RATES, "observables": TRACE, "codimension": 1, "progress": False}
    return slow_weak_error(rules, PARABOLA, START, **(settings | changed))


@pytest.mark.slow
def test_label_noise_errors_fall_like_the_learning_rate():
    """SGD: order 1 confirmed; the flow of the loss without its ½ is refuted; SGD and both momentum forms agree."""
    study = run([sgd(), sgdm(), heavy_ball()], num_paths=4096, momentum=0.8)
    assert study.verdict is Verdict.CONFIRMED
    data = study.dataset
    closed = [float(PARABOLA.hessian_trace(PARABOLA.slow_solution(START, t))) for t in data["time"].values]
    np.testing.assert_allclose(data["slow"].isel(rule=0, learning_rate=0, observable=0), closed, rtol=1e-8)
    assert float(np.abs(data["solver_bias"]).max()) < 1e-7
    for other in ("sgdm", "heavy_ball"):
        assert study.agreement("sgd", other, "tr H").outcome is Outcome.SUPPORTED
    # The distance falls like √η up to the factor √(2 − ηh) of the discrete variance; the normal eigenvalue is tr H.
    distance = data["distance"].isel(time=-1, rule=0).values
    assert 1.38 < distance[2] / distance[3] < 1.47
    np.testing.assert_allclose(data["spectrum"].isel(direction=0), data["discrete"].isel(observable=0), rtol=1e-9)
    assert "order 1 confirmed" in str(study)
    wrong = slow_sde(label_noise_parabola([1.0, 2.0, 3.0], 0.5 * 2**0.5), codimension=1)
    assert run(sgd(), num_paths=1024, limit=wrong).verdict is Verdict.REFUTED


@pytest.mark.slow
def test_adam_and_rmsprop_follow_their_own_slow_equation():
    """Order 1 for both; SGD's equation, whose drift differs, is refuted; one start, three limits."""
    start = PARABOLA.limit_map(jnp.array([0.9, 0.3, 0.4]))
    settings = {"t1": 0.4, "learning_rates": RATES, "observables": TRACE, "progress": False, "saves": 2}
    settings |= {"decay_rate": 4.0, "beta1": 0.8, "num_paths": 1024}
    study = slow_weak_error([adam(bias_correction=False), rmsprop()], PARABOLA, start, **settings)
    assert study.verdict is Verdict.CONFIRMED
    ends = study.dataset["slow"].isel(time=-1, learning_rate=-1, observable=0).values
    assert ends[0] == pytest.approx(ends[1], rel=1e-6)
    corrected = slow_weak_error(adam(), PARABOLA, start, **settings)
    assert corrected.orders["adam", "tr H"].verdict is Verdict.CONFIRMED
    del settings["beta1"]
    wrong = slow_weak_error(rmsprop(), PARABOLA, start, **settings | {"limit": slow_sde(PARABOLA, codimension=1)})
    assert wrong.verdict is Verdict.REFUTED


@pytest.mark.parametrize("rule", [sgd(), sgdm(), nesterov(), heavy_ball()], ids=lambda rule: rule.name)
def test_matrices_step_as_the_rule_does(rule):
    """Padded matrices and the rule's own chain agree to rounding after 5 steps of one noise."""
    setting = slow_setting(rule, PARABOLA, 0, {"momentum": 0.8}, 1)
    chain, iterates = setting.chain(0.05), setting.process(0.05, variables=3)
    one, other = chain.init(1.1 * START), iterates.init(1.1 * START)
    for k in range(5):
        draw = jnp.array([(-1.0) ** (k // 2)])
        one, other = chain.step(k, one, draw), iterates.step(k, other, draw)
    assert float(iterates.step_time) == pytest.approx(float(chain.step_time))
    for number, name in enumerate(rule.state):
        np.testing.assert_allclose(other["z"][number], one[name], rtol=1e-13)


FACTOR = jnp.array([[0.25, 0.1], [0.5, 0.3]])
VALLEY = general(
    lambda x: 0.5 * jnp.exp(1.5 * x[0]) * (x[1] + 0.4 * x[0] ** 2) ** 2, lambda x, w: FACTOR @ w, noise_dim=2
)


@pytest.mark.slow
def test_product_of_three_parameters_follows_the_flow_by_hand():
    """Label noise on ½(x₁x₂x₃ − 1)²: u = x² has du_i/dτ = δ²(1/u_i − Σu⁻²/Σu⁻¹); order 1 for SGD and SGDM alike."""
    delta, start, end = 0.3, np.array([2.0, 0.8, 0.625]), 0.64
    problem = general(
        lambda x: 0.5 * (jnp.prod(x) - 1) ** 2, lambda x, w: delta * w[0] * jax.grad(jnp.prod)(x), noise_dim=1
    )
    study = slow_weak_error(
        [sgd(), sgdm()],
        problem,
        jnp.asarray(start),
        t1=end,
        learning_rates=(0.08, 0.04, 0.02, 0.01),
        observables={"u₁ − u₂": lambda x: x[0] ** 2 - x[1] ** 2},
        num_paths=8_192,
        saves=2,
        momentum=0.5,
        progress=False,
    )
    by_hand = lambda t, u: delta**2 * (1 / u - np.sum(u**-2) / np.sum(1 / u))
    u = solve_ivp(by_hand, (0, end), start**2, rtol=1e-11, atol=1e-12).y[:, -1]
    np.testing.assert_allclose(study.dataset["slow"].isel(time=-1), u[0] - u[1], rtol=1e-8)
    assert study.verdict is Verdict.CONFIRMED
    assert study.agreement("sgd", "sgdm", "u₁ − u₂").outcome is Outcome.SUPPORTED


SHARED = {"t1": 0.64, "learning_rates": (0.16, 0.08, 0.04, 0.02), "saves": 1, "slow_steps": 4, "progress": False}
SQUARE = {"x₀²": lambda x: x[0] ** 2}


@pytest.mark.slow
def test_tangent_noise_is_shared():
    """Coupling lowers the standard error, the more the smaller η; the extrapolated solver's bias is small."""
    study = slow_weak_error(sgd(), VALLEY, jnp.zeros(2), observables={"x₀": lambda x: x[0]}, num_paths=512, **SHARED)
    last = study.dataset.isel(rule=0, observable=0, time=-1)
    gain = (last["discrete_standard_error"] / last["standard_error"]).values
    assert np.all(np.diff(gain) > 0)
    assert gain[-1] > 3
    assert float(np.abs(last["solver_bias"]).max()) < 5e-3


# Tangent noise grows with x₀, which the flow moves away from zero: at the start there is none.
GROWING = general(
    lambda x: 0.5 * jnp.exp(x[0]) * x[1] ** 2, lambda x, w: jnp.array([1.5 * x[0] * w[0], w[1]]), noise_dim=2
)
# A bent valley whose noise is normal to it everywhere, and a start from which the flow runs along it.
NORMAL = general(VALLEY.loss, lambda x, w: w[0] * jax.grad(lambda z: z[1] + 0.4 * z[0] ** 2)(x), noise_dim=1)


@pytest.mark.parametrize(
    ("problem", "start", "noisy"),
    [(GROWING, jnp.zeros(2), True), (NORMAL, jnp.zeros(2), False), (PARABOLA, START, False)],
    ids=["growing", "normal", "label noise"],
)
@pytest.mark.parametrize("rule", ["sgd", "adam"])
def test_a_flow_has_no_noise_on_the_way(rule, problem, start, noisy):
    """All three have purely normal noise at the start; one alone meets tangent noise later, under either equation."""
    slow = slow_sde(problem, codimension=1)
    if rule == "adam":
        slow = adam_slow_sde(problem, 4.0, epsilon=0.1, codimension=1)
    assert not slow_start(problem, start, 1)[2]
    flow = slow_flow(slow, slow.at(start), (0.32, 0.64), {"x₀": lambda x: x[0]}, 1)
    assert flow.noisy is noisy


@pytest.mark.slow
def test_noise_that_enters_on_the_way_refutes_nothing():
    """E x₀² where tangent noise vanishes at the start: both sides are sampled, and the library's limit stands."""
    settings = SHARED | {"observables": SQUARE, "codimension": 1, "num_paths": 8192}
    study = slow_weak_error(sgd(), GROWING, jnp.zeros(2), **settings)
    assert study.dataset.attrs["method"].endswith("extrapolated Euler steps on Γ")
    assert study.verdict is not Verdict.REFUTED
    # The control: the flow misses what tangent noise adds, and was refuted by as many paths.
    slow = slow_sde(GROWING, codimension=1)
    flow = slow_flow(slow, slow.at(jnp.zeros(2)), (0.64,), SQUARE, 1).values[-1, 0]
    last = study.dataset.isel(rule=0, observable=0, time=-1, learning_rate=-1)
    assert abs(float(last["discrete"]) - flow) > 5 * float(last["discrete_standard_error"])
    assert abs(float(last["error"])) < 0.5 * abs(float(last["discrete"]) - flow)


@pytest.mark.slow
def test_errors_fall_like_the_learning_rate_under_tangent_noise():
    """E x₀² of SGD: order 1 confirmed; a slow equation with a tenth more noise is refuted with fewer paths."""
    study = slow_weak_error(sgd(), VALLEY, jnp.zeros(2), observables=SQUARE, num_paths=40_000, **SHARED)
    assert study.verdict is Verdict.CONFIRMED
    louder = slow_sde(general(VALLEY.loss, lambda x, w: 1.1 * FACTOR @ w, noise_dim=2), codimension=1)
    wrong = slow_weak_error(sgd(), VALLEY, jnp.zeros(2), observables=SQUARE, num_paths=10_000, limit=louder, **SHARED)
    assert wrong.verdict is Verdict.REFUTED


def trench(x):
    """Two constraints on three parameters, c = 0 along a curve."""
    return jnp.stack([x[1] + 0.4 * x[0] ** 2 - 0.3 * x[0] * x[2], x[2] + 0.5 * x[0] * x[1] - 0.2 * x[0] ** 2])


def walls(x):
    """Hessian and noise below do not commute."""
    stretch, c = jnp.stack([jnp.exp(0.8 * x[0] + 0.3 * x[2]), 3.2 * jnp.exp(-0.5 * x[0])]), trench(x)
    return 0.5 * jnp.sum(stretch * c**2) + 0.6 * x[0] * c[0] * c[1]


MIXING = jnp.array([[0.6, 0.2], [0.5, 0.9]])
TRENCH = general(walls, lambda x, w: jax.vjp(trench, x)[1](MIXING @ w)[0], noise_dim=2)


def below_and_above(index, rates, **changed):
    """SGDM at a momentum index, along the trench."""
    settings = {"t1": 0.64, "observables": {"x₀": lambda x: x[0]}, "saves": 1, "progress": False, "codimension": 2}
    settings |= {"num_paths": 16_384, "relaxation_rate": 1.0, "momentum_index": index, "learning_rates": rates}
    return slow_weak_error(sgdm(), TRENCH, jnp.zeros(3), **settings | changed)


@pytest.mark.slow
def test_at_index_one_the_order_is_one():
    """Noise that does not commute with H: order 1 against the equation at index 1; that of SGD is refuted."""
    rates = (0.16, 0.08, 0.04, 0.02)
    settings = {"num_paths": 40_000, "relaxation_rate": 0.7}
    assert below_and_above(1, rates, **settings).verdict is Verdict.CONFIRMED
    assert below_and_above(1, rates, limit=slow_sde(TRENCH, codimension=2), **settings).verdict is Verdict.REFUTED


@pytest.mark.slow
@pytest.mark.parametrize("index", [0.5, 1.5])
def test_beside_index_one_errors_fall_like_the_root(index):
    """At α = ½ and 3/2 halving η divides the error by √2, up to the next term, not by 2 (5 SE); nothing refutes ½."""
    study = below_and_above(index, (0.08, 0.04, 0.02, 0.01))
    (fit,) = study.orders.values()
    assert fit.claimed_order == 0.5
    assert fit.verdict is not Verdict.REFUTED
    last = study.dataset.isel(rule=0, observable=0, time=-1)
    (before, after), sizes = np.abs(last["error"].values[-2:]), last["standard_error"].values[-2:]
    ratio = before / after
    spread = 5 * ratio * np.hypot(sizes[0] / before, sizes[1] / after)
    # The next term is √η smaller, with η in units of the inverse curvature.
    assert abs(ratio - 2**0.5) < 0.25 + spread
    assert ratio < 2 - spread


@pytest.mark.parametrize(
    ("index", "expected"), [(0, (1, 1)), (0.5, (0.5, 0.5)), (0.75, (0.25, 0.25)), (1, (1, 1)), (1.75, (0.25, 0.5))]
)
def test_the_claimed_order_follows_the_momentum_index(index, expected):
    """The lowest of 1, |1 − α| and, above 1, 2 − α; SGD has no index."""
    setting = slow_setting(sgdm(), PARABOLA, index, {"relaxation_rate": 1.0}, 1)
    assert setting.exponents == expected
    assert slow_setting(sgd(), PARABOLA, index, {}, 1).exponents == (1.0, 1.0)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"learning_rates": (0.04, 0.02)}, "at least four"),
        ({"t1": 0.3201}, "steps of η²"),
        ({"rules": adagrad()}, "not linear"),
        ({"rules": rmsprop(eps_inside=True)}, "not linear"),
        ({"rules": rmsprop()}, "needs `decay_rate`"),
        ({"rules": [sgd(), sgd()]}, "have one name"),
        ({"observables": {"nan": lambda x: jnp.nan}}, "observable `nan` is nan at x0"),
        ({"slow_steps": 3}, "multiple of `saves`"),
        ({"rules": heavy_ball(), "momentum_index": 1, "relaxation_rate": 1.0}, "EMA form"),
        ({"rules": sgdm(), "momentum": 1.5}, r"`momentum` must lie in \[0, 1\)"),
    ],
)
def test_bad_questions_are_refused(changed, message):
    """Too few rates, steps off the grid, adaptive rules, bad observables: ValueError with the reason."""
    changed = {"rules": sgd()} | changed
    with pytest.raises(ValueError, match=message):
        run(num_paths=8, **changed)


def test_starts_without_a_manifold_are_refused():
    """An isolated minimum, noise that vanishes on Γ and noise that is NaN there: each says so."""
    bowl = general(lambda x: jnp.sum(x**2), lambda x, w: w, noise_dim=2)
    question = {"t1": 0.32, "learning_rates": RATES, "num_paths": 8, "progress": False}
    with pytest.raises(RuntimeError, match="isolated minimum"):
        slow_weak_error(sgd(), bowl, jnp.zeros(2), **question)
    still = general(lambda x: 0.5 * x[1] ** 2, lambda x, w: x[1] * w, noise_dim=2)
    with pytest.raises(ValueError, match="no noise on the manifold"):
        slow_weak_error(sgd(), still, jnp.zeros(2), **question)
    broken = general(lambda x: 0.5 * x[1] ** 2, lambda x, w: w / x[1] ** 2, noise_dim=2)
    with pytest.raises(ValueError, match="not defined on the manifold"):
        slow_weak_error(sgd(), broken, jnp.zeros(2), **question)
