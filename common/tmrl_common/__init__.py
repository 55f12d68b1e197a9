"""Plain types, protocol, errors, clocks and geometry shared by every part."""
