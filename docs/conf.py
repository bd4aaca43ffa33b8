"""Configuration of the documentation; `make docs` builds it and treats every warning as an error."""

import os
import sys
from pathlib import Path

import sde_momentum

sys.path.insert(0, str(Path(__file__).parent / "_ext"))
# Executed pages run in kernels of their own: no accelerator, no logging of which one was looked for.
os.environ.setdefault("JAX_PLATFORMS", "cpu")

project = "sde_momentum"
author = "The sde_momentum developers"
project_copyright = author
version = release = sde_momentum.__version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinxcontrib.bibtex",
    "derivation_pages",
    "docstring_markup",
    "offline_maths",
    "public_names",
]
exclude_patterns = ["_build", "_ext", "jupyter_execute", ".jupyter_cache", "conf.py"]

html_theme = "furo"
html_title = "sde_momentum"
html_static_path = ["_static"]
html_css_files = ["custom.css"]
html_math_renderer = "mathml"
html_copy_source = False

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
# The pages hold their formulas as MathML; nothing is to be fetched when they are read.
myst_update_mathjax = False

nb_execution_mode = "auto"
nb_execution_raise_on_error = True
nb_execution_timeout = 300
nb_merge_streams = True

autodoc_inherit_docstrings = False  # diffrax and equinox write theirs in Markdown
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 100
default_role = "code"  # docstrings mark code with single backticks, as the pages do
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_rtype = False
napoleon_use_ivar = True  # a property that is also listed under `Attributes` is described once

bibtex_bibfiles = ["../sde_momentum/references.bib"]  # the package reads it too, for `Limit.citation`
