"""The small flow policies that look through cameras, as the policy server takes them.

Pictures become keypoints when an observation is checked; from there on it is a flow policy whose
context they are. The features are the normalised robot state followed by the standardised
keypoints of the same pictures.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from tmrl_common.errors import ErrorCode, RequestError
from tmrl_common.types import Observation
from tmrl_policies.checkpoint import CheckpointError
from tmrl_policies.flow_checkpoint import load_flow_policy
from tmrl_policies.flow_policy import FlowPolicy
from tmrl_policies.flow_served import SeenState, ServedFlowPolicy, check_numbers
from tmrl_policies.keypoint_checkpoint import load_encoder_of
from tmrl_policies.keypoint_encoder import KeypointEncoder


class ServedCameraPolicy(ServedFlowPolicy):
    """A flow policy behind a frozen encoder. Use from one thread."""

    def __init__(
        self, policy: FlowPolicy, encoder: KeypointEncoder, policy_version: str, transform: str
    ) -> None:
        """Takes both in evaluation mode.

        Args:
            policy: The flow policy; its context is the encoder's tokens.
            encoder: Of its pictures.
            policy_version: Content hash of both.
            transform: How its actions become the robot's; see `tmrl_policies.action_transform`.

        Raises:
            ConfigError: There is no such transform, or it does not fit the policy.
        """
        super().__init__(policy, policy_version, transform)
        self._encoder = encoder
        # The columns of the context are the encoder's: nobody sends them.
        self.spec = replace(self.spec, context_dim=0, cameras=tuple(sorted(encoder.config.cameras)))

    def observe(self, observation: Observation) -> SeenState:
        """Checks an observation and encodes its pictures.

        Raises:
            RequestError: It does not fit the policy; the text names value, expectation and remedy.
        """
        check_numbers(observation, self.spec)
        self._check_pictures(observation)
        return self._seen(observation.proprio, self._encoder.encode(observation.images))

    def _check_pictures(self, observation: Observation) -> None:
        config, images = self._encoder.config, observation.images
        if set(images) != set(config.cameras):
            raise RequestError(
                ErrorCode.BAD_REQUEST,
                f"pictures of {', '.join(sorted(images)) or 'no camera'} came; the policy takes "
                f"exactly {', '.join(self.spec.cameras)}. Name the cameras of the robot alike",
            )
        wanted = config.size_px, config.size_px, 3
        for camera, picture in images.items():
            if picture.dtype != np.uint8 or picture.shape != wanted:
                raise RequestError(
                    ErrorCode.BAD_REQUEST,
                    f"the picture of camera '{camera}' is {picture.dtype} of shape "
                    f"{picture.shape}; the policy takes uint8 RGB of shape {wanted}. Cut or render "
                    "it to that size, as in its demonstrations",
                )

    def example(self) -> Observation:
        """The mean robot state of the training data, and grey pictures."""
        config = self._encoder.config
        grey = np.full((config.size_px, config.size_px, 3), 128, dtype=np.uint8)
        return Observation(
            self._policy.proprio_normaliser.mean.numpy(),
            np.zeros(0, np.float32),
            dict.fromkeys(config.cameras, grey),
        )


def load_served(folder: Path, transform: str) -> ServedFlowPolicy:
    """Reads the flow policy in `folder`, and its encoder where it was trained with one.

    Raises:
        CheckpointError: There is none, it is damaged, or its parts do not belong together.
        ConfigError: There is no such transform, or it does not fit the policy.
    """
    loaded = load_flow_policy(folder)
    if loaded.encoder_sha256:
        encoder = load_encoder_of(folder, loaded)
        return ServedCameraPolicy(loaded.policy, encoder, loaded.version, transform)
    if (folder / "encoder.json").exists():
        raise CheckpointError(
            f"{folder} holds an encoder, and the policy beside it was trained without one: they do "
            "not belong together. Copy the whole folder again"
        )
    return ServedFlowPolicy(loaded.policy, loaded.version, transform)
