"""Entry point of `python -m tmrl_policy_server`."""

import logging
import os
import sys

from tmrl_policy_server.cli import EXIT_GPU_FAILED, main
from tmrl_policy_server.inference import is_abandoned

code = main()
if code == EXIT_GPU_FAILED or is_abandoned():
    # The usual way out would ask the failed GPU for its memory back, and might wait for ever; and
    # it would take the interpreter away from a thread that still computes, which aborts.
    logging.shutdown()
    os._exit(code)
sys.exit(code)
