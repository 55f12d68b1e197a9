"""What a file is instead of the one that was meant: a pointer, a web page, weights of other kinds.

Whoever copies a checkpoint between machines and hubs meets the same few mistakes, each of which has
a remedy of its own.
"""

from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path

from tmrl_common.stand_ins import stand_in

_BEGINNING_BYTES = 512
_PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")

_PICKLED = (
    "holds pickled weights, which can run code when they are read and are not read here. Convert "
    "them once, where you trust them: safetensors.torch.save_file(torch.load('{name}', "
    "map_location='cpu', weights_only=True), 'model.safetensors')"
)
_ADAPTER = (
    "is an adapter without the weights that it belongs to. Merge it into them first (PEFT: "
    "merge_and_unload), and give what that writes"
)
_QUANTISED = (
    "holds weights quantised for another program, which are not read here. Give the weights from "
    "before the quantisation, as model.safetensors"
)
_SHARD = (
    "is one of several parts, and the index that joins them is not beside it. Copy "
    "model.safetensors.index.json and every part into one folder, and give the folder"
)
_OTHERS = (
    ("adapter_model.*", _ADAPTER),
    ("adapter_config.json", _ADAPTER),
    ("*-?????-of-?????.safetensors", _SHARD),
    ("pytorch_model*", _PICKLED),
    ("*.bin", _PICKLED),
    ("*.pt", _PICKLED),
    ("*.pth", _PICKLED),
    ("*.ckpt", _PICKLED),
    ("*.gguf", _QUANTISED),
    ("*.onnx", _QUANTISED),
)
"""Pattern of a name -> what such a file is."""


def mistaken_content(file: Path) -> str:
    """What a file that cannot be read is instead, with the remedy; empty where nobody can tell.

    Args:
        file: Any file.
    """
    try:
        with file.open("rb") as stream:
            beginning = stream.read(_BEGINNING_BYTES)
    except OSError:
        return ""
    if found := stand_in(beginning):
        return f"is {found}"
    if beginning.startswith(_PICKLES):
        return _PICKLED.format(name=file.name)
    return ""


def mistaken_weights(files: Iterable[Path]) -> tuple[str, str] | None:
    """The file that was probably meant as weights, though it is none that is read here.

    Args:
        files: To look at, by their names alone.

    Returns:
        Its name, and what it is, with the remedy; None where no name tells anything.
    """
    names = sorted(file.name for file in files)
    for pattern, sentence in _OTHERS:
        for name in names:
            if fnmatch(name, pattern):
                return name, sentence.format(name=name)
    return None
