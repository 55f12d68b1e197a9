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
        ({"preset": "widowx_simm"}, "did you mean 'widowx_sim'"),
    ],
)
def test_parameters_that_could_not_work_are_refused(changes: dict[str, Any], message: str) -> None:
    needed = {"robot": "widowx", "session": "s", "run_dir": "/r", "server": "tcp://127.0.0.1:1"}
    with pytest.raises(ValueError, match=message):
        RunConfig(**(needed | changes))
