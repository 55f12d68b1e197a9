"""The arithmetic of a chunk, exact but without what the plain way computes for nothing.

Against `Pi0.sample`:

- the prefix holds only tokens that are there, so that no mask is needed unless the caller pads it
  to a length that others share, and it is run once per chunk;
- its last layer gives keys and values only, because nothing looks at its output;
- the state token of pi0 sees the prefix and itself and knows no times, so its keys and values are
  made once as well; the Euler loop is left with the action tokens, which see everything;
- the part of the flow time in the action tokens is a table;
- what the adaptive norms of pi0.5 do follows from the times alone: it is made for all Euler steps
  at once, and for plain pi0.5 only once for all chunks;
- queries, keys and values of a layer come from one product, and so do both halves of its gate;
- many chunks of one prefix share its keys and values up to the Euler loop;
- the heads of one key-value head are attended to as more queries instead of copying keys.

There is no host synchronisation and no shape that depends on values, so that all of it can be
captured as one CUDA graph.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from tmrl_policies.inpainting import Committed, inpaint
from tmrl_policies.pi0.gemma import (
    AdaptiveRmsNorm,
    GemmaLayer,
    GemmaStream,
    Modulation,
    RmsNorm,
    rotary_table,
    rotate,
)
from tmrl_policies.pi0.model import Pi0, divide_by_rms, token_positions
from tmrl_policies.pi0.time_embedding import embed_time
from tmrl_policies.torch_seam import split, unflatten


class FlowInputs(NamedTuple):
    """Inputs of R chunks for each of B prefixes of one length P; all on the device.

    Attributes:
        prefix: Tokens that are there, behind them padding, shape (B, P, prefix width).
        there: Which of them are none of the padding, shape (B, P), bool; (B, 0) for all of them.
        signal: Amplitude of the prefix, shape (B, 1, 1), float32.
        corruption: Amplitude of the context noise, shape (B, 1, 1), float32.
        epsilon: Context noise, shape (B, P, prefix width), float32.
        context_time: Embedded context times, shape (B, half of the expert's width), float32; for
            plain pi0 and pi0.5 (B, 0).
        state: Shape (B, action_dim), float32.
        noise: Shape (B * R, H, action_dim), float32; those of one prefix stand below each other.
        known: First rows of the chunks that are executed anyway, normalised, shape
            (B, d, action_dim), float32; d is 0 where no chunk has some.
        is_known: Which chunks have them, shape (B,), bool.
    """

    prefix: Tensor
    there: Tensor
    signal: Tensor
    corruption: Tensor
    epsilon: Tensor
    context_time: Tensor
    state: Tensor
    noise: Tensor
    known: Tensor
    is_known: Tensor


class FastFlow:
    """Runs a network that it takes over: weights that are used together are laid side by side.

    Args:
        model: In evaluation mode, on its final device and in its final type. Its parameters become
            views into joined tensors; values and names stay.
    """

    def __init__(self, model: Pi0) -> None:
        self._model = model
        self._config = model.config
        self._prefix = _fuse_stream(model.prefix)
        self._expert = _fuse_stream(model.expert)
        width, steps = self._config.expert.width, self._config.flow_steps
        flow_width = width // 2 if self._config.context_smoothing else width
        # Behind the columns for actions, which pi0.5 does not have, come those for times.
        mlp = model.time_mlp_in if self._config.pi05 else model.action_time_mlp_in
        self._into_action, into_time = mlp.weight[:, :-width], mlp.weight[:, -width:]
        device = mlp.weight.device
        times = torch.tensor([1.0 - step / steps for step in range(steps)], device=device)
        flow = embed_time(times, flow_width) @ into_time[:, :flow_width].T + mlp.bias
        self._flow_table = flow.detach()
        self._into_context_time = into_time[:, flow_width:]
        self._unmodulated = [_StepNorms([_PLAIN] * self._config.layers, None)] * steps
        if self._config.pi05 and not self._config.context_smoothing:
            with torch.no_grad():
                self._unmodulated = self._modulated(self._flow_table.new_zeros(1, width))

    def __call__(self, inputs: FlowInputs) -> Tensor:
        """Normalised actions, shape (B * R, H, action_dim), float32."""
        length, chunks = inputs.prefix.shape[1], len(inputs.noise) // len(inputs.prefix)
        blocks = self._model.suffix_blocks(self._config.horizon)
        corrupted = self._corrupt(inputs)
        rotary, mask = self._places(inputs, sum(blocks))
        of_prefix, *of_state, of_actions = split(rotary, (length, *blocks), dim=3)
        cache = self._prefill(corrupted.to(self._model.dtype), of_prefix, sum(blocks), mask)
        if of_state:
            state = self._model.state_proj(inputs.state)[:, None].to(self._model.dtype)
            plain = self._unmodulated[0]
            self._expert_pass(state, cache, length, of_state[0], plain, keys_only=True)
        context_time = functional.linear(inputs.context_time, self._into_context_time)
        if chunks > 1:
            cache = cache.repeated(chunks)
            of_actions = of_actions.repeat_interleave(chunks, dim=1)
            context_time = context_time.repeat_interleave(chunks, dim=0)
        modulated = self._config.pi05 and self._config.context_smoothing
        steps = self._modulated(context_time) if modulated else self._unmodulated
        place, actions = length + sum(blocks[:-1]), inputs.noise
        known = Committed(inputs.known, inputs.is_known) if inputs.known.shape[1] else None
        for step, (flow_part, norms) in enumerate(zip(self._flow_table, steps, strict=True), 1):
            tokens = self._embed(actions, (flow_part + context_time)[:, None])
            out = self._expert_pass(tokens, cache, place, of_actions, norms)
            normed = _normalised(out, self._model.expert.norm, norms.last)
            velocity = self._model.action_out_proj(normed.float())
            actions = actions - velocity / self._config.flow_steps
            time = 1.0 - step / self._config.flow_steps
            actions = inpaint(actions, inputs.noise, time, known)
        return actions

    def _corrupt(self, inputs: FlowInputs) -> Tensor:
        """The prefix as `Pi0.corrupt` leaves it, float32."""
        exact = inputs.prefix.float()
        if not self._config.context_smoothing:
            return exact
        exact = divide_by_rms(exact) if self._config.prefix_rms else exact
        return inputs.signal * exact + inputs.corruption * inputs.epsilon

    def _modulated(self, context_time: Tensor) -> list["_StepNorms"]:
        """What the adaptive norms do in each Euler step, for context times (B, width)."""
        hidden = functional.silu(self._flow_table[:, None] + context_time)
        condition = functional.silu(self._model.time_mlp_out(hidden))

        def by_step(norm: RmsNorm | AdaptiveRmsNorm) -> list[Modulation]:
            assert isinstance(norm, AdaptiveRmsNorm), "pi0.5 has no others here"
            whole = norm.modulation(condition.flatten(0, 1))
            parts = (unflatten(part, 0, condition.shape[:2]) for part in whole)
            return [Modulation(*step) for step in zip(*parts, strict=True)]

        stream = self._model.expert
        pairs = [
            zip(by_step(layer.input_norm), by_step(layer.mlp_norm), strict=True)
            for layer in (stream[index] for index in range(self._config.layers))
        ]
        lasts = by_step(stream.norm)
        return [_StepNorms(step, last) for *step, last in zip(*pairs, lasts, strict=True)]

    def _places(self, inputs: FlowInputs, suffix: int) -> tuple[Tensor, Tensor | None]:
        """Turns to the positions of all tokens, and which of them may be seen; None for all."""
        batch, length = inputs.prefix.shape[:2]
        if inputs.there.shape[1]:
            positions = token_positions(inputs.there, suffix)
            mask = functional.pad(inputs.there, (0, suffix), value=True)[:, None, None]
        else:
            device = inputs.prefix.device
            positions = torch.arange(length + suffix, device=device)[None].expand(batch, -1)
            mask = None
        return rotary_table(positions, self._config.head_dim), mask

    def _prefill(self, tokens: Tensor, rotary: Tensor, spare: int, mask: Tensor | None) -> "_Cache":
        """Keys and values of the prefix, with room for those of the second stream."""
        config = self._config
        batch, length = tokens.shape[:2]
        shape = (config.layers, 2, batch, config.kv_heads, length + spare, config.head_dim)
        cache = tokens.new_empty(shape)
        for index, layer in enumerate(self._prefix):
            if index == config.layers - 1:
                cache[index, :, :, :, :length] = layer.keys_values(tokens, rotary)
                break
            q, keys_values = layer.project(tokens, rotary)
            cache[index, :, :, :, :length] = keys_values
            seen = None if mask is None else mask[..., :length]
            tokens = layer.finish(tokens, attend(q, keys_values[0], keys_values[1], seen))
        return _Cache(cache, mask)

    def _expert_pass(
        self,
        tokens: Tensor,
        cache: "_Cache",
        place: int,
        rotary: Tensor,
        norms: "_StepNorms",
        *,
        keys_only: bool = False,
    ) -> Tensor:
        """Runs tokens that see everything up to themselves; their keys go to `place` on."""
        end = place + tokens.shape[1]
        for index, (layer, pair) in enumerate(zip(self._expert, norms.layers, strict=True)):
            if keys_only and index == self._config.layers - 1:
                cache.keys_values[index, :, :, :, place:end] = layer.keys_values(tokens, rotary)
                break
            q, keys_values = layer.project(tokens, rotary, pair[0])
            cache.keys_values[index, :, :, :, place:end] = keys_values
            tokens = layer.finish(tokens, cache.attended(index, q, end), pair)
        return tokens

    def _embed(self, actions: Tensor, time_part: Tensor) -> Tensor:
        if self._config.pi05:
            return self._model.action_in_proj(actions).to(self._model.dtype)
        tokens = functional.linear(self._model.action_in_proj(actions), self._into_action)
        hidden = functional.silu(tokens + time_part)
        return self._model.action_time_mlp_out(hidden).to(self._model.dtype)


_Pair = tuple[Modulation | None, Modulation | None]
_PLAIN: _Pair = (None, None)
"""Both norms of a layer where they are not adaptive."""


class _StepNorms(NamedTuple):
    """What the norms of the second stream do in an Euler step.

    Attributes:
        layers: Of each layer's two norms.
        last: Of the norm behind the layers.
    """

    layers: Sequence[_Pair]
    last: Modulation | None


class _Cache(NamedTuple):
    """What the second stream sees.

    Attributes:
        keys_values: Shape (layers, 2, B, kv heads, P + S, head dim).
        mask: Which of them may be seen, shape (B, 1, 1, P + S), bool; None for all.
    """

    keys_values: Tensor
    mask: Tensor | None

    def repeated(self, chunks: int) -> "_Cache":
        """The same for several chunks of each prefix."""
        mask = None if self.mask is None else self.mask.repeat_interleave(chunks, dim=0)
        return _Cache(self.keys_values.repeat_interleave(chunks, dim=2), mask)

    def attended(self, layer: int, q: Tensor, end: int) -> Tensor:
        """What queries see of the first `end` keys of a layer; shapes as for `attend`."""
        seen = None if self.mask is None else self.mask[..., :end]
        keys, values = self.keys_values[layer, :, :, :, :end]
        return attend(q, keys, values, seen)


class _FusedLayer:
    """A `GemmaLayer` whose products over the same input are one."""

    def __init__(self, layer: GemmaLayer) -> None:
        self._layer = layer
        self._heads, self._kv_heads = layer.heads, layer.kv_heads
        self._qkv = join_weights(layer.q_proj, layer.k_proj, layer.v_proj)
        self._kv = self._qkv[layer.q_proj.out_features :]
        self._gate_up = join_weights(layer.gate_proj, layer.up_proj)

    def project(
        self, tokens: Tensor, rotary: Tensor, modulation: Modulation | None = None
    ) -> tuple[Tensor, Tensor]:
        """Queries (B, heads, T, head_dim); keys and values (2, B, kv_heads, T, head_dim)."""
        heads = self._split(self._qkv, tokens, modulation)
        q, k, v = split(heads, (self._heads, self._kv_heads, self._kv_heads), dim=1)
        return rotate(q, rotary), torch.stack((rotate(k, rotary), v))

    def keys_values(self, tokens: Tensor, rotary: Tensor) -> Tensor:
        """Keys and values alone."""
        k, v = self._split(self._kv, tokens, None).chunk(2, dim=1)
        return torch.stack((rotate(k, rotary), v))

    def finish(self, tokens: Tensor, attended: Tensor, modulations: _Pair = _PLAIN) -> Tensor:
        """As `GemmaLayer.finish`."""
        mixed = self._layer.o_proj(attended.transpose(1, 2).flatten(2))
        tokens = tokens + _gated(mixed, modulations[0])
        normed = _normalised(tokens, self._layer.mlp_norm, modulations[1])
        gate, up = functional.linear(normed, self._gate_up).chunk(2, dim=-1)
        branch = self._layer.down_proj(functional.gelu(gate, approximate="tanh") * up)
        return tokens + _gated(branch, modulations[1])

    def _split(self, weight: Tensor, tokens: Tensor, modulation: Modulation | None) -> Tensor:
        normed = _normalised(tokens, self._layer.input_norm, modulation)
        projected = functional.linear(normed, weight)
        return unflatten(projected, -1, (-1, self._head_dim)).transpose(1, 2)

    @property
    def _head_dim(self) -> int:
        return self._layer.q_proj.out_features // self._heads


def _normalised(
    tokens: Tensor, norm: RmsNorm | AdaptiveRmsNorm, modulation: Modulation | None
) -> Tensor:
    if modulation is not None:
        return modulation.normalise(tokens)
    assert isinstance(norm, RmsNorm), "an adaptive norm needs a modulation"
    return norm(tokens)


def _gated(branch: Tensor, modulation: Modulation | None) -> Tensor:
    return branch if modulation is None else modulation.gate.to(branch.dtype) * branch


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Attention of every query to the same keys, several query heads to one of keys.

    Args:
        q: Shape (B, heads, T, head_dim).
        k: Shape (B, kv_heads, S, head_dim).
        v: Shape (B, kv_heads, S, head_dim).
        mask: Which keys are seen, shape (B, 1, 1, S), bool; None for all.

    Returns:
        Shape (B, heads, T, head_dim).
    """
    # What sees the same keys may stand below each other, as queries of one head.
    batch, heads, tokens, width = q.shape
    grouped = q.reshape(batch, k.shape[1], -1, width)
    mixed = functional.scaled_dot_product_attention(grouped, k, v, mask)
    return mixed.reshape(batch, heads, tokens, width)


def join_weights(*linears: nn.Linear) -> Tensor:
    """Lays weights below each other and makes the layers' own weights views of that."""
    joined = torch.cat([linear.weight.detach() for linear in linears])
    parts = split(joined, [linear.out_features for linear in linears])
    for linear, part in zip(linears, parts, strict=True):
        linear.weight = nn.Parameter(part, requires_grad=False)
    return joined


def _fuse_stream(stream: GemmaStream) -> list[_FusedLayer]:
    return [_FusedLayer(stream[index]) for index in range(len(stream.layers))]
