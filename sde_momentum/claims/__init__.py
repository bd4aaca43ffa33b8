"""Statements of the sources, each with an experiment that can contradict it."""

from sde_momentum.claims.evidence._claim import Claim as Claim
from sde_momentum.claims.evidence._claim import Evidence as Evidence
from sde_momentum.claims.evidence._claim import Measurement as Measurement
from sde_momentum.claims.evidence._claim import Settings as Settings
from sde_momentum.claims.telling._registry import claim_names as claim_names
from sde_momentum.claims.telling._registry import load_claim as load_claim
from sde_momentum.claims.telling._report import write_report as write_report
from sde_momentum.claims.telling._store import Finished as Finished
from sde_momentum.claims.telling._validate import validate as validate

__all__ = [
    "Claim",
    "Evidence",
    "Finished",
    "Measurement",
    "Settings",
    "claim_names",
    "load_claim",
    "validate",
    "write_report",
]
