"""Names of the noise schedules, for those who check a configuration without loading torch."""

SCHEDULE_NAMES = ("marginal_100", "authors_100", "authors_1000")
"""Keys of the tables in `tmrl_policies.corruption`."""
