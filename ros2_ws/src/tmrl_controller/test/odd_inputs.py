"""Numbers that nobody should send, and changes to a good chunk that have it refused."""

import numpy as np
from hypothesis import strategies as st

NUMBERS = st.one_of(
    st.floats(-0.05, 0.05),
    st.floats(-10.0, 10.0),
    st.sampled_from([0.0, np.nan, np.inf, -np.inf, 1e30]),
)
BAD_CHUNKS = st.sampled_from(
    [
        {"robot": "franka"},
        {"session": ""},
        {"episode": 0},
        {"sigma": 0.81},
        {"sigma": -0.5},
        {"sigma": float("nan")},
        {"z": np.array([0.0, 2.1], dtype=np.float32)},
        {"epsilon": np.array([3.1], dtype=np.float32)},
        {"execute_steps": 0},
        {"execute_steps": 99},
        {"horizon": 3},
        {"action_space": "other"},
        {"actions": np.zeros(3, dtype=np.float32)},
    ]
)
