"""Entry point of `python -m tmrl_policy_server`."""

import sys

from tmrl_policy_server.cli import main

sys.exit(main())
