"""DSRL-NA: DSRL whose latent critic is distilled from a critic of executed actions."""
