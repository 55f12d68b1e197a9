"""Chunks of CSP-pi0 and CSP-pi0.5 against the straightforward way of making them.

The straightforward way is :class:`Reference` below, as the field's PyTorch code goes about it:
absent cameras and padded text are computed and masked, attention is written out, the prefix goes
through its whole last layer, state, times and adaptive norms are computed again in every Euler
step, and the loop asks the device for the time. Its keys of the prefix are kept, as usual. Both run
in turns on the same observation, latents and random weights, first pi0, then pi0.5; actions must
agree.

On a GPU the full size runs in bfloat16, and graphs on and off must give the same bits. On a CPU
the tiny size runs in float32.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from tmrl_policies.pi0.batch import Pi0Batch
from tmrl_policies.pi0.config import CAMERA_SLOTS, IMAGE_SIZE_PX, PRESETS, Pi0Config
from tmrl_policies.pi0.gemma import normalised, rotary_table
from tmrl_policies.pi0.model import Pi0, attention_mask, token_positions
from tmrl_policies.pi0.sampler import Pi0Sampler
from tmrl_policies.pi0.weights import to_bfloat16

_LEAST_COSINE = 0.999
_SIGMA = 0.3
_PROMPT_SHARE = 0.4
"""Of the prompt's places that a usual instruction fills."""
_WARM_UP = 3


class Reference:
    """The straightforward way."""

    def __init__(self, model: Pi0) -> None:
        self._model = model

    @torch.no_grad()
    def sample(self, batch: Pi0Batch, noise: Tensor, sigma: Tensor, epsilon: Tensor) -> Tensor:
        """Actions (B, H, action_dim)."""
        model, config = self._model, self._model.config
        prefix, there = model.embed_prefix(batch)
        tokens = model.corrupt(prefix, sigma, epsilon)
        length, horizon = there.shape[1], noise.shape[1]
        blocks = model.suffix_blocks(horizon)
        mask = attention_mask(there, blocks)
        rotary = rotary_table(token_positions(there, sum(blocks)), config.head_dim)
        kept: list[tuple[Tensor, Tensor]] = []
        for index in range(config.layers):
            layer = model.prefix[index]
            q, k, v = layer.project(tokens, rotary[:, :, :, :length])
            kept.append((k, v))
            tokens = layer.finish(tokens, _attend(q, k, v, mask[..., :length, :length]))
        actions, flow_time = noise, torch.ones_like(sigma)
        while flow_time[0] >= 0.5 / config.flow_steps:
            velocity = self._velocity(batch.state, actions, flow_time, sigma, kept, mask, rotary)
            actions = actions - velocity / config.flow_steps
            flow_time = flow_time - 1.0 / config.flow_steps
        return actions

    def _velocity(
        self,
        state: Tensor,
        actions: Tensor,
        flow_time: Tensor,
        sigma: Tensor,
        kept: list[tuple[Tensor, Tensor]],
        mask: Tensor,
        rotary: Tensor,
    ) -> Tensor:
        model = self._model
        tokens = model.embed_suffix(state, model.embed_actions(actions, flow_time, sigma))
        condition = model.time_condition(flow_time, sigma)
        length = mask.shape[-1] - tokens.shape[1]
        for index, (keys, values) in enumerate(kept):
            layer = model.expert[index]
            q, k, v = layer.project(tokens, rotary[:, :, :, length:], condition)
            k, v = torch.cat((keys, k), dim=2), torch.cat((values, v), dim=2)
            tokens = layer.finish(tokens, _attend(q, k, v, mask[..., length:, :]), condition)
        out = normalised(tokens, model.expert.norm, condition)[:, -actions.shape[1] :]
        return model.action_out_proj(out.float())


