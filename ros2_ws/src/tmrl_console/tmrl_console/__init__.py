"""The console: a page from which a person runs a session beside the arm."""
