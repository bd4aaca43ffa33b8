"""Limits and obstructions as JSON and back, without loss and without evaluating text."""

import json

from sde_momentum.symbolic.equation._limit import Limit, NoDiffusion
from sde_momentum.symbolic.exchange._reading import read_limit, read_no_diffusion
from sde_momentum.symbolic.exchange._writing import limit_fields, no_diffusion_fields

FORMAT, VERSION = "sde_momentum.limit", 1


def to_json(statement: Limit | NoDiffusion, *, indent: int | None = None) -> str:
    """Write a limit or an obstruction as JSON: every field, exactly, in an order that depends on nothing else.

    Args:
        statement: what `modified_equation` returns.
        indent: spaces by which nested parts are indented; one line when omitted.

    Returns:
        A JSON object with `format` and `version`. The list of regimes that a rule of the catalogue offers is not part
        of it.

    Raises:
        TypeError: `statement` is something else.
        ValueError: a coefficient holds a function for which no form is defined.

    Example:
        >>> from sde_momentum.optimizers import sgdm
        >>> from sde_momentum.symbolic import from_json, modified_equation, to_json
        >>> limit = modified_equation(sgdm(), order=2)
        >>> from_json(to_json(limit)) == limit
        True
    """
    if isinstance(statement, Limit):
        fields = limit_fields(statement)
    elif isinstance(statement, NoDiffusion):
        fields = no_diffusion_fields(statement)
    else:
        raise TypeError(f"`statement` must be a Limit or a NoDiffusion, got {type(statement).__name__}.")
    return json.dumps({"format": FORMAT, "version": VERSION, **fields}, ensure_ascii=False, indent=indent)


def from_json(text: str) -> Limit | NoDiffusion:
    """Read what `to_json` wrote.

    Args:
        text: JSON from this or an earlier version of the package; it may come from anywhere, nothing in it is executed.

    Returns:
        An object equal to the one written, in every field.

    Raises:
        ValueError: the text is not JSON, not of this format, of a version that this package does not know, or damaged.
    """
    try:
        data = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"`text` is not JSON: {error}.") from error
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise ValueError(f'`text` is JSON, but not a limit: its "format" is not "{FORMAT}".')
    if data.get("version") != VERSION:
        raise ValueError(
            f"`text` has format version {data.get('version')!r}, this sde_momentum reads version {VERSION}: "
            "use the release that wrote it, or derive the limit again."
        )
    readers = {"limit": read_limit, "no_diffusion": read_no_diffusion}
    if data.get("kind") not in readers:
        raise ValueError(f"`text` holds {data.get('kind')!r}, expected one of {', '.join(readers)}.")
    try:
        return readers[data["kind"]](data)
    except KeyError as error:
        raise ValueError(f"`text` is damaged: the field {error} is missing.") from error
    except (TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"`text` is damaged: {error}.") from error