def _attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """Attention written out, with the softmax in float32."""
    k, v = (part.repeat_interleave(q.shape[1] // part.shape[1], dim=1) for part in (k, v))
    scores = (q @ k.transpose(2, 3) * q.shape[-1] ** -0.5).float()
    scores = scores.masked_fill(~mask, torch.finfo(torch.float32).min)
    return functional.softmax(scores, dim=-1).to(v.dtype) @ v


class Case:
    """One observation with its latents."""

    def __init__(self, config: Pi0Config, cameras: int, words: int, device: str) -> None:
        generator = torch.Generator().manual_seed(0)

        def draw(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator)

        slots, length = len(CAMERA_SLOTS), config.prompt_tokens
        self.cameras = cameras
        self.image_mask = torch.tensor([[slot < cameras for slot in range(slots)]])
        self.token_mask = torch.tensor([[place < words for place in range(length)]])
        self.images = draw(1, slots, 3, IMAGE_SIZE_PX, IMAGE_SIZE_PX).clamp(-1, 1).to(device)
        self.tokens = torch.randint(0, config.vocabulary, (1, length), generator=generator)
        self.state = draw(1, config.action_dim).to(device)
        self.noise = draw(1, config.horizon, config.action_dim).to(device)
        self.epsilon = draw(1, config.context_dim).to(device)
        self.sigma = torch.tensor([_SIGMA])
        self.device = device

    def by(self, reference: Reference) -> Tensor:
        """Actions made the straightforward way."""
        on = partial(Tensor.to, device=self.device)
        masks = on(self.image_mask), on(self.tokens), on(self.token_mask)
        batch = Pi0Batch(self.images, *masks, self.state)
        return reference.sample(batch, self.noise, on(self.sigma), self.epsilon)

    def by_sampler(self, sampler: Pi0Sampler) -> Tensor:
        """Actions made by ours, from images to actions."""
        tokens = sampler.encode_images(self.images[0, : self.cameras])
        latents = (self.state, self.noise, self.sigma, self.epsilon)
        mask = self.image_mask[:, : self.cameras]
        return sampler.sample(tokens[None], mask, self.tokens, self.token_mask, *latents)


def _timed_ms(make: Callable[[], Tensor]) -> float:
    start_s = time.perf_counter()
    # Copying to the host waits for the device.
    make().cpu()
    return 1e3 * (time.perf_counter() - start_s)


def _check(theirs: Tensor, ours: Tensor) -> float:
    cosine = functional.cosine_similarity(theirs.flatten(), ours.flatten(), dim=0).item()
    if not cosine >= _LEAST_COSINE:
        raise AssertionError(f"the actions differ: their cosine is {cosine}")
    return cosine


def _check_graphs(sampler: Pi0Sampler, direct: Pi0Sampler, case: Case) -> None:
    if not torch.equal(case.by_sampler(sampler), case.by_sampler(direct)):
        raise AssertionError("the actions with and without CUDA graphs differ")


def run(argv: list[str]) -> dict[str, Any]:
    """Measures; ratios above 1 say how many times faster ours is."""
    options = _options(argv)
    torch.set_num_threads(1)
    ratios: dict[str, float] = {}
    figures: dict[str, Any] = {
        "size": options.size,
        "device": options.device,
        "rounds": options.rounds,
    }
    for name, preset in (("pi0", options.size), ("pi05", f"{options.size}_pi05")):
        p50, of_kind = _measure(PRESETS[preset], options)
        ratios |= {
            f"{name}_vs_reference": p50["reference"] / p50["ours"],
            f"{name}_vs_reference_whole": p50["reference_whole"] / p50["ours_whole"],
            f"{name}_padded_vs_pruned": p50["ours_whole"] / p50["ours"],
        }
        of_kind |= {f"{side}_p50_ms": value for side, value in p50.items()}
        figures |= {f"{name}_{figure}": value for figure, value in of_kind.items()}
    return {"ratios": ratios, "figures": figures}


def _measure(
    config: Pi0Config, options: argparse.Namespace
) -> tuple[dict[str, float], dict[str, Any]]:
    """Median times of both sides in ms, and other figures."""
    device = options.device
    torch.manual_seed(0)
    with torch.device(device):
        model = Pi0(config).eval().requires_grad_(requires_grad=False)
    if device == "cuda":
        model = to_bfloat16(model)
    reference = Reference(model)
    words = max(1, round(_PROMPT_SHARE * config.prompt_tokens))
    pruned = Case(config, options.cameras, words, device)
    whole = Case(config, len(CAMERA_SLOTS), config.prompt_tokens, device)
    theirs = {"one": pruned.by(reference), "whole": whole.by(reference)}
    sampler = Pi0Sampler(model, compiled=options.compile)
    cosines = {
        name: _check(theirs[name], case.by_sampler(sampler))
        for name, case in (("one", pruned), ("whole", whole))
    }
    if device == "cuda":
        direct = Pi0Sampler(model, graphs=False, compiled=options.compile)
        _check_graphs(sampler, direct, pruned)
    sides: dict[str, Callable[[], Tensor]] = {
        "reference": partial(pruned.by, reference),
        "reference_whole": partial(whole.by, reference),
        "ours": partial(pruned.by_sampler, sampler),
        "ours_whole": partial(whole.by_sampler, sampler),
    }
    times: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(_WARM_UP + options.rounds):
        for name, make in sides.items():
            elapsed_ms = _timed_ms(make)
            if turn >= _WARM_UP:
                times[name].append(elapsed_ms)
    figures = {
        "cosine_least": min(cosines.values()),
        "prefix_tokens": options.cameras * config.siglip.tokens + words,
        "prefix_tokens_whole": config.prefix_tokens,
    }
    return {name: statistics.median(values) for name, values in times.items()}, figures


def _options(argv: list[str]) -> argparse.Namespace:
    gpu = torch.cuda.is_available()
    parser = argparse.ArgumentParser(prog="./tmrl bench pi0")
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if gpu else "cpu")
    parser.add_argument("--size", choices=["full", "tiny"], default="full" if gpu else "tiny")
    parser.add_argument(
        "--cameras", type=int, choices=[1, 2], default=1, help="cameras of the rig (default: 1)"
    )
    parser.add_argument("--rounds", type=int, default=50, help="chunks of each (default: 50)")
    parser.add_argument("--compile", action="store_true", help="ours through torch.compile")
    return parser.parse_args(argv)
