"""Fine-tuning of CSP-pi0 on recorded demonstrations."""
