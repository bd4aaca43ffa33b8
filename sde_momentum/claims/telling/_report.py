"""The report: one self-contained HTML file, readable offline, formulas as MathML and figures inline."""

import html
import io
import math
import os
import platform
from collections.abc import Callable, Sequence
from importlib import metadata, resources
from pathlib import Path
from string import Template

from sde_momentum.claims.evidence._claim import Evidence, Settings
from sde_momentum.claims.telling._registry import load_claim
from sde_momentum.claims.telling._store import Finished
from sde_momentum.compare import Outcome

_MARKS = {Outcome.SUPPORTED: "✓", Outcome.NOT_SUPPORTED: "✗", Outcome.UNDECIDED: "?"}


def write_report(finished: Sequence[Finished], path: str | Path, settings: Settings) -> Path:
    """Write the evidence of claims as one HTML file.

    Args:
        finished: claims with their evidence, in the order of the report.
        path: file to write; replaced whole.
        settings: shown in the report.

    Returns:
        The path.

    Raises:
        ImportError: matplotlib or latex2mathml is missing; both come with the extra `claims`.
        OSError: the file cannot be written.
    """
    template = Template(
        resources.files("sde_momentum.claims.telling").joinpath("report.html").read_text(encoding="utf-8")
    )
    text = template.substitute(
        table=_grouped(finished, _row, '<tr class="theme"><td></td><td colspan="3">{}</td></tr>'),
        claims=_grouped(finished, _section, '<h2 class="theme">{}</h2>'),
        settings=html.escape(f"seed {settings.seed}, effort {settings.effort:g}"),
        versions=html.escape(_versions()),
    )
    path = Path(path)
    temporary = path.with_suffix(".html.partial")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
    return path


def _grouped(finished: Sequence[Finished], show: Callable[[Finished], str], heading: str) -> str:
    """Claims one after the other, a heading wherever the theme changes."""
    parts, before = [], ""
    for result in finished:
        theme = load_claim(result.name).theme
        if theme != before:
            parts.append(heading.format(html.escape(theme)))
        parts.append(show(result))
        before = theme
    return "\n".join(parts)


def _row(result: Finished) -> str:
    claim, outcome = load_claim(result.name), result.evidence.outcome
    return (
        f'<tr class="{outcome.name.lower()}"><td>{_MARKS[outcome]}</td>'
        f'<td><a href="#{claim.name}">{html.escape(claim.title)}</a></td>'
        f"<td>{html.escape(claim.statement)}</td><td>{outcome}</td></tr>"
    )


def _section(result: Finished) -> str:
    claim, evidence = load_claim(result.name), result.evidence
    parts = [
        f'<section id="{claim.name}"><h3>{html.escape(claim.title)}</h3>',
        f'<p class="verdict {evidence.outcome.name.lower()}">{_MARKS[evidence.outcome]} {evidence.outcome}</p>',
        f"<blockquote>{html.escape(claim.statement)}<footer>{html.escape(claim.source)}</footer></blockquote>",
        *(f'<div class="equation">{_mathml(equation)}</div>' for equation in evidence.equations),
        f"<figure>{_figure(claim.figure(evidence.dataset), claim.name)}</figure>",
        _table(evidence),
        *(f"<p>{html.escape(remark)}</p>" for remark in evidence.remarks),
        f'<p class="small">{result.seconds:.0f} s; data in <code>{claim.name}.nc</code>.</p></section>',
    ]
    return "\n".join(parts)


def _table(evidence: Evidence) -> str:
    rows = [
        f'<tr class="{m.outcome.name.lower()}"><td>{html.escape(m.label)}</td><td>{_number(m.value)}</td>'
        f"<td>[{_number(m.interval[0])}, {_number(m.interval[1])}]</td><td>{html.escape(m.expected)}</td>"
        f"<td>{m.outcome}</td></tr>"
        for m in evidence.measurements
    ]
    head = "<tr><th>measured</th><th>value</th><th>interval</th><th>the claim says</th><th></th></tr>"
    return f"<table>{head}{''.join(rows)}</table>"


def _number(value: float) -> str:
    return "—" if math.isnan(value) else f"{value:.4g}"


def _mathml(latex: str) -> str:
    """LaTeX to MathML; dollar signs around it are dropped."""
    from latex2mathml.converter import convert

    # The converter knows `split`, which is the same table, but not `aligned`.
    return convert(latex.strip().strip("$").replace("{aligned}", "{split}"), display="block")


def _figure(figure, name: str) -> str:
    """A matplotlib figure as inline SVG, byte for byte the same for the same data."""
    import matplotlib
    import matplotlib.pyplot as plt
    from matplotlib.ticker import NullFormatter

    for axes in figure.axes:
        # Labels of minor ticks on a logarithmic axis overlap at this size.
        for axis, scale in ((axes.xaxis, axes.get_xscale()), (axes.yaxis, axes.get_yscale())):
            if scale == "log":
                axis.set_minor_formatter(NullFormatter())
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name, "svg.fonttype": "path"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    plt.close(figure)
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def _versions() -> str:
    names = ("sde_momentum", "jax", "diffrax", "equinox", "numpy", "scipy", "sympy", "xarray")
    found = [f"{name} {metadata.version(name)}" for name in names if _installed(name)]
    return f"Python {platform.python_version()}, {platform.machine()}; " + ", ".join(found)


def _installed(name: str) -> bool:
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True
