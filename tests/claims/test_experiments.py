"""Every experiment supports its claim at the effort of `validate`, survives the disk and can be drawn."""

import matplotlib
import matplotlib.pyplot
import pytest
import xarray as xr

from sde_momentum.claims import Settings, claim_names, load_claim
from sde_momentum.compare import Outcome

# These have long tests of their own.
_ELSEWHERE = ("orders", "closeness", "update-noise", "tuned")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in claim_names() if name not in _ELSEWHERE])
def test_the_claim_is_supported(name, tmp_path):
    """All measurements support the claim, every control among them; the figure draws from the stored data."""
    matplotlib.use("agg")
    claim = load_claim(name)
    evidence = claim.experiment(Settings(progress=False))
    assert [str(one) for one in evidence.measurements if one.outcome is not Outcome.SUPPORTED] == []
    assert any("(control)" in one.expected or "control" in one.expected for one in evidence.measurements)
    evidence.dataset.to_netcdf(tmp_path / "data.nc", engine="h5netcdf")
    figure = claim.figure(xr.load_dataset(tmp_path / "data.nc", engine="h5netcdf"))
    figure.savefig(tmp_path / "figure.png")
    matplotlib.pyplot.close(figure)


def test_claims_stand_together_by_theme():
    """Every claim has a heading, and no heading comes twice in the report."""
    themes = [load_claim(name).theme for name in claim_names()]
    assert all(themes)
    changes = [theme for number, theme in enumerate(themes) if number == 0 or theme != themes[number - 1]]
    assert len(changes) == len(set(changes))
