"""From the numbers of a route to a study: labels, fitted orders, and what was compared and how."""

import json
from typing import Any

import numpy as np

from sde_momentum.compare.orders._labelled import fits, labelled
from sde_momentum.compare.orders._measured import Measured
from sde_momentum.compare.orders._study import WeakError, plain_number
from sde_momentum.compare.question._question import Question
from sde_momentum.dynamics._schedules import schedule_names
from sde_momentum.ensembles._provenance import collect_provenance

# Numbers of a start that are told in full.
_TOLD = 64


def make_study(
    question: Question,
    rates: np.ndarray,
    measured: Measured,
    *,
    confidence: float,
    unit: float,
    configuration: dict[str, Any] | None = None,
) -> WeakError:
    """Label the numbers, fit the orders, and say what was compared and how.

    Args:
        question: what was compared.
        rates: learning rates.
        measured: what a route found.
        confidence: of the intervals of the orders.
        unit: natural unit of the learning rate.
        configuration: further arguments that determine the result, for its provenance.
    """
    dataset, equation = labelled(question, rates, measured), question.sde(float(rates[0]))
    small = hasattr(question.x0, "shape") and question.x0.size <= _TOLD
    told = {"x0": np.asarray(question.x0).tolist()} if small else {}
    provenance = collect_provenance(question.chain(float(rates[0])), {**told, **(configuration or {})})
    numbers = {name: plain_number(value) for name, value in question.hyperparameters.items()}
    if "schedule" in schedule_names(question.limit.regime):
        numbers.setdefault("schedule", "1 at all times")
    dataset.attrs |= {
        "rule": question.rule.name,
        "limit": str(question.limit),
        "regime": str(question.limit.regime),
        "problem": type(question.problem).__name__,
        "t1": question.t1,
        "method": measured.method,
        "learning_rate_unit": unit,
        "hyperparameters": json.dumps(numbers),
        "plan": measured.plan,
        "caveats": "; ".join(equation.caveats),
        # Numbers, for files know no truth values.
        "sampled": int(measured.sampled),
        "rounded": int(measured.rounded),
        "provenance": json.dumps(provenance, default=str),
    } | ({} if measured.jump is None else {"jump": measured.jump})
    return WeakError(dataset, fits(dataset, unit, confidence), question.claimed_order, unit)
