"""Within the plugin `sip`, too, imports go down: the core knows no loop, media no signalling, speech neither."""

import ast
import re
import sys
from pathlib import Path

import pytest
from test_rooms import ROOT, imports

PLUGIN = ROOT / "plugins" / "dialerd_sip"

# the modules of this tree that the files of a layer may import, each with all that lies below it
BELOW = {
    "core": {"dialerd_sip.core"},
    "shell": {"dialerd_sip.shell", "dialerd_sip.core", "dialerd.model", "dialerd.plugin"},
    "media": {"dialerd_sip.media", "dialerd_sip.core.sdp", "dialerd_sip.core.flow", "dialerd.model", "dialerd.plugin"},
    "speech": {"dialerd_sip.speech", "dialerd_sip.media.contract", "dialerd.model", "dialerd.plugin"},
}

# a process is started where these packages lie
LOCATED = {("media/client.py", "dialerd"), ("media/client.py", "dialerd_sip")}

# what computes only: whoever has no clock, no socket and no file cannot be surprised
PURE = {
    *("__future__", "abc", "bisect", "collections", "contextlib", "enum", "functools", "hashlib", "heapq", "hmac"),
    *("ipaddress", "itertools", "math", "operator", "re", "secrets", "string", "struct", "types", "typing", "weakref"),
}

# libraries of a layer, beside the standard one
LIBRARIES = {
    "core": {"attrs", "msgspec"},
    "shell": {"attrs", "dns", "structlog", "trio"},
    "media": {"attrs", "msgspec", "numpy", "structlog", "trio"},
    "speech": {"attrs", "numpy", "soundfile", "soxr", "structlog", "trio"},
}


def files(layer: str) -> list[Path]:
    """Return the files of a layer."""
    return sorted((PLUGIN / layer).glob("*.py"))


def name(file: Path) -> str:
    """Return how a file is called in test ids."""
    return str(file.relative_to(PLUGIN))


@pytest.mark.parametrize("file", [file for layer in BELOW for file in files(layer)], ids=name)
def test_a_layer_knows_those_below_it_alone(file):
    """A file imports its own layer, what that may know of others, and its libraries."""
    layer = file.parent.name
    for imported in imports(file):
        top = imported.partition(".")[0]
        if top in ("dialerd", "dialerd_sip"):
            known = any(f"{imported}.".startswith(f"{module}.") for module in BELOW[layer])
            assert known or (name(file), imported) in LOCATED, f"{layer} may not import {imported}"
        elif layer == "core" and top not in LIBRARIES["core"]:
            assert top in PURE, f"core may not import {imported}: it computes, and does nothing else"
        else:
            assert top in LIBRARIES[layer] | sys.stdlib_module_names, f"{layer} has no use for {imported}"


@pytest.mark.parametrize("layer", [*BELOW, "."])
def test_a_layer_lists_its_files(layer):
    """The indented lines of a folder's docstring name each file in it, so that it can be read as a map."""
    told = ast.get_docstring(ast.parse((PLUGIN / layer / "__init__.py").read_text())) or ""
    named = set(re.findall(r"[a-z_]+", "".join(re.findall(r"^ {4}.*\n", f"{told}\n", re.MULTILINE))))
    assert {file.stem for file in files(layer)} - {"__init__", "__main__"} <= named
