"""The results in Markdown, for the terminal and for the documentation."""

from typing import Any


def _number(value: float) -> str:
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{value:,.{digits}f}".replace(",", "\u202f")


def _rates(contenders: dict[str, Any]) -> list[str]:
    rows = [
        "| way | 10⁶ path-steps / s | slowest – fastest | paths × steps | compilation, s |",
        "|---|---|---|---|---|",
    ]
    for name, record in contenders.items():
        rate, slowest, fastest = (_number(record[key] / 1e6) for key in ("rate", "slowest", "fastest"))
        size = f"{record['paths']} × {record['steps']}"
        rows.append(f"| {name} | {rate} | {slowest} – {fastest} | {size} | {record['compile_seconds']:.1f} |")
    return rows


def _met(entry: dict[str, Any]) -> str:
    if entry["goal"] is None:
        return "| |"
    return f"| {_number(entry['goal'])} | {'yes' if entry['median'] >= entry['goal'] else 'no'} |"


def _ratios(ratios: dict[str, Any]) -> list[str]:
    rows = ["| speed | times | smallest – largest | goal | reached |", "|---|---|---|---|---|"]
    for statement, entry in ratios.items():
        median, smallest, largest = (_number(entry[key]) for key in ("median", "smallest", "largest"))
        rows.append(f"| {statement} | {median} | {smallest} – {largest} {_met(entry)}")
    return rows


def _section(name: str, result: dict[str, Any]) -> list[str]:
    lines = ["", f"## {name}: {result['title']}", "", *_rates(result["contenders"]), "", *_ratios(result["ratios"])]
    return lines + [line for note in result["skipped"] for line in ("", f"Left out: {note}.")]


def _machine(result: dict[str, Any]) -> str:
    machine, load = result["machine"], result["load"]
    versions = ", ".join(f"{package} {version}" for package, version in machine["packages"].items())
    return (
        f"{result['date']}, {machine['cpu']}, {machine['cores']} cores"
        f"{' with AVX-512' if machine['avx512'] else ''}, Python {machine['python']}, {versions}. "
        f"Medians of {result['rounds']} interleaved rounds in {result['seconds']:.0f} s, compilation apart. Processes "
        f"that wanted a core: {load['before']} before the run and {load['after']} after it (this run takes all cores)."
    )


def _memory(memory: dict[str, Any]) -> str:
    few, many = memory["steps"]
    small, large = memory["peak_mib"]
    return (
        f"Peak memory of a process with {memory['paths']} paths of W1: {small} MiB for {few} steps, {large} MiB for "
        f"{many} steps, a ratio of {memory['ratio']:.3f} (goal: at most {memory['goal']})."
    )


def table(result: dict[str, Any]) -> str:
    """Markdown of one result file."""
    lines = [_machine(result)]
    for name, workload in result["workloads"].items():
        lines += _section(name, workload)
    return "\n".join([*lines, "", "## Memory", "", _memory(result["memory"]), ""])
