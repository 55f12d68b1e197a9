"""The motion controller: judges action chunks, limits every setpoint, arbitrates who drives."""
