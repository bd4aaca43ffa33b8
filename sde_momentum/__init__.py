"""Which stochastic differential equation does an optimizer follow, to which order, and where does that stop being true?

A name is imported from its room when it is first used, so that deriving an equation never loads JAX and integrating one
never loads SymPy. `__init__.pyi` repeats the table below for type checkers and editors.
"""

import importlib
import sys

# Room → the names it lends to the top level, in the order of the house.
_PUBLIC: dict[str, tuple[str, ...]] = {
    "symbolic": ("Limit", "NoDiffusion", "Regime", "UpdateRule", "modified_equation", "update_rule"),
    "optimizers": (),
    "solvers": (),
    "problems": (),
    "dynamics": ("Chain", "SDE", "chain", "from_optax", "sde"),
    "manifold": ("slow_sde",),
    "ensembles": ("join_cluster", "simulate"),
    "compare": ("OrderFit", "Verdict", "WeakError", "fit_order", "weak_error"),
    "claims": (),
}
_ROOM_OF = {name: room for room, names in _PUBLIC.items() for name in names}

__all__ = sorted([*_PUBLIC, *_ROOM_OF, "__version__"])  # pyright: ignore[reportUnsupportedDunderAll]


def _version() -> str:
    """Version of the installed package; a source tree on the path has none."""
    from importlib import metadata

    try:
        return metadata.version(__name__)
    except metadata.PackageNotFoundError:
        return "0+unknown"


def __getattr__(name: str) -> object:
    if name == "__version__":
        value = _version()
    elif name in _PUBLIC:
        value = importlib.import_module(f"{__name__}.{name}")
    elif name in _ROOM_OF:
        value = getattr(importlib.import_module(f"{__name__}.{_ROOM_OF[name]}"), name)
    else:
        # With `name` and `obj` the interpreter can suggest the nearest public name.
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}", name=name, obj=sys.modules[__name__])
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return list(__all__)
