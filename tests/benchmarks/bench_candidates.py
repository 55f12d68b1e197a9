"""Does DSRL-NA learn from a server's candidates as it does from a copy of the policy?

A tool in a plane starts near the middle of eight places. The frozen flow policy has imitated
somebody who went to any of them; only one is rewarded. Everything else is real: the server's engine
answers, holds the actor and draws the candidates, and the learner is the session of
`method: dsrl_na`. Equal seeds see the same starts. "copy" has the policy inside, "candidates_K"
learns from K of each transition.
"""

import argparse
import hashlib
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import torch

from tmrl_common.candidates import CandidateRequest, candidate_columns
from tmrl_common.chunks import Driver
from tmrl_common.messages import Act, ActorSpec, ChunkReply, Swap
from tmrl_common.transitions import Transition
from tmrl_common.types import FloatArray, Observation, Outcome, SteeringLimits, SteeringSource
from tmrl_learner.config import Sizes, resolve
from tmrl_learner.flow_actions import FlowActions
from tmrl_learner.served_candidates import ServedCandidates
from tmrl_learner.session import LearnerSession, Phase
from tmrl_policies.flow_policy import FlowPolicy, FlowPolicyConfig, PolicyBatch
from tmrl_policies.flow_served import ServedFlowPolicy
from tmrl_policies.testing import teach
from tmrl_policies.torch_seam import seed_everything
from tmrl_policy_server.config import EngineConfig
from tmrl_policy_server.engine import Engine

_ANGLES = np.arange(8) * np.pi / 4
_PLACES = (1.4 * np.stack([np.cos(_ANGLES), np.sin(_ANGLES)], axis=1)).astype(np.float32)
_REACH, _STEP, _SPREAD = 0.3, 0.08, 0.2
_STEPS, _HORIZON, _MOST_CHUNKS = 4, 8, 16
_LIMITS = SteeringLimits(sigma_cap=0.0, z_cap=1.5, epsilon_cap=1.0)
_WINDOW = 20
_CONTEXT: FloatArray = np.zeros(1, np.float32)


def run(argv: list[str]) -> dict[str, Any]:
    """Learns in every way with every seed, and compares."""
    parser = argparse.ArgumentParser(prog="./tmrl bench candidates", description=__doc__)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], metavar="S")
    parser.add_argument("--candidates", nargs="+", type=int, default=[4, 16], metavar="K")
    parser.add_argument("--episodes", type=int, default=80, help="of every run (default: 80)")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    policy = _taught()
    figures: dict[str, Any] = {"seeds": options.seeds, "episodes": options.episodes}
    after: dict[str, float] = {}
    for count in (0, *options.candidates):
        way = f"candidates_{count}" if count else "copy"
        runs = [_learn(policy, seed, count, options.episodes) for seed in options.seeds]
        figures[f"episodes_to_90_{way}"] = [_episodes_to_90(solved) for solved in runs]
        figures[f"success_after_{_WINDOW}_{way}"] = [float(np.mean(r[_WINDOW:])) for r in runs]
        figures[f"success_last_{_WINDOW}_{way}"] = [float(np.mean(r[-_WINDOW:])) for r in runs]
        after[way] = float(np.mean(figures[f"success_after_{_WINDOW}_{way}"]))
    base = [_learn(policy, seed, -1, options.episodes) for seed in options.seeds]
    figures["success_without_learning"] = [float(np.mean(solved)) for solved in base]
    ratios = {f"success_of_{w}_vs_copy": v / after["copy"] for w, v in after.items() if w != "copy"}
    return {"ratios": ratios, "figures": figures}


def _taught() -> FlowPolicy:
    """Behaviour cloning of somebody who goes straight to any of the places."""
    seed_everything(0)
    rng = np.random.default_rng(0)
    places = _PLACES[rng.integers(8, size=6000)]
    at = rng.normal(0, _SPREAD, (6000, 2)) * (1 - (share := rng.random((6000, 1)))) + share * places
    actions = np.zeros((6000, _HORIZON, 4), np.float32)
    for step in range(_HORIZON):
        way = places - at
        length = np.linalg.norm(way, axis=1, keepdims=True)
        actions[:, step, :2] = way / np.maximum(length, _STEP) * _STEP
        if step == 0:
            start = at.astype(np.float32)
        at = at + actions[:, step, :2]
    config = FlowPolicyConfig(2, 1, 4, _HORIZON, hidden=64, blocks=2, context_smoothing=False)
    policy = FlowPolicy(config)
    context = torch.randn(6000, 1)
    data = PolicyBatch(torch.tensor(start), context, torch.tensor(actions))
    teach(policy, data, 3000, torch.Generator().manual_seed(0))
    return policy.requires_grad_(requires_grad=False)


