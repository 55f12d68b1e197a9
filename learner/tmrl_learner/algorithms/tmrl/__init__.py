"""TMRL: z, context timestep and, if wanted, context noise are chosen per chunk."""
