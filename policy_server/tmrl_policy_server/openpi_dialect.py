"""Between the dictionaries of openpi's clients and our messages.

An observation names its parts as openpi's examples for the rig do. A plain request is answered by
the policy as it was trained: sigma is 0 and the noise is drawn. A client that knows of steering
adds keys that begin with "tmrl/"; the metadata tell which, and the caps.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from numbers import Integral
from typing import Any, cast

import numpy as np

from tmrl_common.config import nearest_name
from tmrl_common.errors import ErrorCode, RequestError
from tmrl_common.messages import Act, ChunkReply, Welcome
from tmrl_common.types import (
    MAX_SEED,
    REQUESTABLE_SOURCES,
    FloatArray,
    Observation,
    PolicySpec,
    Steering,
    SteeringLimits,
    SteeringSource,
)

_PREFIX = "tmrl/"
_STEERING = ("source", "sigma", "z", "epsilon", "seed")
_PROMPT = "prompt"
_NO_CAP = 1e6
"""Far beyond every Gaussian draw: what the client did not choose is not clipped."""

_NOTHING: FloatArray = np.zeros(0, dtype=np.float32)


@dataclass(frozen=True)
class ObservationKeys:
    """Where the parts of an observation stand in openpi's dictionary.

    Attributes:
        state: Keys that make up the robot state, in this order.
        images: Our camera -> key.
        context: Key of the low-dimensional context; empty where the policy has none.
    """

    state: tuple[str, ...]
    images: Mapping[str, str]
    context: str = ""


def observation_keys(spec: PolicySpec) -> ObservationKeys:
    """The keys for the policy served: those of openpi's examples where there is one."""
    if not spec.cameras:
        return ObservationKeys(("observation/state",), {}, "observation/context")
    if "exterior" in spec.cameras:
        return ObservationKeys(
            ("observation/joint_position", "observation/gripper_position"),
            {
                "exterior": "observation/exterior_image_1_left",
                "wrist": "observation/wrist_image_left",
            },
        )
    images = {camera: f"observation/{camera}_image" for camera in spec.cameras}
    if "overview" in images:
        images["overview"] = "observation/image"
    return ObservationKeys(("observation/state",), images)


class OpenpiDialect:
    """Translates for one policy."""

    def __init__(self, spec: PolicySpec, caps: SteeringLimits, deadline_s: float) -> None:
        """Takes what is served.

        Args:
            spec: Of the policy.
            caps: What steering is clamped to; the requests of these clients carry no caps.
            deadline_s: Time that a request may take.
        """
        self._spec = spec
        self._caps = caps
        self._deadline_s = deadline_s
        self._keys = observation_keys(spec)

    def metadata(self, welcome: Welcome) -> dict[str, Any]:
        """What a client receives when it connects."""
        spec, caps, keys = self._spec, self._caps, self._keys
        return {
            "server": welcome.server,
            "policy_version": spec.policy_version,
            "statistics_hash": spec.statistics_hash,
            "action_space": spec.action_space,
            "action_dim": spec.action_dim,
            "action_horizon": spec.horizon,
            "observation": {
                "state": list(keys.state),
                "state_dim": spec.proprio_dim,
                "images": [keys.images[camera] for camera in spec.cameras],
                "context": keys.context,
                "context_dim": spec.context_dim,
            },
            "tmrl": {
                "keys": [_PREFIX + name for name in _STEERING],
                "sources": [str(source) for source in REQUESTABLE_SOURCES],
                "sigma_cap": caps.sigma_cap,
                "z_dim": spec.z_dim,
                "z_cap": caps.z_cap,
                "epsilon_dim": spec.epsilon_dim,
                "epsilon_cap": caps.epsilon_cap,
            },
        }

    def request(self, message: Mapping[str, Any]) -> Act:
        """Reads an observation, with or without steering.

        Keys that mean nothing here are passed over, as openpi does, but for those of steering.

        Raises:
            RequestError: A part is missing or is not what it must be; names key and remedy.
        """
        for name in message:
            if name.startswith(_PREFIX) and name.removeprefix(_PREFIX) not in _STEERING:
                valid = [_PREFIX + each for each in _STEERING]
                raise _refusal(f"unknown key '{name}'. {nearest_name(name, valid)}")
        seed = _seed(message.get("tmrl/seed"))
        explicit, limits = self._steering(message, seed)
        source = SteeringSource.EXPLICIT if explicit else _source(message.get("tmrl/source"))
        return Act(self._observation(message), limits, source, explicit, seed, self._deadline_s)

    def answer(self, request: Act, reply: ChunkReply) -> dict[str, Any]:
        """Writes a chunk.

        Arrays beside the actions only for a client that steered: openpi's chunk broker takes
        every array to have one row per step.
        """
        timings, steering = reply.timings, reply.steering
        answer: dict[str, Any] = {
            "actions": reply.actions,
            "server_timing": {
                "infer_ms": 1e3 * (timings.encode_s + timings.steer_s + timings.sample_s),
                "wait_ms": 1e3 * timings.wait_s,
                "encode_ms": 1e3 * timings.encode_s,
                "steer_ms": 1e3 * timings.steer_s,
                "sample_ms": 1e3 * timings.sample_s,
                "total_ms": 1e3 * timings.total_s,
            },
            "tmrl/source": str(steering.source),
            "tmrl/sigma": float(steering.sigma),
            "tmrl/seed": reply.seed,
            "tmrl/actor_version": reply.actor_version,
        }
        if reply.far_state:
            answer["tmrl/far_state"] = reply.far_state
        if request.source is not SteeringSource.BASE:
            answer["tmrl/z"], answer["tmrl/epsilon"] = steering.z, steering.epsilon
            answer["tmrl/features"] = reply.features
        return answer

    def _observation(self, message: Mapping[str, Any]) -> Observation:
        keys = self._keys
        state = np.concatenate([_vector(message, key) for key in keys.state])
        prompt = message.get(_PROMPT, "")
        if not isinstance(prompt, str):
            found = type(prompt).__name__
            raise _refusal(f"'{_PROMPT}' is {found}; it must be text, the instruction")
        return Observation(
            proprio=state,
            context=_vector(message, keys.context) if keys.context else _NOTHING,
            images={camera: _image(message, key) for camera, key in keys.images.items()},
            prompt=prompt,
        )

    def _steering(
        self, message: Mapping[str, Any], seed: int
    ) -> tuple[Steering | None, SteeringLimits]:
        """Explicit steering, if any of it is given, and the caps that it is clamped to."""
        caps, spec = self._caps, self._spec
        given = [name for name in ("sigma", "z", "epsilon") if _PREFIX + name in message]
        source = _source(message.get("tmrl/source"))
        if not given and source is SteeringSource.BASE:
            return None, SteeringLimits(0.0, _NO_CAP, _NO_CAP)
        if not given and source is not SteeringSource.EXPLICIT:
            return None, caps
        if "tmrl/source" in message and source is not SteeringSource.EXPLICIT:
            raise _refusal(
                f"'tmrl/source' is '{source}' and 'tmrl/{given[0]}' is given; leave one out"
            )
        z_cap = caps.z_cap
        if "z" in given:
            z = _array(message, "tmrl/z")
        else:
            rows = np.random.default_rng(seed).standard_normal((spec.horizon, spec.z_dim))
            z, z_cap = rows.astype(np.float32), _NO_CAP
        epsilon = _vector(message, "tmrl/epsilon") if "epsilon" in given else _NOTHING
        sigma = _number(message["tmrl/sigma"], "tmrl/sigma") if "sigma" in given else 0.0
        explicit = Steering(SteeringSource.EXPLICIT, z, sigma, epsilon)
        return explicit, SteeringLimits(caps.sigma_cap, z_cap, caps.epsilon_cap)


