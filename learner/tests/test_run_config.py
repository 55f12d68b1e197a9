"""Settings of a learning run: what is refused, and what the sentence says."""

from typing import Any

import pytest

from tmrl_learner.run_config import RunConfig


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"method": "dsrl_na"},
            r"needs a copy of the frozen policy.*policy is empty.*tmrl or dsrl",
        ),
        ({"method": "trml"}, "did you mean .tmrl.. Valid: base, dsrl, dsrl_na, fixed-sigma, tmrl"),
        ({"actor_every_rounds": 0}, "at least 1"),
        ({"checkpoint_every_s": 0.0}, "above 0"),
        ({"overrides": ("agent.utd",)}, "dotted.key=value"),
        ({"overrides": ("agent.udt=3",)}, "did you mean 'utd'"),
        ({"robots": ("widowx",)}, "robots has 'widowx' beside robot 'widowx'; .* once"),
        ({"robots": ("left", "left")}, "robots has 'left'"),
        ({"robots": ("wx250s-left",)}, "robots has 'wx250s-left'.*letters, digits and underscores"),
        ({"robots": ("",)}, "robots has ''"),
        (
            {"offline_data": "kitchen"},
            r"method 'tmrl' learns nothing from demonstrations.*dsrl_na.*hindsight.candidates",
        ),
        ({"offline_data": "kitchen", "method": "base"}, "method 'base' learns nothing"),
        (
            {"offline_data": "kitchen", "method": "dsrl_na", "policy": "bc"},
            r"offline_share is 0 of minibatches of \d+, so nothing .*replay.offline_share=0.25",
        ),
        (
            {
                "offline_data": "kitchen",
                "policy": "csp",
                "overrides": ("hindsight.candidates=256", "replay.offline_share=0.001"),
            },
            r"offline_share is 0.001 of minibatches of 128, so nothing",
        ),
        ({"preset": "widowx_simm"}, "did you mean 'widowx_sim'"),
    ],
)
def test_parameters_that_could_not_work_are_refused(changes: dict[str, Any], message: str) -> None:
    needed = {"robot": "widowx", "session": "s", "run_dir": "/r", "server": "tcp://127.0.0.1:1"}
    with pytest.raises(ValueError, match=message):
        RunConfig(**(needed | changes))
