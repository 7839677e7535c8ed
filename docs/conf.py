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
# What has no page here: the standard library (its inventory would have to be fetched), type
# variables, and the types of the inside that signatures mention.
nitpick_ignore_regex = [
    ("py:.*", r"datetime|(collections|datetime|decimal|enum|pathlib|threading|time|typing)\..*"),
    (
        "py:.*",
        r"([\w.]*\.)?(E|S|T|R|QueueBase|Codec|Item|Value|Driver|TableDefinition|Duration|Durability)",
    ),
    ("py:.*", r"([\w.]*\.)?(Backoff|Settings)"),
    ("py:.*", r"([\w.]*\.)?(Append|BeginsWith|Comparison|Condition|Contains|Effect|Exists)"),
    ("py:.*", r"([\w.]*\.)?(HasType|IfNotExists|ListOperand|Minus|Not|Operand|Plus|Size|Step)"),
    ("py:.*", r"Client|Session|Meter|Path|Listener|dynamomq\.(drivers|requests|errors\._).*"),
]

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