def _session(policy: FlowPolicy, served: ServedFlowPolicy, seed: int, count: int) -> LearnerSession:
    config = resolve("widowx_sim", "dsrl_na", {"seed": seed, "schedule.burst_rounds": 20})
    config = replace(config, schedule=replace(config.schedule, warmup_successes=1))
    columns = (0, 1, 2, 6)
    base = (
        ServedCandidates(served.units, count, _STEPS, "cpu")
        if count > 0
        else FlowActions(policy, _STEPS, "cpu", columns, served.spec.action_dim)
    )
    sizes = Sizes(served.spec.features_dim, served.spec.z_dim, 0, base.width)
    return LearnerSession(config, sizes, lambda: 0.0, base)


def _learn(policy: FlowPolicy, seed: int, count: int, episodes: int) -> list[bool]:
    """Which episodes were solved; a negative count learns nothing."""
    served = ServedFlowPolicy(policy, "taught", "xyz_gripper_to_bridge_delta_ee_7")
    engine = Engine(served, EngineConfig())
    session = _session(policy, served, seed, count)
    rng, solved = np.random.default_rng(seed), list[bool]()
    _hand_over(session, engine)
    for episode in range(1, episodes + 1):
        at = rng.normal(0, _SPREAD, 2).astype(np.float32)
        chunks = list[tuple[FloatArray, ChunkReply]]()
        while not _is_there(at) and len(chunks) < _MOST_CHUNKS:
            reply = _chunk(engine, session, at, int(rng.integers(2**62)), count)
            executed = list[FloatArray]()
            for row in reply.actions[:_STEPS]:
                executed.append(row)
                at = at + row[:2]
                if _is_there(at):
                    break
            chunks.append((np.stack(executed), reply))
        solved.append(_is_there(at))
        if count >= 0:
            _teach(session, engine, episode, chunks, at, solved=solved[-1])
            _hand_over(session, engine)
    return solved


def _is_there(at: FloatArray) -> bool:
    return bool(np.linalg.norm(at - _PLACES[0]) < _REACH)


def _chunk(
    engine: Engine, session: LearnerSession, at: FloatArray, seed: int, count: int
) -> ChunkReply:
    source = SteeringSource.UNIFORM if session.phase is Phase.WARMUP else SteeringSource.ACTOR
    wish = CandidateRequest(count, _STEPS, _LIMITS, seed, by_actor=True) if count > 0 else None
    act = Act(Observation(at, _CONTEXT), _LIMITS, source, None, seed, candidates=wish)
    (reply,) = engine.act_batch([act])
    assert isinstance(reply, ChunkReply), reply
    return reply


def _teach(
    session: LearnerSession,
    engine: Engine,
    episode: int,
    chunks: list[tuple[FloatArray, ChunkReply]],
    at: FloatArray,
    *,
    solved: bool,
) -> None:
    """Hands the episode in, and learns what it owes."""
    after = [reply.features for _, reply in chunks[1:]]
    after.append(engine.encode(Observation(at, _CONTEXT)))
    for number, ((executed, reply), following) in enumerate(zip(chunks, after, strict=True)):
        is_last = number == len(chunks) - 1
        session.ingest(
            Transition(
                robot="plane",
                session="bench",
                sequence=session.contiguous_sequence("plane", "bench") + 1,
                episode=episode,
                chunk=number,
                revision=0,
                features=reply.features,
                z=reply.steering.z,
                sigma=reply.steering.sigma,
                epsilon=reply.steering.epsilon,
                steering=reply.steering.source,
                reward=0.0 if is_last and solved else -1.0,
                next_features=following,
                terminated=is_last and solved,
                truncated=is_last and not solved,
                aborted=False,
                episode_outcome=_outcome(solved=solved) if is_last else Outcome.PENDING,
                executed_actions=executed,
                driver=np.full(len(executed), Driver.POLICY, np.uint8),
                **candidate_columns(reply.candidates),
            )
        )
    while session.updates_owed:
        session.update()


def _outcome(*, solved: bool) -> Outcome:
    return Outcome.SUCCESS if solved else Outcome.TIMEOUT


def _hand_over(session: LearnerSession, engine: Engine) -> None:
    """Gives the engine the newest actor."""
    content = session.actor_snapshot().content
    spec = ActorSpec(**asdict(session.agent.actor.config), **asdict(session.agent.bounds))
    weights, digest = np.frombuffer(content, np.uint8), hashlib.sha256(content).hexdigest()
    engine.swap(Swap(engine.actor_version + 1, digest, spec, weights))


def _episodes_to_90(solved: list[bool]) -> int | None:
    means = np.convolve(solved, np.ones(_WINDOW) / _WINDOW, mode="valid")
    reached = np.flatnonzero(means >= 0.9 - 1e-9)
    return int(reached[0]) + _WINDOW if reached.size else None
