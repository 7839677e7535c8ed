"""Sphinx configuration. `make docs` builds with warnings as errors."""

from importlib.metadata import version as installed_version

project = "DynamoMQ"
author = "The DynamoMQ authors"
copyright = f"2026, {author}"
release = version = installed_version("dynamomq")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinxcontrib.mermaid",
]
exclude_patterns = ["_build"]
nitpicky = True

# Markdown: ::: fences, definition lists, and an anchor for every heading down to the third level.
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
# A plain ```mermaid block is a diagram here as it is on code hosting sites.
myst_fence_as_directive = ["mermaid"]

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_default_options = {"members": True, "show-inheritance": True}

html_theme = "furo"
html_title = "DynamoMQ"
