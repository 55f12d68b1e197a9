"""One torch thread: the networks here are far too small for more."""

import torch

torch.set_num_threads(1)
