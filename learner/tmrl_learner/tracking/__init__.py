"""Metrics of a run: always a CSV file in its directory, and wandb where that is wanted."""

from tmrl_learner.tracking.config import WANDB_MODES, TrackingConfig
from tmrl_learner.tracking.episode_videos import EpisodeVideos
from tmrl_learner.tracking.tracker import RunTracker, open_tracker

__all__ = ["WANDB_MODES", "EpisodeVideos", "RunTracker", "TrackingConfig", "open_tracker"]
