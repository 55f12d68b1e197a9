"""What is measured of points that ought to lie on the unit circle. Points have shape (N, 2)."""

import math

import torch
from torch import Tensor

SECTORS = 36


def distance_to_circle(points: Tensor) -> float:
    """Mean distance to the nearest point of the circle: what is no valid action at all."""
    return float((points.norm(dim=-1) - 1.0).abs().mean())


def distance_to_target(points: Tensor, angle_rad: float) -> float:
    """Mean distance to the point that belongs to the angle."""
    target = torch.tensor([math.cos(angle_rad), math.sin(angle_rad)])
    return float((points - target).norm(dim=-1).mean())


def angular_spread_deg(points: Tensor, angle_rad: float) -> float:
    """Root mean square of the angle between a point and the asked-for angle, degrees."""
    angle = torch.atan2(points[:, 1], points[:, 0]) - angle_rad
    wrapped = torch.atan2(angle.sin(), angle.cos())
    return math.degrees(float(wrapped.square().mean().sqrt()))


def overlap(points: Tensor, others: Tensor) -> float:
    """Overlap ``1 - TV`` (paper, section III) of the angles, in sectors of 10 degrees.

    Sectors hide what differs within one, finite samples add differences: an estimate, not a bound.
    """
    shares = [_sector_shares(values) for values in (points, others)]
    return float(torch.minimum(*shares).sum())


def _sector_shares(points: Tensor) -> Tensor:
    turns = torch.atan2(points[:, 1], points[:, 0]) / (2.0 * math.pi) + 0.5
    sector = (turns * SECTORS).long().clamp_(0, SECTORS - 1)
    return torch.bincount(sector, minlength=SECTORS) / len(points)
