"""The printed form of limits and obstructions, to the letter."""

import os
import subprocess
import sys
from fractions import Fraction

import pytest
import sympy as sp

from sde_momentum.optimizers import heavy_ball, sgd, sgdm
from sde_momentum.symbolic import (
    LEARNING_RATE,
    MOMENTUM,
    Limit,
    Node,
    Regime,
    TensorExpression,
    hyperparameter,
    loss_derivative,
    modified_equation,
    noise_covariance,
    update_rule,
)
from sde_momentum.symbolic.presentation._text import expression_text

DOMINATED = Regime.noise_dominated()


def body(statement) -> list[str]:
    """The lines between the header and the explanations."""
    lines = [line.strip() for line in str(statement).splitlines()[1:]]
    return [line for line in lines if not line.startswith(("where", "order p"))]


EQUATIONS = {
    "sgd, order 1": (sgd, {"order": 1}, ["dX = -∇L dt + √η Σ^{1/2} dW"]),
    "sgd, order 2": (sgd, {"order": 2}, ["dX = -∇(L + 1/4·η·|∇L|²) dt + √η Σ^{1/2} dW"]),
    "sgd, noise-dominated, order 1": (sgd, {"regime": DOMINATED}, ["dX = -∇L dt + Σ^{1/2} dW"]),
    "sgd, noise-dominated, order 2": (
        sgd,
        {"regime": DOMINATED, "order": 2},
        [
            "no diffusion of order 2 exists for the law of x in this regime: "
            "at η the expansion of its expectations holds derivatives of f that no diffusion has:",
            "-1/6·η·κ₃_ijk·∂_ijkf - 1/4·η·∂_lΣ_jk·Σ_il·∂_ijkf + 1/24·η·κ₄_ijkl·∂_ijklf",
            "they vanish if κ₃ = 0, κ₄ = 0 and Σ is constant; order 1, which keeps terms below η, is untouched",
        ],
    ),
    "sgdm, order 1": (sgdm, {"order": 1}, ["dX = -∇L dt + √η Σ^{1/2} dW", "X(0) = x₀      (m₀ = 0)"]),
    "sgdm, order 2": (
        sgdm,
        {"order": 2},
        [
            "dX = -∇(L + 1/4·η·(1 + β)/(1 - β)·|∇L|²) dt + √η Σ^{1/2} dW",
            "X(0) = x₀ + η·β/(1 - β)·∇L(x₀)      (m₀ = 0)",
        ],
    ),
    "sgdm, noise-dominated, order 1": (
        sgdm,
        {"regime": DOMINATED},
        ["dX = -∇L dt + Σ^{1/2} dW", "X(0) = x₀      (m₀ = 0)"],
    ),
    "sgdm, noise-dominated, order 2": (
        sgdm,
        {"regime": DOMINATED, "order": 2},
        [
            "no diffusion of order 2 exists for the law of x in this regime: "
            "at η the expansion of its expectations holds derivatives of f that no diffusion has:",
            "-1/6·η·κ₃_ijk·∂_ijkf - 1/4·η·(1 + β)/(1 - β)·∂_lΣ_jk·Σ_il·∂_ijkf + 1/24·η·κ₄_ijkl·∂_ijklf",
            "they vanish if κ₃ = 0, κ₄ = 0 and Σ is constant; order 1, which keeps terms below η, is untouched",
        ],
    ),
    "sgdm, momentum index 1": (
        sgdm,
        {"regime": Regime.noise_dominated(1)},
        ["dX = -M dt", "dM = λ·(∇L - M) dt + λ Σ^{1/2} dW"],
    ),
    "sgdm, slow variable": (
        sgdm,
        {"order": 2, "describes": "slow"},
        ["dY = -∇(L + 1/4·η·(1 + β)/(1 - β)·|∇L|²) dt + √η Σ^{1/2} dW", "Y(0) = x₀      (m₀ = 0)"],
    ),
    "heavy ball on the clock of its steps": (
        heavy_ball,
        {"regime": Regime.small_noise(), "order": 2},
        [
            "dX = -1/(1 - β)·∇(L + 1/4·η·(1 + β)/(1 - β)²·|∇L|²) dt + √η/(1 - β) Σ^{1/2} dW",
            "X(0) = x₀ + η·β/(1 - β)²·∇L(x₀)      (v₀ = 0)",
        ],
    ),
    "gradient descent": (
        sgd,
        {"regime": Regime("no noise", noise_scale=sp.S.Zero), "order": 3},
        ["dX = -(∇(L + 1/4·η·|∇L|²) + 1/3·η²·H²∇L + 1/12·η²·D³L[∇L,∇L]) dt      (no noise)"],
    ),
}


