"""Sphinx configuration; nothing here needs a network."""

from __future__ import annotations

import sys
from importlib.metadata import version as installed_version
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")

sys.path.insert(0, str(Path(__file__).parent / "_ext"))
from inventories import write_inventories

HERE = Path(__file__).parent

project = "infoflow"
author = "The infoflow developers"
project_copyright = "The infoflow developers. MIT licence"
version = release = installed_version("infoflow")

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "mathml",
    "numpydoc",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
intersphinx_mapping = write_inventories(HERE / "inventories.toml", HERE / "_build" / "inventories")
html_math_renderer = "mathml"
exclude_patterns = ["_build", "sg_execution_times.rst", "gallery/sg_execution_times.rst"]
default_role = "code"

autosummary_generate = True
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 72
autodoc_member_order = "bysource"
add_module_names = False
# the templates list the members, once
numpydoc_show_class_members = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples/gallery",
    "gallery_dirs": "gallery",
    "filename_pattern": r"/plot_",
    "capture_repr": ("_repr_html_",),
    "download_all_examples": False,
    "show_signature": False,
    "write_computation_times": False,
}

html_theme = "pydata_sphinx_theme"
html_title = f"infoflow {version}"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_theme_options = {
    "logo": {"text": f"infoflow {version}"},
    "navbar_end": ["theme-switcher"],
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
    "header_links_before_dropdown": 6,
    "footer_start": ["copyright"],
    "footer_end": [],
}
# these pages stand alone, and have no list of a section
html_sidebars = {"index": [], "search": [], "start": []}
html_show_sourcelink = False
