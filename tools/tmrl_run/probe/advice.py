"""What a probe says about the session to come, in sentences with the numbers that they rest on."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tmrl_agent.probe import FULL, REPEATED, WARM_UP, Probe, parse
from tmrl_run.probe.figures import SettingFigures

FROZEN, ONE_ROW = str(Probe(FULL, 0.0, 0.0)), str(Probe(REPEATED, 0.0, 0.0))
_ROUGHER = 1.5
"""More than so many times as rough as the frozen policy is outside of what it was trained to do."""
_MORE_CLAMPED = 0.1
"""So much larger a share of clamped chunks: the limits shape the motion, not the policy."""
_Z_REMEDY = "learning.overrides:=[agent.z_bound={:g}]"
_NARROW = 0.5
"""A repeated row of z that spreads the chunks less than so many times as independent rows do."""


@dataclass(frozen=True)
class Advice:
    """What to do.

    Attributes:
        sigma_cap: Largest sigma up to which the arm moves as the frozen policy moves it; None where
            that cannot be said.
        z_bound: The same of the bound of z.
        sentences: What was seen, and what follows.
    """

    sigma_cap: float | None
    z_bound: float | None
    sentences: tuple[str, ...]


def advise(figures: Sequence[SettingFigures]) -> Advice:
    """Draws the conclusions from a probe's figures.

    Args:
        figures: Of every setting; those without a chunk are passed over.
    """
    moved = {each.setting: each for each in figures if each.chunks}
    frozen = moved.get(FROZEN)
    if frozen is None:
        sentence = f"The frozen policy ({FROZEN}) has not moved the arm: there is no measure yet."
        return Advice(None, None, (*_on_reward(moved), sentence))
    probes = [(probe, each) for name, each in moved.items() if (probe := parse(name))]
    sweep = {probe.sigma: each for probe, each in probes if probe.noise == FULL}
    bounds = {probe.bound: each for probe, each in probes if probe.bound and not probe.sigma}
    sigma_cap, z_bound = _largest(frozen, sweep), _largest(frozen, bounds)
    sentences = [
        *_on_reward(moved),
        *_on_limit("σ", sigma_cap, max(sweep), "controller.sigma_cap:={:g}"),
        *_on_limit("z", z_bound, max(bounds, default=0.0), _Z_REMEDY),
        *_on_repeating(moved),
    ]
    return Advice(sigma_cap, z_bound, tuple(sentences))


def _largest(frozen: SettingFigures, settings: Mapping[float, SettingFigures]) -> float | None:
    """The largest value up to which every setting moves the arm as the frozen policy does."""
    largest: float | None = None
    for value in sorted(settings):
        each = settings[value]
        rougher = each.roughness > _ROUGHER * frozen.roughness
        if rougher or each.clamped > frozen.clamped + _MORE_CLAMPED:
            break
        largest = value
    return largest


def _on_reward(moved: Mapping[str, SettingFigures]) -> Iterator[str]:
    """Whether there is anything to learn from: a method of this kind needs a first success."""
    judged = {name: each for name, each in moved.items() if each.episodes}
    if not judged:
        yield "No episode was labelled: whether the task can be reached at all is not known."
        return
    best = max(judged.values(), key=lambda each: each.successes / each.episodes)
    if best.successes == 0:
        episodes = sum(each.episodes for each in judged.values())
        yield (
            f"No success in {episodes} episodes of any setting. Learning needs a first one: make "
            "the task easier, or finish some episodes by hand, before you spend an hour."
        )
        return
    yield f"Best: {best.setting}, {best.successes} of {best.episodes} episodes succeeded."
    start = judged.get(WARM_UP)
    if start is None:
        return
    if start.successes:
        expected = start.episodes / start.successes
        yield f"The warm-up finds a success about every {expected:.0f} episodes: go ahead."
    else:
        yield (
            f"The warm-up found none in {start.episodes}; with 95 % confidence fewer than one of "
            f"{start.episodes / 3:.0f} episodes succeeds there."
        )


def _on_limit(what: str, found: float | None, probed: float, remedy: str) -> Iterator[str]:
    if not probed:
        return
    if found is None or (found == 0.0 and probed > 0.0):
        yield (
            f"Any {what} that was probed makes the arm move otherwise than the frozen policy does "
            "(roughness, or clamped chunks): look at the recordings before you allow it."
        )
    elif found < probed:
        yield (
            f"Up to {what} {found:g} the arm moves like the frozen policy, above it rougher or "
            f"against its limits: {remedy.format(found)}"
        )
    else:
        yield f"Up to {what} {found:g}, the most that was probed, it moves like the frozen policy."


def _on_repeating(moved: Mapping[str, SettingFigures]) -> Iterator[str]:
    repeated, full = moved.get(ONE_ROW), moved[FROZEN]
    if repeated is None or not full.spread:
        return
    ratio = repeated.spread / full.spread
    if ratio >= _NARROW:
        yield (
            f"One row of z, repeated, spreads the chunks {ratio:.1f} times as far as rows of their "
            "own: steering a single row, as the methods here do, reaches as much."
        )
    else:
        yield (
            f"One row of z, repeated, spreads the chunks only {ratio:.1f} times as far as rows of "
            "their own: steering has little to choose from at σ = 0; look at the higher σ."
        )