@pytest.mark.parametrize("case", EQUATIONS)
def test_equations_print_as_in_the_papers(case):
    """Limits print their equations, start and obstruction in the notation of the literature."""
    rule, arguments, expected = EQUATIONS[case]
    assert body(modified_equation(rule(), **arguments)) == expected


def test_assumptions_are_visible():
    """The whole statement: rule, order, regime, calculus, variables, equations, start, symbols, convention."""
    assert str(modified_equation(sgdm(), order=2)) == (
        "sgdm, order 2, small-noise: σ = 1, t = k·η  "
        "[Itô; describes x; m eliminated; slow variable x - η·β/(1 - β)·m]\n"
        "  dX = -∇(L + 1/4·η·(1 + β)/(1 - β)·|∇L|²) dt + √η Σ^{1/2} dW\n"
        "  X(0) = x₀ + η·β/(1 - β)·∇L(x₀)      (m₀ = 0)\n"
        "  where g = ∇L + σ ξ, Σ = Cov(ξ) = Σ^{1/2} (Σ^{1/2})ᵀ\n"
        f"  {Limit.convention}"
    )


def test_regime_assumptions_are_in_the_header():
    """A scaling of hyperparameters, a small parameter of its own and the skewness are assumptions of a statement."""
    header = str(modified_equation(sgdm(), Regime.noise_dominated(Fraction(1, 2)))).splitlines()[0]
    for assumption in ("σ = η^(-1/2)", "t = k·η", "β = 1 - λ·√η", "small parameter √η", "κ₃ = O(√η)", "Itô"):
        assert assumption in header


def test_weight_decay_is_a_gradient_too():
    """With a term ωx in the gradient, the limit is that of L̃ = L + ω/2 |x|², and is printed so."""

    @update_rule(state=("x",))
    def decayed(x, g, *, learning_rate, weight_decay):
        return x - learning_rate * (g + weight_decay * x)

    assert body(modified_equation(decayed, order=2)) == ["dX = -∇(L̃ + 1/4·η·|∇L̃|²) dt + √η Σ^{1/2} dW"]


ETA, BETA = LEARNING_RATE, MOMENTUM
COEFFICIENTS = {
    "0": sp.S.Zero,
    "-1": -sp.S.One,
    "3/4": sp.Rational(3, 4),
    "(1 + β)/(1 - β)": (BETA + 1) / (1 - BETA),
    "-(1 + β)/(1 - β)": (BETA + 1) / (BETA - 1),
    "1/4·η·(1 + β)/(1 - β)³": -ETA * (BETA + 1) / (4 * (BETA - 1) ** 3),
    "1/(2·(1 - β)²)": 1 / (2 * (BETA - 1) ** 2),
    "η/((1 - β)·(1 + β))": ETA / (1 - BETA**2),
    "√η": sp.sqrt(ETA),
    "η^(-1/2)": 1 / sp.sqrt(ETA),
    "η^(3/4)": ETA ** sp.Rational(3, 4),
    "1/η": 1 / ETA,
    "η²": ETA**2,
    "√(1 + β)": sp.sqrt(1 + BETA),
    "1 - λ·η": 1 - hyperparameter("relaxation_rate") * ETA,
    "β·(1 + 1/2·ω·η)": BETA * (2 + hyperparameter("weight_decay") * ETA) / 2,
    "1/2·(2 - β)": sp.factor(1 - BETA / 2),
    "1 - 1/2·β": 1 - BETA / 2,
    "1/4·(d - 1)": sp.factor((sp.Symbol("dimension", positive=True, integer=True) - 1) / 4),
    "β₁·μ": hyperparameter("beta1") * hyperparameter("mu"),
    "η·eta": hyperparameter("eta") * ETA,
    "erf(β)": sp.erf(BETA),
}


@pytest.mark.parametrize("text", COEFFICIENTS)
def test_coefficients_have_positive_denominators_and_ascending_powers(text):
    """A coefficient prints with letters, ascending powers, and factors that are positive for rates in (0, 1)."""
    assert expression_text(COEFFICIENTS[text]) == text


