"""What is assumed of the gradient noise beyond its cumulants, for updates that are not polynomial in the gradient."""

GENERAL = "general"
INDEPENDENT = "independent Gaussian components"
ISOTROPIC = "isotropic Gaussian"
NOISE_LAWS = (GENERAL, INDEPENDENT, ISOTROPIC)


def check_noise_law(law: str, regime: str) -> None:
    """Refuse a law that the engine does not know.

    Raises:
        ValueError: `law` is not one of `NOISE_LAWS`.
    """
    if law not in NOISE_LAWS:
        raise ValueError(f"regime `{regime}`: `noise_law` must be one of {NOISE_LAWS}, got {law!r}.")
