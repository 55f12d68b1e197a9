"""Suggests which episodes succeeded, as their labels have taught it."""
