"""One class a command; its fields are the options. Heavy imports wait until a command runs."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

# `--help` loads no SymPy, so the catalogue is written out here; a test compares.
OPTIMIZERS = "gd, sgd, sgdm, heavy_ball, nesterov, qhm, normalized_gd, sign_gd, adagrad, rmsprop, adadelta or adam"


def _option(metavar: str, otherwise: str) -> Any:
    """How an option without a value by default shows in the help."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=f"(default: {otherwise})")


@dataclass
class Optimizer:
    """Which optimizer, and under which scaling."""

    name: Annotated[str, tyro.conf.Positional, tyro.conf.arg(metavar="OPTIMIZER", help=f"One of {OPTIMIZERS}.")]
    regime: Annotated[str, _option("NAME", "the optimizer's own")] = ""
    """Noise scale and clock by name, such as small-noise; `sde-momentum derive OPTIMIZER --regimes` lists them."""
    momentum_index: Annotated[str, _option("INDEX", "the momentum stays fixed")] = ""
    """α in 1 − β = λ η^α, any rational number such as 0, 1/2, 1 or 3/2; the clock is found. The noise dominates, unless
    the regime named is small-noise."""
    weight_decay: Literal["none", "coupled", "decoupled"] = "none"
    """Add weight decay to the gradient, or beside the step."""
    svag: Literal["none", "plain", "adaptive"] = "none"
    """Amplify the noise and shorten the steps, in the scaling of the SGD family or of adaptive methods."""


@dataclass
class Derive(Optimizer):
    """Derive the equation that an optimizer follows, or show why there is none."""

    order: int = 1
    """Weak order."""
    regimes: bool = False
    """List the optimizer's regimes by name, and stop."""
    schedule: Annotated[tuple[str, ...], _option("NAME ...", "nothing")] = ()
    """What is a function of time: learning_rate, for η φ(t), or other numbers of the optimizer."""
    describes: Literal["x", "slow"] = "x"
    """The law of the parameters, or of the slow variable of an elimination."""
    format: Literal["text", "latex", "mathml", "json"] = "text"
    """What to print."""

    def run(self) -> None:
        """Print the limit, or the obstruction."""
        from sde_momentum.cli._lookup import find_regime, find_rule
        from sde_momentum.symbolic import modified_equation, to_json, to_mathml

        rule = find_rule(self)
        if self.regimes:
            print("\n".join(map(str, rule.regimes())))
            return
        regime = find_regime(self, rule)
        regime = regime.scheduled(*self.schedule) if self.schedule else regime
        limit = modified_equation(rule, regime, order=self.order, describes=self.describes)
        writers = {"text": str, "latex": lambda it: it._repr_latex_(), "mathml": to_mathml, "json": to_json}
        print(writers[self.format](limit))


@dataclass
class Numbers:
    """Numbers of the optimizer."""

    momentum: Annotated[float | None, _option("NUMBER", "none")] = None
    """β (EMA form) or μ (heavy ball)."""
    relaxation_rate: Annotated[float | None, _option("NUMBER", "none")] = None
    """λ in 1 − β = λ η^α."""
    set: Annotated[tuple[str, ...], _option("NAME=VALUE ...", "none")] = ()
    """Any other hyperparameter of the optimizer, as name=value."""

    def given(self) -> dict[str, float]:
        """The numbers that were given."""
        named = {"momentum": self.momentum, "relaxation_rate": self.relaxation_rate}
        others = dict(_name_and_value(word) for word in self.set)
        return {name: value for name, value in named.items() if value is not None} | others


def _name_and_value(word: str) -> tuple[str, float]:
    name, separator, value = word.partition("=")
    try:
        return name, float(value if separator else "")
    except ValueError:
        raise ValueError(f"--set takes name=value with a number, such as --set epsilon=1e-3, got {word!r}") from None


