"""CSP-pi0: the context-smoothed vision-language-action policy, in plain PyTorch."""
