"""DSRL: z alone is chosen per chunk."""