@dataclass
class Machines:
    """Where the work is done."""

    distributed: bool = False
    """Share the work with the other processes of this job; what Slurm, Open MPI or Kubernetes say is understood."""
    coordinator: Annotated[str | None, _option("HOST:PORT", "found")] = None
    """Without such a manager: host:port on which process 0 is to listen."""
    num_processes: Annotated[int | None, _option("N", "found")] = None
    """Without such a manager: number of processes."""
    process_index: Annotated[int | None, _option("N", "found")] = None
    """Without such a manager: which of them this one is, from 0."""
    checkpoint: Annotated[Path | None, _option("FOLDER", "none")] = None
    """Folder for checkpoints; the same command goes on from there after an interruption."""
    budget: Annotated[float | None, _option("SECONDS", "no limit")] = None
    """Seconds; a run estimated to take longer is refused, with a number of paths that would fit."""


@dataclass
class Experiment(Optimizer):
    """What a run is about."""

    problem: str = "double-well"
    """double-well, quadratic, breast-cancer or digits."""
    numbers: Annotated[Numbers, tyro.conf.arg(name="")] = field(default_factory=Numbers)
    """Other hyperparameters."""
    t1: float = 1.0
    """End, in units of the regime's clock."""
    batch_size: int = 16
    """Examples a step, for problems with data."""
    seed: int = 0
    """Seed of all random numbers."""
    output: Annotated[Path | None, _option("FILE.nc", "none")] = None
    """netCDF file to write; of a comparison, a figure goes beside it."""


@dataclass
class Simulate(Experiment):
    """Run an optimizer, or its limit, in an ensemble and print moments of the loss and the parameters."""

    learning_rate: float = 0.05
    """η."""
    limit_order: int = 0
    """0 runs the optimizer, 1 or 2 its limit of that order."""
    num_paths: int = 10_000
    """Size of the ensemble."""
    machines: Annotated[Machines, tyro.conf.arg(name="")] = field(default_factory=Machines)
    """Where the work is done."""

    def run(self) -> None:
        """Simulate, print the last moments, and save."""
        from sde_momentum.cli._experiments import run_simulation

        run_simulation(self)


@dataclass
class Compare(Experiment):
    """Measure how far an optimizer and its limit are apart, over learning rates, and fit the order."""

    order: int = 1
    """Order of the limit."""
    learning_rates: tuple[float, ...] = (0.1, 0.05, 0.025, 0.0125)
    """At least four, decreasing."""
    learning_rate_unit: Annotated[float | None, _option("η", "from the fastest rate at the start")] = None
    """η at which corrections to the leading power are as large as it is; about 1 − β with momentum."""
    method: Literal["auto", "exact", "transition", "coupled", "multilevel"] = "auto"
    """Exact moments, transition operators (up to twenty components), coupled sampling, or levels of learning rates."""
    num_paths: Annotated[int | None, _option("N", "as many as the route takes")] = None
    """Coupled paths for every learning rate, where sampling is needed."""
    target_snr: Annotated[float | None, _option("RATIO", "not planned")] = None
    """Instead of num_paths: error over its standard error at the smallest step, from which the paths are planned."""

    def run(self) -> None:
        """Compare, print orders and verdict, and save."""
        from sde_momentum.cli._experiments import run_comparison

        run_comparison(self)


@dataclass
class Validate:
    """Test the claims of the sources by experiment and write a report."""

    claims: Annotated[tyro.conf.Positional[tuple[str, ...]], _option("[CLAIM ...]", "all")] = ()
    """Claims to test."""
    output: Path = Path("results")
    """Folder for report.html and the data."""
    seed: int = 2024
    """Seed of all random numbers."""
    effort: float = 1.0
    """Multiplies the numbers of samples."""
    fresh: bool = False
    """Run finished claims again."""
    quiet: bool = False
    """Show no bars while sampling."""

    def run(self) -> None:
        """Run the claims; one line each."""
        from sde_momentum.cli._validation import run_validation

        run_validation(self)


@dataclass
class Report:
    """Write the report again from saved results, without running anything."""

    output: Path = Path("results")
    """Folder of an earlier `validate`."""
    seed: int = 2024
    """Seed of that run."""
    effort: float = 1.0
    """Effort of that run."""

    def run(self) -> None:
        """Rebuild report.html."""
        from sde_momentum.cli._validation import run_report

        run_report(self)
