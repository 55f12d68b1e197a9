"""Entry point of `python -m tmrl_policy_server`."""

import logging
import os
import sys

from tmrl_policy_server.cli import EXIT_GPU_FAILED, main

code = main()
if code == EXIT_GPU_FAILED:
    # The usual way out would ask the failed GPU for its memory back, and might wait for ever.
    logging.shutdown()
    os._exit(code)
sys.exit(code)
