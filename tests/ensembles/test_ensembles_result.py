"""The data set: labels, provenance, files, and how results are compared."""

import json

import ensemble_doubles as doubles
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr

from sde_momentum.ensembles import simulate

OBSERVABLES = {
    "radius": lambda state: jnp.sqrt(jnp.sum(state["x"] ** 2)),
    "products": lambda state: jnp.outer(state["x"], state["x"]),
}


@pytest.fixture(scope="module")
def result():
    return simulate(
        doubles.autoregression(),
        jnp.asarray([1.0, -2.0]),
        t1=1.0,
        num_paths=500,
        seed=2**40 + 3,
        saves=[0.3, 1.0],
        observables=OBSERVABLES,
        histograms={"products": [-1.0, 0.0, 1.0]},
        progress=False,
    )


def test_every_component_has_a_label(result):
    """Scalars carry their name, arrays name and index; both parts are coordinates too."""
    labels = ["radius", "products[0,0]", "products[0,1]", "products[1,0]", "products[1,1]"]
    assert result.observable.values.tolist() == labels
    assert result.name.values.tolist() == ["radius"] + 4 * ["products"]
    assert result.component.values.tolist() == [0, 0, 1, 2, 3]
    products = result.isel(observable=result.name.values == "products")
    np.testing.assert_array_equal(products["mean"].values[:, 1], products["mean"].values[:, 2])


def test_standard_error_is_that_of_the_mean(result):
    """SE = √(variance / count), and the covariance holds the variances on its diagonal."""
    np.testing.assert_allclose(result["standard_error"] ** 2 * result["count"], result["variance"], rtol=1e-12)
    diagonal = np.diagonal(result["covariance"].values, axis1=1, axis2=2)
    np.testing.assert_allclose(diagonal, result["variance"].values, rtol=1e-10)


def test_histograms_count_all_paths(result):
    """Each component's bins, with the two open ones, sum to the number of paths."""
    assert result["histogram_products"].dims == ("time", "component_products", "bin_products")
    assert (result["histogram_products"].sum("bin_products") == 500).all()
    np.testing.assert_array_equal(result["bin_products_lower"], [-np.inf, -1, 0, 1])


def test_provenance_is_enough_to_repeat_the_run(result):
    """The JSON names versions, platform, process and every argument that determines the result, and they repeat it."""
    provenance = json.loads(result.attrs["provenance"])
    assert {"jax", "jaxlib", "diffrax", "numpy", "sde_momentum"} <= set(provenance["versions"])
    configuration = provenance["configuration"]
    names = ("seed", "num_paths", "block_size", "saves", "t1")
    again = simulate(
        doubles.autoregression(),
        jnp.asarray([1.0, -2.0]),
        observables=OBSERVABLES,
        histograms=configuration["histograms"],
        progress=False,
        **{name: configuration[name] for name in names},
    )
    doubles.assert_same_bits(again, result)


def test_a_process_describes_itself():
    """`describe()` enters the provenance as the plain data it returns."""

    class Described(doubles.Autoregression):
        def describe(self):
            return {"rule": "autoregression", "a": float(self.a)}

    plain = doubles.autoregression()
    process = Described(plain.a, plain.s, plain.step_time, plain.draw)
    result = simulate(process, jnp.zeros(2), t1=0.1, num_paths=4, seed=0, progress=False)
    assert json.loads(result.attrs["provenance"])["process"] == {"rule": "autoregression", "a": 0.9}


def test_a_result_survives_a_netcdf_file(result, tmp_path):
    """Values, labels and attributes come back from a netCDF file as they were."""
    result.to_netcdf(tmp_path / "result.nc", engine="h5netcdf")
    with xr.open_dataset(tmp_path / "result.nc", engine="h5netcdf") as stored:
        back = stored.load()
    xr.testing.assert_identical(back, result)


@pytest.mark.slow
def test_results_of_different_steps_subtract_at_every_time():
    """Chains with steps 0.1 and 0.05 have bit-equal times, so that nothing is joined away; 3 · 0.1 ≠ 0.3 would be."""
    coarse, fine = (
        simulate(
            doubles.autoregression(step_time=step_time),
            jnp.zeros(2),
            t1=1.0,
            num_paths=8,
            seed=0,
            saves=10,
            progress=False,
        )
        for step_time in (0.1, 0.05)
    )
    with xr.set_options(arithmetic_join="exact"):
        assert (coarse["mean"] - fine["mean"]).sizes["time"] == 10


def test_the_default_observables_are_parameters_and_loss():
    """Without observables the first variable is raveled; a process with a problem adds its loss."""

    class Problem(doubles.NormalDraw):
        def loss(self, x):
            return 0.5 * jnp.sum(x["w"] ** 2) + x["b"]

    class Learner(doubles.Autoregression):
        problem: Problem

        def init(self, x0):
            return {"x": x0, "m": x0}

        def step(self, k, state, draw):
            return state

    plain = doubles.autoregression(size=1)
    process = Learner(plain.a, plain.s, plain.step_time, plain.draw, Problem(1))
    start = {"w": jnp.asarray([[1.0, 2.0]]), "b": jnp.asarray(0.5)}
    result = simulate(process, start, t1=0.1, num_paths=4, seed=0, progress=False)
    assert result.observable.values.tolist() == ["x[0]", "x[1]", "x[2]", "loss"]
    np.testing.assert_allclose(result["mean"].values[0], [0.5, 1.0, 2.0, 3.0])
