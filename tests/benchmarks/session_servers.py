"""The two policy servers of `bench_session`, whose network only sleeps.

`python session_servers.py tmrl|openpi PORT SECONDS` is one of them, until it is killed.
"""

import sys
import time
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import server_processes
from no_engine import no_engine
from session_setting import ACTIONS, CAMERAS, HORIZON, STATE

_STEP_M = 0.002


def serving(kind: str, think_s: float) -> AbstractContextManager[int]:
    """A server process of this file; gives its port."""
    return server_processes.serving(__file__, kind, str(think_s))


def _chunk() -> "np.ndarray[Any, np.dtype[np.float32]]":
    """To and fro along one axis: the arm stays where it is in the mean."""
    actions = np.zeros((HORIZON, ACTIONS), dtype=np.float32)
    actions[:, 0] = np.where(np.arange(HORIZON) % 2 == 0, _STEP_M, -_STEP_M)
    actions[:, 6] = 1.0
    return actions


def _main(kind: str, port: str, think_s: str) -> None:
    actions, pause_s = _chunk(), float(think_s)
    if kind == "tmrl":
        engine = no_engine(actions, STATE, CAMERAS, pause_s)
        server_processes.serve_tmrl(int(port), engine)
        return

    def infer(_: dict[str, Any]) -> dict[str, Any]:
        time.sleep(pause_s)
        return {"actions": actions}

    server_processes.serve_openpi(int(port), infer)


if __name__ == "__main__":
    _main(*sys.argv[1:])