def _refusal(detail: str) -> RequestError:
    return RequestError(ErrorCode.BAD_REQUEST, detail)


def _present(message: Mapping[str, Any], key: str) -> Any:
    if key not in message:
        found = ", ".join(sorted(message)) or "nothing"
        raise _refusal(f"'{key}' is missing; the observation holds {found}. Add it and ask again")
    return message[key]


def _array(message: Mapping[str, Any], key: str) -> FloatArray:
    value = _present(message, key)
    try:
        return np.asarray(value, dtype=np.float32)
    except (TypeError, ValueError) as error:
        found = type(value).__name__
        raise _refusal(f"'{key}' is {found}; it must be an array of numbers") from error


def _vector(message: Mapping[str, Any], key: str) -> FloatArray:
    """One row of numbers; a single number is a row of one, as openpi has it for grippers."""
    array = np.atleast_1d(_array(message, key))
    if array.ndim != 1:
        raise _refusal(f"'{key}' has shape {array.shape}; it must be one row of numbers")
    return array


def _image(message: Mapping[str, Any], key: str) -> "np.ndarray[Any, np.dtype[np.uint8]]":
    value = _present(message, key)
    if not isinstance(value, np.ndarray):
        found = type(value).__name__
    else:
        array = cast("np.ndarray[Any, np.dtype[Any]]", value)
        if array.dtype == np.uint8:
            return array
        found = f"{array.dtype} of shape {array.shape}"
    raise _refusal(f"'{key}' is {found}; send uint8 RGB of shape (height, width, 3)")


def _number(value: Any, key: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise _refusal(f"'{key}' is {type(value).__name__}; it must be a number") from error


def _seed(value: Any) -> int:
    if value is None:
        return secrets.randbelow(MAX_SEED + 1)
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise _refusal(f"'tmrl/seed' is {type(value).__name__}; it must be a whole number")
    seed = int(value)
    if not 0 <= seed <= MAX_SEED:
        raise _refusal(f"'tmrl/seed' is {seed}; it must lie in [0, {MAX_SEED}]")
    return seed


def _source(value: Any) -> SteeringSource:
    if value is None:
        return SteeringSource.BASE
    names = [str(source) for source in REQUESTABLE_SOURCES]
    if not isinstance(value, str) or value not in names:
        raise _refusal(f"'tmrl/source' is {value!r}; it must be one of {', '.join(names)}")
    return SteeringSource(value)
