"""Networks that the policy server acts with and the learner trains."""