TENSORS = {
    "tr(HΣ)": [loss_derivative(0, 1), noise_covariance(0, 1)],
    "tr Σ": [noise_covariance(0, 0)],
    "ΔL": [loss_derivative(0, 0)],
    "∇ΔL": [loss_derivative(-1, 0, 0)],
    "∇L·H∇L": [loss_derivative(0), loss_derivative(0, 1), loss_derivative(1)],
    "|H∇L|²": [loss_derivative(0), loss_derivative(0, 1), loss_derivative(1, 2), loss_derivative(2)],
    "D³L[∇L,∇L,∇L]": [loss_derivative(0, 1, 2), *(loss_derivative(i) for i in range(3))],
    "D³L[Σ]": [loss_derivative(-1, 0, 1), noise_covariance(0, 1)],
    "D⁴L[∇L,Σ]": [loss_derivative(-1, 0, 1, 2), noise_covariance(0, 1), loss_derivative(2)],
    "DΣ[∇L]": [noise_covariance(-1, -2, 0), loss_derivative(0)],
    "DΣ[∇L]∇L": [noise_covariance(-1, 1, 0), loss_derivative(0), loss_derivative(1)],
    "H DΣ[m]∇L": [
        *(loss_derivative(-1, 2), noise_covariance(2, 1, 0)),
        *(Node("m", ((0,),)), loss_derivative(1)),
    ],
    "div Σ": [noise_covariance(-1, 0, 0)],
    "H²Σ": [loss_derivative(-1, 0), loss_derivative(0, 1), noise_covariance(1, -2)],
    "∇L(∇L)ᵀ": [loss_derivative(-1), loss_derivative(-2)],
    "|∇L|²·m": [loss_derivative(0), loss_derivative(0), Node("m", ((-1,),))],
    "I": [Node("delta", ((-1, -2),))],
    "(∂_jkL·∂_iΣ_jk)_i": [noise_covariance(0, 1, -1), loss_derivative(0, 1)],
    "(∂_iL·∂_iL·∂_iL)": [loss_derivative(0), loss_derivative(0), loss_derivative(0)],
    "∇L ⊙ ∇L": [loss_derivative(-1), loss_derivative(-1)],
    "diag Σ": [noise_covariance(-1, -1)],
    "diag H": [loss_derivative(-1, -1)],
    "diag Σ ⊙ m ⊙ H∇L": [
        *(Node("m", ((-1,),)), noise_covariance(-1, -1)),
        *(loss_derivative(-1, 0), loss_derivative(0)),
    ],
    "diag(m)Σ diag(∇L)": [Node("m", ((-1,),)), noise_covariance(-1, -2), loss_derivative(-2)],
    "(κ₃_iij)_ij": [Node("kappa3", ((-1, -1, -2), ()))],
}


@pytest.mark.parametrize("text", TENSORS)
def test_tensors_have_names(text):
    """A graph prints in coordinate-free notation, or with indices when it has none."""
    assert str(TensorExpression.collect([(tuple(TENSORS[text]), sp.S.One)])) == text


def test_mirror_images_stand_together():
    """A covariance that is symmetric as a sum prints as HΣ + ΣH under one coefficient."""
    pairs = [
        ((loss_derivative(-1, 0), noise_covariance(0, -2)), ETA / 2),
        ((noise_covariance(-1, -2, 0), loss_derivative(0)), ETA / 4),
        ((loss_derivative(-2, 0), noise_covariance(0, -1)), ETA / 2),
    ]
    assert str(TensorExpression.collect(pairs)) == "1/2·η·(HΣ + ΣH) + 1/4·η·DΣ[∇L]"


def test_rmsprop_prints_as_published():
    """The noise-dominated limit of RMSProp: dX = −𝒫⁻¹(∇L dt + Σ^{1/2} dW), du = c₂ (diag Σ − u) dt."""

    @update_rule(state=("x", "u"))
    def rmsprop(x, u, g, *, learning_rate, decay, eps):
        u = decay * u + (1 - decay) * g**2
        return x - learning_rate * g / (sp.sqrt(u) + eps), u

    scalings = {"decay": 1 - hyperparameter("c2") * ETA**2, "eps": hyperparameter("eps0") / ETA}
    regime = Regime("large noise", 1 / ETA, ETA**2, scalings, {"u": ETA**-2}, {3: ETA})
    assert body(modified_equation(rmsprop, regime)) == [
        "dX = -1/(√U + ε₀) ⊙ ∇L dt + diag(1/(√U + ε₀))Σ^{1/2} dW",
        "dU = -c₂·(U - diag Σ) dt",
    ]


PROGRAM = """
from sde_momentum.optimizers import sgd, sgdm
from sde_momentum.symbolic import Regime, modified_equation, to_json, to_latex
small, large, momentum = Regime.small_noise(), Regime.noise_dominated(), Regime.noise_dominated(1)
for rule, regime in ((sgd(), small), (sgd(), large), (sgdm(), small), (sgdm(), momentum)):
    found = modified_equation(rule, regime, order=2)
    print(found, to_latex(found), to_json(found), sep="\\n")
"""


def test_two_runs_print_the_same_bytes():
    """Text, LaTeX and JSON do not depend on the hash seed of the process."""
    command = [sys.executable, "-c", PROGRAM]
    runs = [
        subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONHASHSEED": seed})
        for seed in ("1", "2")
    ]
    first, second = (run.communicate(timeout=120)[0] for run in runs)
    assert first == second
    assert first.count(b", order 2, ") == 8
