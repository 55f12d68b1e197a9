"""What every node of the stack shares: parameters, conversions, quality of service, running."""
