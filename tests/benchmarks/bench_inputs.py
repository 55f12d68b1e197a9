"""How many inputs as people have them get the right answer (tests/inputs).

An input is silent where the right answer is a refusal or a warning and the product takes it without
a word, or says something that does not name what is wrong.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

from tmrl_bringup.layout import repository_root


def run(argv: list[str]) -> dict[str, Any]:
    """Hands every input to the product.

    Args:
        argv: Nothing.

    Returns:
        `figures`: inputs, tracebacks, silent, and wrong, the other wrong answers; `passed`.
    """
    argparse.ArgumentParser(prog="tmrl bench inputs").parse_args(argv)
    sys.path.insert(0, str(repository_root() / "tests"))
    from inputs.reading import Outcome, cases, read  # pyright: ignore

    counts = {"inputs": 0, "tracebacks": 0, "silent": 0, "wrong": 0}
    for case in cases():
        counts["inputs"] += 1
        with tempfile.TemporaryDirectory() as folder:
            answer = read(case, Path(folder))
        fault = case.fault(answer)
        if not fault:
            continue
        sys.stderr.write(f"{case}: {fault}\n")
        silent = case.right is not Outcome.TAKEN and answer.outcome is not Outcome.TRACEBACK
        kind = "silent" if silent else "wrong"
        counts["tracebacks" if answer.outcome is Outcome.TRACEBACK else kind] += 1
    right = counts["inputs"] - sum(counts[k] for k in ("tracebacks", "silent", "wrong"))
    return {"ratios": {}, "figures": counts, "passed": right == counts["inputs"]}
