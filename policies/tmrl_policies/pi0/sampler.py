"""The fast way from observations to chunks: prunes, groups, and replays CUDA graphs."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from tmrl_policies.inpainting import Committed
from tmrl_policies.pi0.cuda_graphs import GraphedFunction
from tmrl_policies.pi0.fast_flow import FastFlow, FlowInputs
from tmrl_policies.pi0.model import Pi0
from tmrl_policies.pi0.time_embedding import embed_time
from tmrl_policies.torch_seam import compiled_function, counts

_FEWEST_GRAPHS = 8
_PROMPT_STEP = 32


class Pi0Sampler:
    """Samples from a network with the same result as `Pi0.sample`. Use from one thread.

    Args:
        model: On its final device and in its final type; taken over, see `FastFlow`.
        graphs: Whether to replay CUDA graphs where the device is a GPU.
        max_batch: Most chunks that are sampled at a time. There is a graph for each number of
            them and each length of a prefix; those of two lengths are kept.
        compiled: Whether to run the arithmetic through torch.compile, which takes minutes once per
            length of a prefix.
        prompt_step: Prompts are padded to a multiple of so many tokens, and the padding masked, so
            that one graph or one compilation serves prefixes of several lengths. 0 for 32 where
            there are such and the network is a pi0.5, in whose prompts the state takes another
            number of tokens every time, and for 1 elsewhere, which pads nothing.

    Attributes:
        prepares: Whether the first pass of each size takes longer than the next ones, because it is
            captured or compiled.
    """

    def __init__(
        self,
        model: Pi0,
        *,
        graphs: bool = True,
        max_batch: int = 1,
        compiled: bool = False,
        prompt_step: int = 0,
    ) -> None:
        self._model = model.eval().requires_grad_(requires_grad=False)
        flow = FastFlow(model)

        def run(*inputs: Tensor) -> Tensor:
            return flow(FlowInputs(*inputs))

        # What is compiled must not enter the inference mode itself; the methods below do.
        encode = model.embed_images
        if compiled:
            run, encode = compiled_function(run), compiled_function(encode)
        self.prepares = compiled or (graphs and self.device.type == "cuda")
        self._step = prompt_step or (_PROMPT_STEP if self.prepares and model.config.pi05 else 1)
        most = max(_FEWEST_GRAPHS, 2 * max_batch)
        self._run = GraphedFunction(run, most=most, enabled=graphs)
        self._encode = GraphedFunction(encode, most=most, enabled=graphs)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self._model.action_in_proj.weight.device

    @torch.inference_mode()
    def encode_images(self, images: Tensor) -> Tensor:
        """Image tokens, which do not depend on sigma or epsilon: worth keeping per frame.

        Args:
            images: Shape (N, 3, 224, 224), float32 in [-1, 1], on the device.

        Returns:
            Shape (N, T, prefix width).
        """
        return self._encode((images,))

    @torch.inference_mode()
    def sample(
        self,
        image_tokens: Tensor,
        image_mask: Tensor,
        tokens: Tensor,
        token_mask: Tensor,
        state: Tensor,
        noise: Tensor,
        sigma: Tensor,
        epsilon: Sequence[Tensor] | Tensor,
        known: Committed | None = None,
    ) -> Tensor:
        """Makes B chunks; those whose prefixes are of one length, once padded, run together.

        Args:
            image_tokens: From `encode_images`, shape (B, slots, T, prefix width), on the device;
                what stands in a slot without a camera is not read.
            image_mask: Which slots have a camera, shape (B, slots), bool, on the CPU.
            tokens: Language tokens, shape (B, L), int64.
            token_mask: Which of them are there, shape (B, L), bool, on the CPU.
            state: Shape (B, action_dim), float32.
            noise: Shape (B, H, action_dim), float32; or (B, R, H, action_dim) for R chunks of each
                prefix, which is computed once for them.
            sigma: Context times in [0, 1], shape (B,), float32, on the CPU.
            epsilon: Context noise of each chunk, float32: one vector for all tokens of its prefix,
                shape (prefix width,), or one for each, shape (slots * T + L, prefix width), of
                which those of absent tokens are not read.
            known: First rows that are executed anyway; columns that are missing count as 0.

        Returns:
            Normalised actions, of the shape of `noise`, float32, on the device.

        Raises:
            ValueError: A sigma lies outside of [0, 1].
        """
        per_image = image_tokens.shape[2]
        of_images = image_mask.repeat_interleave(per_image, dim=1)
        there = torch.cat((of_images, token_mask), dim=1)
        groups = self._groups(per_image * image_mask.sum(dim=1), token_mask.sum(dim=1))
        actions, known = torch.empty_like(noise, device=self.device), _padded_known(known, noise)
        for length, rows in groups.items():
            prefix = [
                self._prefix(image_tokens[i, image_mask[i]], tokens[i, token_mask[i]]) for i in rows
            ]
            of_tokens = [self._of_tokens(epsilon[i], there[i]) for i in rows]
            lengths = torch.tensor([len(each) for each in prefix])[:, None]
            made = self._run(
                self._inputs(
                    _padded(prefix, length),
                    torch.arange(length if self._step > 1 else 0) < lengths,
                    state[rows],
                    noise[rows].flatten(0, -3),
                    sigma[rows],
                    _padded(of_tokens, length),
                    Committed(known.actions[rows], known.there[rows]),
                )
            )
            actions[rows] = made.reshape(len(rows), *noise.shape[1:])
        return actions

    def _groups(self, of_images: Tensor, words: Tensor) -> dict[int, list[int]]:
        """Length of a padded prefix -> the rows of which it is; both counts of shape (B,)."""
        groups: dict[int, list[int]] = {}
        for row, (images, spoken) in enumerate(zip(counts(of_images), counts(words), strict=True)):
            groups.setdefault(images + -(-spoken // self._step) * self._step, []).append(row)
        return groups

    def _prefix(self, image_tokens: Tensor, words: Tensor) -> Tensor:
        """Tokens that are there, shape (P, prefix width)."""
        prompt = self._model.embed_prompt(words.to(self.device))
        return torch.cat((image_tokens.flatten(0, 1), prompt.to(image_tokens.dtype)))

    def _of_tokens(self, epsilon: Tensor, there: Tensor) -> Tensor:
        """Noise of the tokens that are there, shape (P, prefix width)."""
        epsilon = epsilon.to(self.device)
        if epsilon.dim() == 1:
            return epsilon.expand(int(there.sum()), -1)
        return epsilon[there]

    def _inputs(
        self,
        prefix: Tensor,
        there: Tensor,
        state: Tensor,
        noise: Tensor,
        sigma: Tensor,
        epsilon: Tensor,
        known: Committed,
    ) -> FlowInputs:
        config = self._model.config
        if config.context_smoothing:
            amplitudes = self._model.schedule.amplitudes(sigma)
            context_time = embed_time(sigma, config.expert.width // 2)
        else:
            amplitudes = torch.ones_like(sigma), torch.zeros_like(sigma)
            context_time = sigma.new_empty((len(sigma), 0))
        signal, corruption = (part.float()[:, None, None] for part in amplitudes)
        rest = (there, signal, corruption, epsilon, context_time, state, noise, *known)
        return FlowInputs(prefix, *(part.to(self.device, non_blocking=True) for part in rest))


def _padded_known(known: Committed | None, noise: Tensor) -> Committed:
    """Known rows of as many columns as the noise has, (B, H, action_dim); no rows for none."""
    if known is None:
        return Committed(noise[:, :0], torch.zeros(len(noise), dtype=torch.bool))
    missing = noise.shape[-1] - known.actions.shape[-1]
    return Committed(functional.pad(known.actions, (0, missing)), known.there)


def _padded(rows: Sequence[Tensor], length: int) -> Tensor:
    """Rows of (P, width) with zeros behind them, shape (B, length, width)."""
    return torch.stack([functional.pad(row, (0, 0, 0, length - len(row))) for row in rows])
